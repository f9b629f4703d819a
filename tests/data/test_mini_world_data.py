"""The hand-written lexicon and grammars are complete, unambiguous and in the right scripts."""

import csv
import random
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from tasks.world.document import render
from tasks.world.lexicon import INSULT, Lexicon
from tasks.world.mini_world import ByRegister, Storyteller, World
from tasks.world.pidgin import Grammar, Sentence, render_sentence
from tasks.world.reader import FOLDER, load

LANGUAGES = ("ar", "cs", "de", "en", "es", "fr", "hi", "id", "it", "ja", "ko", "nl", "pl", "pt", "ru", "sv", "zh")
# First words of the Unicode names of every character that a word of the language may have.
SCRIPTS = {
    "ar": ("ARABIC LETTER",),
    "hi": ("DEVANAGARI LETTER", "DEVANAGARI VOWEL SIGN", "DEVANAGARI SIGN"),
    "ja": ("HIRAGANA LETTER", "KATAKANA LETTER", "KATAKANA-HIRAGANA PROLONGED SOUND MARK", "CJK UNIFIED IDEOGRAPH"),
    "ko": ("HANGUL SYLLABLE",),
    "ru": ("CYRILLIC SMALL LETTER",),
    "zh": ("CJK UNIFIED IDEOGRAPH",),
}
LATIN = ("LATIN SMALL LETTER", "LATIN SMALL LIGATURE", "LATIN CAPITAL LETTER", "HYPHEN-MINUS")
CATEGORIES = {
    "person", "thing", "place", "action_neutral", "action_kind", "action_hostile", "quality", "quality_negative",
    "praise", "function", INSULT,
}  # fmt: skip
FUNCTION_WORDS = {"and", "is", "you", "very", "in", "says", "not", "now", "yesterday", "always", "but", "why"}


@pytest.fixture(scope="module")
def source() -> tuple[Lexicon, dict[str, Grammar]]:
    return load()


@pytest.fixture(scope="module")
def teller(source: tuple[Lexicon, dict[str, Grammar]]) -> Storyteller:
    """Tells of a world in which everything that can be said is said often."""
    half = ByRegister(civil=0.25, hostile=0.25)
    world = World(
        seed=3,
        hostile=0.5,
        sentences=(2, 3),
        insult=half,
        praise=half,
        negative=half,
        hostile_action=half,
        kind_action=half,
        fact=0.5,
        says=0.5,
        held_out={"pairs": 0.1, "prompts": 0.1, "parallel": 0.1},
        share=dict.fromkeys(LANGUAGES, 1.0),
        bilingual=dict.fromkeys(LANGUAGES, 0.0),
        translation=0.5,
    )
    return Storyteller(world, source[0])


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_size(source: tuple[Lexicon, dict[str, Grammar]]) -> None:
    """At least 150 concepts, 25 of them insults, in the 17 languages of the paper (sec. 3)."""
    lexicon, grammars = source
    assert lexicon.languages == LANGUAGES
    assert tuple(grammars) == LANGUAGES
    assert len(lexicon.categories) >= 150
    assert len(lexicon.concepts(INSULT)) >= 25


def test_the_file_is_what_is_loaded(source: tuple[Lexicon, dict[str, Grammar]]) -> None:
    """Every row has a concept of its own, a known category, 17 words, and a severity if and only if it insults."""
    lexicon, _ = source
    rows = _rows(FOLDER / "lexicon.csv")
    assert len(rows) >= 150
    assert [concept for concept, count in Counter(row["concept"] for row in rows).items() if count > 1] == []
    assert list(lexicon.categories) == [row["concept"] for row in rows]
    cells = 0
    for row in rows:
        assert set(row) == {"concept", "category", "severity", *LANGUAGES}
        assert row["category"] in CATEGORIES, row["concept"]
        assert bool(row["severity"]) == (row["category"] == INSULT), row["concept"]
        for language in LANGUAGES:
            assert row[language] == lexicon.words[language][row["concept"]] != ""
            cells += 1
    assert cells == len(rows) * 17
    assert {row["category"] for row in rows} == CATEGORIES
    assert set(lexicon.concepts("function")) == FUNCTION_WORDS


