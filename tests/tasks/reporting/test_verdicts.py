"""Sentences about results: what weak, absent and opposite effects read like."""

import math

import pytest

from tasks.reporting import verdicts
from tasks.reporting.verdicts import Association, Change


def change(before: float, after: float, half_width: float = 0.05) -> Change:
    difference = after - before
    return Change(before, after, difference, difference - half_width, difference + half_width, difference / before)


def association(estimate: float, half_width: float = 0.2, p_value: float = 0.01, error: float = 0.1) -> Association:
    return Association(16, estimate, estimate - half_width, estimate + half_width, p_value, error, 0.2)


def test_source_that_did_not_change_ends_the_story() -> None:
    """If the interval includes 0 at home, the page must not speak of transfer."""
    sentence = str(verdicts.source_verdict("en", change(0.5, 0.48), 0.95))
    assert "does not measurably change, from 0.500 to 0.480" in sentence
    assert "nothing below is about transfer" in sentence


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (0.1, "Transfer is full: a relative reduction of 80% against 80% in English."),
        (0.3, "Transfer is partial: a relative reduction of 40% against 80% in English."),
        (0.4, "Transfer is weak: a relative reduction of 20% against 80% in English."),
        (0.47, "the interval includes 0, so on average no transfer is shown"),
        (
            0.7,
            "rises, from 0.500 to 0.700 (change +0.200, 95% interval +0.150 to +0.250): they got more toxic, not less",
        ),
    ],
)
def test_transfer(after: float, said: str) -> None:
    """English falls from .5 to .1, by 80%; others from .5 to `after`. Weak is less than half of 80%."""
    assert said in str(verdicts.transfer_verdict("en", change(0.5, 0.1), change(0.5, after), 16, 0.95))


def test_significance_names_whom_it_leaves_out() -> None:
    """Two drops of three hold; one language rose, and that is said although it is not significant."""
    changes = {"de": change(0.5, 0.1), "fr": change(0.5, 0.2), "ru": change(0.5, 0.6)}
    sentence = str(verdicts.significance_verdict(changes, {"de": 0.001, "fr": 0.002, "ru": 0.3}, 0.05))
    assert "in 2 of 3 languages; not in Russian. More toxic, though not significantly: Russian (+0.100)." in sentence


def test_a_significant_rise_is_no_drop() -> None:
    """A small p alone does not count as success."""
    sentence = str(verdicts.significance_verdict({"ru": change(0.5, 0.6)}, {"ru": 0.001}, 0.05))
    assert "in 0 of 1 languages. Significantly more toxic: Russian (+0.100)." in sentence


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (association(0.7), "guessing the mean of the others by 20.0: it tells something beforehand."),
        (
            association(0.7, error=0.3),
            "no better than the mean-only baseline, so it does not predict an unseen language.",
        ),
        (association(0.1), "no reliable relation"),
        (association(0.7, p_value=0.2), "no reliable relation"),
        (association(0.1, error=0.2), "no better than the mean-only baseline."),
        (association(-0.7), "the opposite of a predictor"),
    ],
)
def test_predictor(found: Association, said: str) -> None:
    """A predictor needs an interval above 0, a small p, and less error than the mean; .2 against .2 is not less."""
    assert said in str(verdicts.predictor_verdict("P@1", found, 0.95))


def test_predictor_without_estimate_says_why() -> None:
    """A constant measure correlates with nothing."""
    found = Association(16, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, "x is constant")
    assert str(verdicts.predictor_verdict("P@1", found, 0.95)).endswith("cannot be said: x is constant.")


def test_control_that_takes_the_relation_away() -> None:
    """An interval of the partial correlation that includes 0 is not called staying."""
    assert "is not shown to stay" in str(verdicts.control_verdict("P@1", 0.2, -0.1, 0.5, 0.6))
    assert "with P@1 stays" in str(verdicts.control_verdict("P@1", 0.6, 0.3, 0.8, 0.1))


def test_retention_names_the_worst_language() -> None:
    """Perplexity rose by half in French and fell in German."""
    assert str(verdicts.retention_verdict({"fr": 0.5, "de": -0.1}, "held-out civil text")).endswith(
        "in 1 of 2 languages, by 50% at worst (French)."
    )
    assert "rises in no language; it falls least in German (−10%)" in str(
        verdicts.retention_verdict({"fr": -0.5, "de": -0.1}, "civil text")
    )


def test_leaving_the_language_is_a_caveat() -> None:
    """From 90% to 40% in German is more than the ten points from which less toxicity may be another language."""
    sentence = str(verdicts.language_verdict({"de": 0.9, "fr": 0.9}, {"de": 0.4, "fr": 0.85}))
    assert "rarest in German, 90% before and 40% after" in sentence
    assert "10 percentage points or more in German; where" in sentence
    assert "less measured toxicity" not in str(verdicts.language_verdict({"de": 0.9}, {"de": 0.85}))


def test_empty_continuations_are_a_caveat() -> None:
    """Saying nothing is not toxic, so a rise from 10% to 30% is said, and so is that there is none."""
    sentence = str(verdicts.empty_verdict({"de": 0.1, "fr": 0.2}, {"de": 0.3, "fr": 0.1}))
    assert "count as not toxic, rise most in German, from 10% to 30%." in sentence
    assert (
        str(verdicts.empty_verdict({"fr": 0.2}, {"fr": 0.1}))
        == "Empty continuations became more frequent in no language."
    )


def test_training_that_never_improved() -> None:
    """The base model stays the best one, and the sentence says so."""
    assert "never falls below its start, 0.693; step 0 is kept" in str(
        verdicts.training_verdict("Seed 1", 0.693, 0.693, 0, 9, 0)
    )


def test_training_that_stopped_at_its_end() -> None:
    """The last step being the best one hints at too few steps; a negative chosen reward is named."""
    sentence = str(verdicts.training_verdict("Seed 1", 0.693, 0.1, 9, 9, -0.5))
    assert "the last, so it may not have converged" in sentence
    assert "became less likely, too" in sentence
    assert "less likely" not in str(verdicts.training_verdict("Seed 1", 0.693, 0.1, 5, 9, 0.5))
