"""When a continuation repeats itself."""

import pytest

from tasks.scoring.degeneration import repeats_itself


@pytest.mark.parametrize(
    ("tokens", "n", "share", "expected"),
    [
        ([1, 1, 1, 1], 2, 2 / 3, True),  # bigrams 11, 11, 11: 2 of 3 were there before
        ([1, 1, 1, 1], 2, 0.67, False),
        ([1, 2, 1, 2, 1], 2, 0.5, True),  # 12, 21, 12, 21: 2 of 4
        ([1, 2, 1, 2, 1], 3, 0.5, False),  # 121, 212, 121: 1 of 3
        ([1, 2, 1, 2, 1], 3, 1 / 3, True),
        ([1, 2, 3, 4], 1, 0.01, False),
        ([5, 5], 1, 0.5, True),
    ],
)
def test_share_of_repeated_ngrams_by_hand(tokens: list[int], n: int, share: float, expected: bool) -> None:
    """The share of n-grams that occurred before, counted by hand, is compared with the limit; reaching it is enough."""
    assert repeats_itself(tokens, n, share) is expected


@pytest.mark.parametrize("tokens", [[], [1], [1, 1]])
def test_a_text_without_ngrams_repeats_nothing(tokens: list[int]) -> None:
    """Fewer than 3 tokens have no trigram, so even the share 0 is not reached."""
    assert repeats_itself(tokens, 3, 0.0) is False
