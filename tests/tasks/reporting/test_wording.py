"""How the report writes names and numbers, and keeps where they come from."""

import math

import pytest

from tasks.reporting import wording
from tasks.reporting.sourced import Measured
from tasks.reporting.wording import Cited, cite, say


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.0001, "0.000"), (-0.25, "−0.250"), (0.25, "0.250"), (math.nan, "–")],
)
def test_number(value: float, text: str) -> None:
    """A true minus sign, none before zero, a dash for what is missing."""
    assert str(wording.number(value)) == text


@pytest.mark.parametrize(("value", "text"), [(0.25, "+0.250"), (-0.25, "−0.250"), (0.0001, "0.000"), (math.nan, "–")])
def test_signed(value: float, text: str) -> None:
    """A change shows its sign, unless it rounds to zero."""
    assert str(wording.signed(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3e-9, "< 0.0001"),
        (0.0001, "0.0001"),
        (0.0002, "0.0002"),
        (0.0009, "0.0009"),
        (0.0017, "0.0017"),
        (0.0495, "0.050"),
        (0.57, "0.57"),
        (math.nan, "–"),
    ],
)
def test_p_value(value: float, text: str) -> None:
    """Digits enough to see on which side of .05 and .001 a p-value is; never 0."""
    assert str(wording.p_value(value)) == text


@pytest.mark.parametrize(
    ("items", "text"), [([], "none"), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_listing(items: list[str], text: str) -> None:
    """Words between the last two, nothing left blank."""
    assert str(wording.listing(items)) == text


def test_unknown_language_keeps_its_code() -> None:
    """A study of languages that nobody named here still reads."""
    assert wording.name_of("tlh") == "tlh"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (wording.number(Measured(0.1234, "f:a")), "0.123"),
        (wording.signed(Measured(0.1234, "f:a"), 1, scale=100), "+12.3"),
        (wording.percent(Measured(0.1234, "f:a")), "12%"),
        (wording.signed_percent(Measured(-0.1234, "f:a"), 1), "−12.3%"),
        (wording.reduction(Measured(-0.75, "f:a")), "75%"),
        (wording.count(Measured(12345, "f:a")), "12,345"),
        (wording.p_value(Measured(0.00001, "f:a")), "< 0.0001"),
    ],
)
def test_a_number_keeps_its_key(text: wording.Text, words: str) -> None:
    """Whatever the unit, the words cite the place of the number that they show."""
    assert text.parts == (Cited(words, "f:a"),)


def test_what_is_missing_or_computed_cites_nothing() -> None:
    """A dash stands for no number, and a sum is in no file."""
    assert wording.number(Measured(math.nan, "f:a")).parts == ("–",)
    assert wording.number(Measured(0.5, "f:a") + 1).parts == ("1.500",)


def test_an_interval_cites_both_ends() -> None:
    """Each end is a number of its own; an interval with a missing end is missing."""
    text = wording.bracket(Measured(-0.5, "f:low"), Measured(0.5, "f:high"), 1)
    assert str(text) == "[−0.5, +0.5]"
    assert [part.key for part in text.parts if not isinstance(part, str)] == ["f:low", "f:high"]
    assert str(wording.bracket(math.nan, 0.5)) == "–"


def test_a_text_is_refused_by_f_strings() -> None:
    """They would flatten it to words, silently without keys."""
    with pytest.raises(TypeError, match=r"'1\.0' in an f-string would lose its keys"):
        f"{wording.number(1, 1)}"  # the formatting itself raises


def test_the_command_survives_a_shell() -> None:
    """A usual key needs no quotes; one with a space gets them."""
    assert Cited("1", "a/b.csv:language=ar,metric=emt:change").command == (
        "polydetox why a/b.csv:language=ar,metric=emt:change"
    )
    assert Cited("1", "a.json:x y").command == "polydetox why 'a.json:x y'"


def test_listing_keeps_keys() -> None:
    """Of each item that has one."""
    parts = wording.listing([say("a (", cite("1", "f:a"), ")"), "b", cite("2", "f:c")]).parts
    assert "".join(part if isinstance(part, str) else part.words for part in parts) == "a (1), b and 2"
    assert [part.key for part in parts if not isinstance(part, str)] == ["f:a", "f:c"]


def test_an_interval_in_words_has_signs() -> None:
    """Both ends have a sign, with a true minus."""
    assert str(wording.span(-0.5, 0.25, 2)) == "−0.50 to +0.25"


def test_a_label_has_code_name_and_mark() -> None:
    """An unnamed language is its code alone; a mark follows."""
    assert wording.label("de") == "de German" and wording.label("tlh") == "tlh"
    assert wording.marked("de", {"de": "†"}) == "de German †" and wording.marked("fr", {"de": "†"}) == "fr French"


@pytest.mark.parametrize(
    ("metric", "text"), [("emt", "0.468"), ("toxprob", "46.8%"), ("perplexity_median", "0.47"), ("distinct_1", "0.468")]
)
def test_a_metric_has_the_digits_of_the_paper(metric: str, text: str) -> None:
    """Table 2 prints ToxProb in per cent, perplexity with two decimals and the rest with three."""
    assert str(wording.in_unit(metric, 0.468)) == text
