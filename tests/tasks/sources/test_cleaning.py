"""Text from outside: what cleaning alters, and that every row that is dropped is counted in every language."""

import unicodedata
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.sources.cleaning import (
    CHANGES,
    Tally,
    align,
    artefacts,
    clean,
    clean_column,
    draw,
    drop_empty,
    notice_repeated,
)


@pytest.mark.parametrize(
    ("text", "expected", "found"),
    [
        ("Il a dit &quot;idiot&quot;, l&#39;autre &#x27;", "Il a dit \"idiot\", l'autre '", "html_entity"),
        ("a &amp;quot; b", "a &quot; b", "html_entity"),
        ("R&D at AT&T, ?a=1&copy=2 & x &notit; y", "R&D at AT&T, ?a=1&copy=2 & x &notit; y", None),
        ("cafe\u0301", "caf\u00e9", "not_nfc"),
        ("\u1112\u1161\u11ab", "\ud55c", "not_nfc"),
        ("one\r\ntwo\rthree\u0085four", "one\ntwo\nthree\nfour", "control_character"),
        ("a\x00b\x07c\tx\ny", "abc\tx\ny", "control_character"),
        ("\ufefftext", "text", "control_character"),
        ("half \ud83d", "half \ufffd", "lone_surrogate"),
        (" you fool \n", "you fool", "surrounding_space"),
        ("क्\u200dष میخواهم\u200c ها", "क्\u200dष میخواهم\u200c ها", None),
        ("one\u2028two", "one\u2028two", None),
        ("日本語、です。", "日本語、です。", None),
    ],
)  # fmt: skip
def test_what_is_altered(text: str, expected: str, found: str | None) -> None:
    """Entities with a semicolon, once; decomposed letters; control characters; never joiners or stray ampersands."""
    assert clean(text) == (expected, [found] if found else [])


def test_a_completion_keeps_its_space() -> None:
    """What separates a completion from its prompt is part of it."""
    assert clean(" a fool ", strip=False) == (" a fool ", [])


def test_an_entity_that_stands_for_a_control_character_leaves_nothing() -> None:
    """The steps work on each other's results: &#0; and a decomposed letter written as an entity."""
    assert clean("a&#7;b &#101;&#769;")[0] == "ab \u00e9"


@given(st.text(st.characters(codec=None)))
def test_cleaned_text_can_be_stored_and_is_composed(text: str) -> None:
    """Any text at all becomes UTF-8 in NFC without control characters, and a text that needed nothing is as it was."""
    cleaned, found = clean(text)
    cleaned.encode("utf-8")
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not [char for char in cleaned if unicodedata.category(char) == "Cc" and char not in "\t\n"]
    assert set(found) <= set(CHANGES)
    assert bool(found) == (cleaned != text)


def test_a_row_dropped_in_one_language_is_dropped_in_all_and_counted_in_each() -> None:
    """Of six rows two remain; each language says whether the cause was its own."""
    columns = {
        "en": {"0": "zero", "1": "one", "2": "two", "3": "zero", "4": "four"},
        "de": {"0": "null", "1": " ", "2": "zwei", "3": "drei", "4": "zwei", "5": "fünf"},
    }
    tallies = {"en": Tally(), "de": Tally()}
    cleaned = {language: clean_column(column, tallies[language]) for language, column in columns.items()}
    assert align(cleaned, tallies, distinct=True) == {
        "en": {"0": "zero", "2": "two"},
        "de": {"0": "null", "2": "zwei"},
    }
    assert tallies["en"].record() == {
        "read": 5,
        "changed": dict.fromkeys(CHANGES, 0),
        "noticed": {},
        "dropped": {"duplicate": 1, "not_in_every_language": 2},
        "kept": 2,
    }
    assert tallies["de"].dropped == Counter(empty=1, duplicate=1, not_in_every_language=2)
    assert tallies["de"].record()["changed"] == dict.fromkeys(CHANGES, 0) | {"surrounding_space": 1}


def test_a_repeat_of_a_row_that_was_dropped_is_no_duplicate() -> None:
    """Only kept rows count as said before: the first "one" goes because German is empty there, the second stays."""
    tallies = {"en": Tally(), "de": Tally()}
    kept = align({"en": {"0": "one", "1": "one"}, "de": {"0": "", "1": "eins"}}, tallies, distinct=True)
    assert kept == {"en": {"1": "one"}, "de": {"1": "eins"}}