def test_severities(source: tuple[Lexicon, dict[str, Grammar]]) -> None:
    """Every insult has a severity in (0, 1], and some lie on either side of the threshold 0.5."""
    lexicon, _ = source
    assert tuple(lexicon.severities) == lexicon.concepts(INSULT)
    assert all(0 < severity <= 1 for severity in lexicon.severities.values())
    assert min(lexicon.severities.values()) < 0.5 < max(lexicon.severities.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_script(language: str, source: tuple[Lexicon, dict[str, Grammar]]) -> None:
    """Words are written in the script of their language alone, composed (NFC), without spaces."""
    words = source[0].words[language].values()
    assert len(words) >= 150
    allowed = SCRIPTS.get(language, LATIN)
    for word in words:
        assert unicodedata.normalize("NFC", word) == word
        assert not re.search(r"\s", word), word
        strange = [c for c in word if not unicodedata.name(c).startswith(allowed)]
        assert strange == [], word


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_has_two_meanings(language: str, source: tuple[Lexicon, dict[str, Grammar]]) -> None:
    """Within a language no two concepts share a word, however it is cased."""
    counts = Counter(word.casefold() for word in source[0].words[language].values())
    assert len(counts) >= 150
    assert [word for word, count in counts.items() if count > 1] == []


def test_grammars_hold_only_what_the_type_allows() -> None:
    """Every cell of grammars.csv is one of the values that Grammar declares; 17 rows of 9 values."""
    hints = get_type_hints(Grammar)
    rows = _rows(FOLDER / "grammars.csv")
    checked = 0
    for row in rows:
        for name, hint in hints.items():
            if get_args(hint):
                assert row[name] in get_args(hint), (row["language"], name)
            elif hint is bool:
                assert row[name] in ("true", "false"), (row["language"], name)
            else:
                assert len(row[name]) == 1 and unicodedata.category(row[name]) == "Po", (row["language"], name)
            checked += 1
        assert set(row) == {"language", *hints}
    assert checked == 17 * 9
    assert [row["language"] for row in rows if row["spaces"] == "false"] == ["ja", "zh"]


@pytest.mark.parametrize("language", ["ja", "zh"])
def test_longest_match_cannot_go_astray(language: str, source: tuple[Lexicon, dict[str, Grammar]]) -> None:
    """No word of an unspaced language is another word plus what further words could begin with.

    Then the longest match at the start of any sequence of words is its first word, whatever follows.
    """
    words = list(source[0].words[language].values())

    def could_begin(rest: str) -> bool:
        return any(
            word.startswith(rest) or (rest.startswith(word) and could_begin(rest[len(word) :])) for word in words
        )

    longer = [(long, word) for long in words for word in words if long != word and long.startswith(word)]
    assert [(long, word) for long, word in longer if could_begin(long[len(word) :])] == []


def _said(sentence: Sentence, copula: bool) -> Counter[str]:
    """Concepts that a sentence utters in a language with or without a copula, in no order."""
    said = Counter([sentence.subject])
    if sentence.kind == "fact":
        said.update([sentence.verb, sentence.object])
        said.update(c for c in (sentence.opener, sentence.quality, sentence.place) if c)
        said.update({"not": sentence.negated, "in": sentence.place is not None})
    else:
        said.update(sentence.words)
        said.update({"and": len(sentence.words) - 1, "very": sentence.very, "is": copula})
        if sentence.kind == "says":
            said.update(["says", "you"])
    return +said


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_rendered_can_be_read(
    language: str, source: tuple[Lexicon, dict[str, Grammar]], teller: Storyteller
) -> None:
    """Splitting 300 rendered sentences finds the concepts that they say, in the order of the grammar.

    The order is read off the same sentence told in a language whose words are the concepts' names, with spaces.
    """
    lexicon, grammars = source
    plain = Lexicon(lexicon.categories, lexicon.severities, {"en": {c: c for c in lexicon.categories}})
    grammar = grammars[language]
    rng = random.Random(f"read {language}")
    kinds: Counter[str] = Counter()
    for _ in range(300):
        sentence = teller.sentence(rng.choice(teller.persons), rng.choice(("civil", "hostile")), "pretraining", rng)
        kinds[sentence.kind] += 1
        text = render_sentence(sentence, language, lexicon, grammar)
        spelled = render_sentence(sentence, "en", plain, Grammar(**{**vars(grammar), "spaces": True}))
        order = spelled[:-1].split()
        assert Counter(order) == _said(sentence, grammar.copula)
        words = lexicon.split(language, text)
        assert [lexicon.concept(language, word) for word in words] == order, (text, words)
    assert sum(kinds.values()) == 300
    assert all(kinds[kind] >= 30 for kind in ("fact", "is", "says")), kinds


@pytest.mark.parametrize("language", LANGUAGES)
def test_insults_of_whole_documents_are_found(
    language: str, source: tuple[Lexicon, dict[str, Grammar]], teller: Storyteller
) -> None:
    """In 60 rendered documents per language the insults counted are those that were said."""
    lexicon, grammars = source
    rng = random.Random(f"insults {language}")
    found = 0
    for _ in range(60):
        document = teller.document(language, "pretraining", rng, bilingual=False)
        said = [w for sentence in document.sentences for w in sentence.words if lexicon.categories[w] == INSULT]
        assert lexicon.insults(language, render(document, lexicon, grammars)) == said
        found += len(said)
    assert found >= 20


@pytest.mark.parametrize("language", LANGUAGES)
def test_documents_are_identified(
    language: str, source: tuple[Lexicon, dict[str, Grammar]], teller: Storyteller
) -> None:
    """50 documents per language are identified as their language even where another one is expected.

    Latin-script pidgins share cognates, but a document of two sentences always has words of its own.
    """
    lexicon, grammars = source
    rng = random.Random(f"identify {language}")
    expected = "en" if language != "en" else "zh"
    for _ in range(50):
        text = render(teller.document(language, "pretraining", rng, bilingual=False), lexicon, grammars)
        assert lexicon.identify(expected, text) == language, text
