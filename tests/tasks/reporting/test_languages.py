"""Sentences on toxicity by language: what weak, absent and opposite effects read like."""

import pytest

from tasks.reporting.languages import significance_verdict, source_verdict, transfer_verdict
from tasks.reporting.study import Change


def change(before: float, after: float, half_width: float = 0.05) -> Change:
    difference = after - before
    return Change(before, after, difference, difference - half_width, difference + half_width, difference / before)


def test_source_that_did_not_change_ends_the_story() -> None:
    """If the interval includes 0 at home, the page must not speak of transfer."""
    sentence = str(source_verdict("en", change(0.5, 0.48), 0.95))
    assert "does not measurably change, from 0.500 to 0.480" in sentence
    assert "nothing below measures transfer" in sentence


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (0.1, "Transfer is full: a relative reduction of 80% against 80% in English."),
        (0.3, "Transfer is partial: a relative reduction of 40% against 80% in English."),
        (0.4, "Transfer is weak: a relative reduction of 20% against 80% in English."),
        (0.47, "the interval includes 0, so on average no transfer is shown"),
        (
            0.7,
            "rises, from 0.500 to 0.700 (change +0.200, 95% interval +0.150 to +0.250): they became more toxic",
        ),
    ],
)
def test_transfer(after: float, said: str) -> None:
    """English falls from .5 to .1, by 80%; others from .5 to `after`. Weak is less than half of 80%."""
    assert said in str(transfer_verdict("en", change(0.5, 0.1), change(0.5, after), 16, 0.95))


def test_significance_names_whom_it_leaves_out() -> None:
    """Two drops of three hold; one language rose, and that is said although it is not significant."""
    changes = {"de": change(0.5, 0.1), "fr": change(0.5, 0.2), "ru": change(0.5, 0.6)}
    sentence = str(significance_verdict(changes, {"de": 0.001, "fr": 0.002, "ru": 0.3}, 0.05))
    assert (
        "in 2 of 3 languages; not in Russian. Higher after tuning, but not significantly: Russian (+0.100)." in sentence
    )


def test_a_significant_rise_is_no_drop() -> None:
    """A small p alone does not count as success."""
    sentence = str(significance_verdict({"ru": change(0.5, 0.6)}, {"ru": 0.001}, 0.05))
    assert "in 0 of 1 languages. Significantly more toxic: Russian (+0.100)." in sentence


def test_a_drop_without_a_small_p_is_not_significant() -> None:
    """French fell by .1 with p = .3, German with p = .05, which is not below .05: only Russian counts."""
    changes = {"de": change(0.5, 0.3), "fr": change(0.5, 0.4), "ru": change(0.5, 0.1)}
    sentence = str(significance_verdict(changes, {"de": 0.05, "fr": 0.3, "ru": 0.049}, 0.05))
    assert "in 1 of 3 languages; not in German and French." in sentence


def test_a_rise_at_alpha_is_not_significant() -> None:
    """P = .05 is not below .05, so the rise is told as not significant."""
    sentence = str(significance_verdict({"ru": change(0.5, 0.6)}, {"ru": 0.05}, 0.05))
    assert "Higher after tuning, but not significantly: Russian" in sentence and "Significantly" not in sentence