def test_repeats_are_kept_and_noticed_where_ids_tell_rows_apart() -> None:
    """Three rows, two of them equal in German: all stay."""
    tallies = {"en": Tally(), "de": Tally()}
    columns = {"en": {"0": "a", "1": "b", "2": "c"}, "de": {"0": "x", "1": "x", "2": "y"}}
    assert align(columns, tallies, distinct=False) == columns
    for language, column in columns.items():
        notice_repeated(column, tallies[language])
    assert (tallies["en"].record()["noticed"], tallies["de"].record()["noticed"]) == ({}, {"repeated": 1})


def test_a_character_that_somebody_lost_before_is_noticed() -> None:
    """U+FFFD stays where it is, counted; one that stands for a lone surrogate is counted as that alone."""
    tally = Tally()
    clean_column({"0": "you f\ufffdol", "1": "half \ud83d", "2": "plain"}, tally)
    assert tally.noticed == Counter(replacement_character=1)
    assert +tally.changed == Counter(lone_surrogate=1)


def test_rows_of_one_language_alone_are_dropped_when_empty() -> None:
    """Read three, keep one."""
    tally = Tally()
    assert drop_empty(clean_column({"0": "", "1": "fool", "2": "\u3000"}, tally), tally) == {"1": "fool"}
    assert (tally.record()["read"], tally.record()["dropped"], tally.record()["kept"]) == (3, {"empty": 2}, 1)


@given(st.integers(0, 30), st.integers(1, 30), st.integers())
def test_a_sample_is_seeded_ordered_and_as_large_as_asked(count: int, limit: int, seed: int) -> None:
    """The same seed draws the same rows in their order; more than there are is refused with both numbers."""
    rows = [f"r{number:02d}" for number in range(count)]
    if limit > count:
        with pytest.raises(ValueError, match=f"limit is {limit}, but only {count} are left"):
            draw(rows, limit, f"{seed}")
        return
    drawn = draw(rows, limit, f"{seed}")
    assert drawn == draw(rows, limit, f"{seed}") == sorted(set(drawn))
    assert len(drawn) == limit and set(drawn) <= set(rows)


def test_without_a_seed_the_first_rows_are_taken_and_without_a_limit_all() -> None:
    """In the order of the source."""
    assert draw(["c", "a", "b"], 2, None) == ["c", "a"]
    assert draw(["c", "a", "b"], None, "1") == ["c", "a", "b"]


def test_another_seed_draws_other_rows() -> None:
    """Of 50 rows, two samples of 25 are not the same."""
    rows = [f"{number}" for number in range(50)]
    assert draw(rows, 25, "1") != draw(rows, 25, "2")


def test_compatible_characters_stay_apart() -> None:
    """NFC, not NFKC: a ligature, a full-width letter and a superscript are what the author wrote."""
    for text in ("\ufb01ne", "\uff21", "m\u00b2", "\u2026"):
        assert clean(text) == (text, [])


@pytest.mark.parametrize(
    ("text", "found", "plain"),
    [
        ("you are a...", ["trailing_ellipsis"], "you are a"),
        ("eres un \u2026", ["trailing_ellipsis"], "eres un"),
        ("\u4f60\u662f\u3002\u3002\u3002", ["trailing_ellipsis"], "\u4f60\u662f"),
        ("that is it.", ["trailing_full_stop"], "that is it"),
        ("\u4f60\u662f\u3002", ["trailing_full_stop"], "\u4f60\u662f"),
        ("\u4f60\uff0c\u662f", ["full_width_form"], "\u4f60,\u662f"),
        ("\u0442\u044b\u00a0\u0433\u043b\u0443\u043f", ["no_break_space"], "\u0442\u044b \u0433\u043b\u0443\u043f"),
        ("Mr. Fool and", [], "Mr. Fool and"),
        ("wait... what", [], "wait... what"),
    ],
)
def test_habits_of_translators_are_counted_and_removed_if_asked(text: str, found: list[str], plain: str) -> None:
    """One text each; without the option it stays as it is."""
    tally = Tally()
    assert clean_column({"a": text}, tally) == {"a": text}
    assert tally.noticed == Counter(found)
    assert clean_column({"a": text}, Tally(), normalise=True) == {"a": plain}
    assert artefacts(plain) == []
