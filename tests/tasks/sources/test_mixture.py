"""Mixtures of languages: counts that add up, samples that stay."""

import pytest

from tasks.sources.mixture import by_largest_remainder, mix


@pytest.mark.parametrize(
    ("total", "shares", "expected"),
    [
        (10, {"en": 0.7, "de": 0.3}, [7, 3]),
        (10, {"en": 1 / 3, "de": 1 / 3, "fr": 1 / 3}, [4, 3, 3]),
        (7, {"en": 0.5, "de": 0.25, "fr": 0.25}, [3, 2, 2]),
        (3, {"en": 0.9, "de": 0.1}, [3, 0]),
        (100, {"en": 0.29, "de": 0.71}, [29, 71]),
    ],
)
def test_counts_are_shares_rounded(total: int, shares: dict[str, float], expected: list[int]) -> None:
    """By hand: 3.5, 1.75, 1.75 of 7 become 3, 2, 2, the larger remainders being rounded up."""
    assert list(by_largest_remainder(total, shares).values()) == expected


def test_the_scarcest_language_sets_the_size() -> None:
    """With 9 German rows at a share of .3 there can be 30 rows: 21 English, all of the German."""
    rows = {"en": [f"e{n}" for n in range(100)], "de": [f"d{n}" for n in range(9)]}
    kept = mix(rows, {"en": 0.7, "de": 0.3}, None, "s")
    assert len(kept) == len(set(kept)) == 30
    assert [row for row in kept if row.startswith("d")] == rows["de"]
    assert kept == mix(rows, {"en": 0.7, "de": 0.3}, None, "s") != mix(rows, {"en": 0.7, "de": 0.3}, None, "t")


def test_a_language_is_sampled_apart() -> None:
    """Another language beside it changes nothing but how many of it are taken."""
    rows = {language: [f"{language}{n}" for n in range(50)] for language in ("en", "de", "fr")}
    two = mix(rows, {"en": 0.5, "de": 0.5}, 20, "s")
    three = mix(rows, {"en": 0.5, "fr": 0.5}, 20, "s")
    assert two[:10] == three[:10]


@pytest.mark.parametrize("total", [40, 2])
def test_too_few_rows_are_refused(total: int) -> None:
    """12 German rows asked of 9; and a share that would round to none."""
    rows = {"en": ["e"] * 100, "de": ["d"] * 9}
    with pytest.raises(ValueError, match=rf"of {total} would be de, of which there are 9"):
        mix(rows, {"en": 0.7, "de": 0.3} if total == 40 else {"en": 0.9, "de": 0.1}, total, "s")


def test_languages_draw_different_numbers() -> None:
    """Row 5 of English says nothing about row 5 of German: one seed for both would take translations of each other."""
    rows = {language: [str(number) for number in range(50)] for language in ("en", "de")}
    kept = mix(rows, {"en": 0.5, "de": 0.5}, 20, "s")
    assert kept[:10] != kept[10:]
