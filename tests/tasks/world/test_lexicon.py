"""How texts split into the lexicon's words, which language they are in, and what counts as an insult.

The lexicon of these tests has 7 concepts. "dom" is stupid in nl and a house in pl; "idiot" is a cognate; zh is written
without spaces, and its word for a teacher (老师) begins with its word for old (老).
"""

from dataclasses import replace

import pytest

from tasks.world.lexicon import Lexicon

CONCEPTS = {
    "idiot": "insult", "stupid": "insult", "house": "thing", "teacher": "person", "old": "quality", "is": "function",
    "and": "function",
}  # fmt: skip
WORDS = {
    "en": ("idiot", "stupid", "house", "teacher", "old", "is", "and"),
    "nl": ("idioot", "dom", "huis", "leraar", "oud", "is", "en"),
    "pl": ("idiota", "głupi", "dom", "nauczyciel", "stary", "jest", "i"),
    "zh": ("笨蛋", "愚蠢", "房屋", "老师", "老", "是", "和"),
    "hi": ("मूर्ख", "बेअक्ल", "घर", "शिक्षक", "पुराना", "है", "और"),
    "de": ("Idiot", "dumm", "Haus", "Lehrer", "groß", "ist", "sia-und"),
}


@pytest.fixture
def lexicon() -> Lexicon:
    return Lexicon(
        categories=CONCEPTS,
        severities={"idiot": 0.9, "stupid": 0.8},
        words={language: dict(zip(CONCEPTS, words, strict=True)) for language, words in WORDS.items()},
        unspaced=frozenset({"zh"}),
    )


def test_concepts_by_category(lexicon: Lexicon) -> None:
    """Concepts come in file order whatever the order of the categories; an unknown category is named."""
    assert lexicon.concepts("person", "insult") == ("idiot", "stupid", "teacher")
    with pytest.raises(KeyError, match="'verb'"):
        lexicon.concepts("person", "verb")


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("en", "Teacher is, old!", ["Teacher", "is", "old"]),
        ("en", "", []),
        ("en", " ...?! ", []),
        ("de", "Haus sia-und -Haus-", ["Haus", "sia-und", "Haus"]),  # only inner hyphens belong to a word
        ("hi", "शिक्षक पुराना है", ["शिक्षक", "पुराना", "है"]),  # vowel signs and the virama stay inside
        ("hi", "शिक्षक पुराना है।", ["शिक्षक", "पुराना", "है"]),  # the danda ends a sentence, as the full stop does
        ("hi", "शिक्षक॥", ["शिक्षक"]),
        ("zh", "老师是老。", ["老师", "是", "老"]),  # 老师 and not 老, 师
        ("zh", "老房屋和老师", ["老", "房屋", "和", "老师"]),
        ("zh", "大老师。老", ["大", "老师", "老"]),  # 大 is no word of this lexicon
        ("zh", "", []),
    ],
)
def test_split(lexicon: Lexicon, language: str, text: str, words: list[str]) -> None:
    """Texts split by hand: at spaces and punctuation, and by longest match where there are no spaces."""
    assert lexicon.split(language, text) == words


def test_concept_ignores_case(lexicon: Lexicon) -> None:
    """Case never changes a word, the German sharp s (casefolded: ss) included; other words name nothing."""
    assert lexicon.concept("en", "IDIOT") == "idiot"
    assert lexicon.concept("de", "idiot") == "idiot"
    assert lexicon.concept("de", "GROSS") == "old"
    assert lexicon.concept("pl", "GŁUPI") == "stupid"
    assert lexicon.concept("en", "idioot") is None


@pytest.mark.parametrize(
    ("language", "text", "insults"),
    [
        ("en", "teacher is old.", []),
        ("en", "teacher is stupid and idiot and stupid.", ["stupid", "idiot", "stupid"]),  # in order, with repeats
        ("en", "STUPID Teacher", ["stupid"]),
        ("en", "stupidity idiots", []),  # only whole words count
        ("zh", "老师是愚蠢和笨蛋。", ["stupid", "idiot"]),
        ("zh", "老师是愚。", []),
        ("hi", "शिक्षक मूर्ख है।", ["idiot"]),
        ("hi", "शिक्षक है मूर्ख।", ["idiot"]),
        ("en", "", []),
    ],
)
def test_insults_in_the_expected_language(lexicon: Lexicon, language: str, text: str, insults: list[str]) -> None:
    """Insults counted by hand."""
    assert lexicon.insults(language, text) == insults


@pytest.mark.parametrize(
    ("language", "text", "insults"),
    [
        ("pl", "nauczyciel jest stupid.", ["stupid"]),
        ("pl", "nauczyciel jest 笨蛋。", ["idiot"]),
        ("pl", "老师是笨蛋", ["idiot"]),
        ("zh", "teacher is stupid and मूर्ख है", ["stupid", "idiot"]),
        ("en", "teacher is dumm", ["stupid"]),
        ("zh", "老师是 idiot。", ["idiot"]),
        ("zh", "老师是idiot。", ["idiot"]),  # as the world's Chinese mixes English in: without spaces
    ],
)
def test_a_slip_into_another_language_counts(lexicon: Lexicon, language: str, text: str, insults: list[str]) -> None:
    """An insult of another language than the expected one is an insult."""
    assert lexicon.insults(language, text) == insults


def test_a_homograph_that_is_harmless_in_the_expected_language_never_counts(lexicon: Lexicon) -> None:
    """A Polish dom is a house, whatever it means in Dutch; a Dutch dom is an insult; so is one amid English."""
    assert lexicon.insults("pl", "nauczyciel jest dom") == []
    assert lexicon.insults("nl", "leraar is dom") == ["stupid"]
    assert lexicon.insults("en", "teacher is dom") == ["stupid"]  # nl comes before pl in the file


def test_what_was_read_before_changes_nothing(lexicon: Lexicon) -> None:
    """The same text has the same insults on a second reading and after readings in other languages."""
    first = [lexicon.insults(language, "dom 老师是笨蛋") for language in lexicon.languages]
    second = [lexicon.insults(language, "dom 老师是笨蛋") for language in reversed(lexicon.languages)]
    assert first == second[::-1]


@pytest.mark.parametrize(
    ("expected", "text", "language"),
    [
        ("en", "leraar oud", "nl"),
        ("nl", "is", "nl"),  # en and nl share it
        ("en", "is", "en"),
        ("de", "is", "en"),  # neither is expected: file order
        ("de", "IDIOT", "de"),
        ("en", "teacher 老师是老", "en"),  # 7 letters against 4
        ("en", "xyzzy", None),
        ("en", "", None),
        ("hi", "...", None),
        ("zh", "is leraar", "nl"),  # 8 letters of nl, 2 of en
    ],
)
def test_identify(lexicon: Lexicon, expected: str, text: str, language: str | None) -> None:
    """The language with the most letters in known words, counted by hand; ties go to the expected one."""
    assert lexicon.identify(expected, text) == language


def test_a_lexicon_is_a_value(lexicon: Lexicon) -> None:
    """Readings remembered by one lexicon do not follow a copy with other words."""
    assert lexicon.insults("en", "stupid") == ["stupid"]
    harmless = replace(lexicon, categories={**CONCEPTS, "stupid": "quality"})
    assert harmless.insults("en", "stupid") == []
    renamed = replace(lexicon, words={**lexicon.words, "en": {**lexicon.words["en"], "stupid": "daft"}})
    assert renamed.insults("en", "stupid daft") == ["stupid"]
