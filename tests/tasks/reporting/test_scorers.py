"""Sentences on the scorers: valid, not shown to be, unknown; agreement and its absence."""

import math

import pytest

from tasks.reporting.scorers import agreement_verdict, doubt, primary_doubt, validity_verdict
from tasks.reporting.sourced import Record


def row(language: str, **values: object) -> Record:
    return Record({"language": language, **values}, f"v.csv:language={language}:")


def test_validity_counts_languages_with_labels_only() -> None:
    """One of two labelled languages is valid; Russian has no labels and counts in neither number."""
    rows = [
        row("de", auroc=0.9, valid=True, texts=20),
        row("hi", auroc=0.6, valid=False, texts=20),
        row("ru", auroc=math.nan, valid=None, texts=0),
    ]
    assert str(validity_verdict("guard", rows, 0.7)).endswith("in 1 of 2 languages that have labels; not in Hindi.")
    assert str(validity_verdict("guard", rows[2:], 0.7)).startswith("Whether guard is valid is unknown")


def test_doubts_name_languages_and_are_silent_without() -> None:
    """Of two languages without a valid scorer one has no labels."""
    assert doubt([], []) is None and primary_doubt("guard", []) is None
    text = str(doubt(["hi", "ru"], ["ru", "zh"]))
    assert text.startswith("No scorer is shown to be valid in Hindi and Russian (Russian without labelled texts): ")
    assert "guard, whose scores these are, is not shown to be valid in Hindi, marked ‡" in str(
        primary_doubt("guard", ["hi"])
    )


@pytest.mark.parametrize(
    ("second", "told"), [(False, "in 1 of 2 (not in Hindi)."), (True, "in 2 of 2."), (None, "in 1 of 1.")]
)
def test_agreement_on_the_sign(second: bool | None, told: str) -> None:
    """A language without an effect by both counts in neither number."""
    rows = [row("de", spearman=0.8, same_sign=True), row("hi", spearman=0.2, same_sign=second)]
    sentence = str(agreement_verdict(("a", "b"), rows))
    assert "from 0.20 to 0.80 across languages" in sentence and sentence.endswith(told)


def test_scorers_without_a_common_language() -> None:
    """There is nothing to compare, and the sentence says so."""
    sentence = str(agreement_verdict(("a", "b"), [row("de", spearman=math.nan, same_sign=None)]))
    assert sentence == "No language has scores by both a and b, so their agreement is unknown."
