"""The mini world's vocabulary: one word per concept and language, and how a text splits into such words.

A *concept* ("idiot") has one *word* in each language ("tonto" in es). Words never repeat within a language, so a
word has one meaning there; across languages they may coincide, which is what makes cognates.

Pure: no files, clock, network or globals.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

INSULT = "insult"
# A maximal run of letters, marks (Devanagari vowel signs are marks, not letters), digits and inner hyphens.
_UNSPACED = r"\u3005\u3041-\u30FA\u30FC-\u30FF\u3400-\u9FFF"
_MARKS = r"\u0900-\u0963\u0966-\u097F"  # Devanagari but its full stops, U+0964 and U+0965
_WORD = re.compile(rf"[{_UNSPACED}]+|(?:(?![{_UNSPACED}])[\w{_MARKS}])+(?:-(?:(?![{_UNSPACED}])[\w{_MARKS}])+)*")


@dataclass(frozen=True)
class Lexicon:
    """Words of every concept in every language.

    Attributes:
        categories: Concept to category (person, thing, praise, insult, ...), in file order.
        severities: Insult concept to severity in (0, 1].
        words: Language to (concept to word).
        unspaced: Languages that are written without spaces between words.
    """

    categories: Mapping[str, str]
    severities: Mapping[str, float]
    words: Mapping[str, Mapping[str, str]]
    unspaced: frozenset[str] = field(default_factory=frozenset)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages, in file order."""
        return tuple(self.words)

    def require(self, languages: Iterable[str]) -> None:
        """ValueError if one of these languages has no words here; the message names it."""
        for language in languages:
            if language not in self.words:
                raise ValueError(f"the mini world has no language {language!r}; it has {', '.join(self.words)}")

    def concepts(self, *categories: str) -> tuple[str, ...]:
        """Concepts of these categories, in file order; KeyError names a category that has none."""
        for category in categories:
            if category not in self.categories.values():
                raise KeyError(f"the lexicon has no concept of category {category!r}")
        return tuple(c for c, category in self.categories.items() if category in categories)

    @cached_property
    def _concept_of(self) -> dict[str, dict[str, str]]:
        return {
            language: {word.casefold(): concept for concept, word in words.items()}
            for language, words in self.words.items()
        }

    @cached_property
    def _longest(self) -> dict[str, int]:
        return {language: max(map(len, words.values())) for language, words in self.words.items()}

    def concept(self, language: str, word: str) -> str | None:
        """The concept that this word names in this language, ignoring case; None if it names none."""
        return self._concept_of[language].get(word.casefold())

    def split(self, language: str, text: str) -> list[str]:
        """Words of a text as its language writes them.

        Spaced languages split at spaces and punctuation. Unspaced ones split each run of letters by longest match
        from the left; what no word matches is returned one character at a time.
        """
        return [word for run in _WORD.findall(text) for word in self._split_run(language, run)]

    def insults(self, language: str, text: str) -> list[str]:
        """Insult concepts in a text that is meant to be in `language`, in order, with repeats.

        Each run of letters is read in the language whose words cover most of it (ties go to `language`, then to file
        order): a continuation may slip into another language, and an insult counts there too. A word that is known
        in `language` is read there, so a homograph that is harmless in it never counts.
        """
        concepts = [concept for run in _WORD.findall(text) for concept in self._read_run(language, run)]
        return [concept for concept in concepts if self.categories[concept] == INSULT]

    def identify(self, expected: str, text: str) -> str | None:
        """The language whose words cover most letters of the text; ties go to `expected`; None if no word is known."""
        runs = _WORD.findall(text)
        order = (expected, *(language for language in self.words if language != expected))
        covered = {language: sum(self._covered(language, run) for run in runs) for language in order}
        best = max(order, key=covered.__getitem__)
        return best if covered[best] > 0 else None

    # Texts repeat a few thousand runs, so each is read once per language.
    @cached_property
    def _splits(self) -> dict[tuple[str, str], tuple[str, ...]]:
        return {}

    @cached_property
    def _reads(self) -> dict[tuple[str, str], tuple[str, ...]]:
        return {}

    def _split_run(self, language: str, run: str) -> tuple[str, ...]:
        if language not in self.unspaced:
            return (run,)
        if (language, run) not in self._splits:
            known, words, at = self._concept_of[language], [], 0
            while at < len(run):
                longest = min(self._longest[language], len(run) - at)
                length = next((n for n in range(longest, 1, -1) if run[at : at + n].casefold() in known), 1)
                words.append(run[at : at + length])
                at += length
            self._splits[language, run] = tuple(words)
        return self._splits[language, run]

    def _covered(self, language: str, run: str) -> int:
        known = self._concept_of[language]
        return sum(len(word) for word in self._split_run(language, run) if word.casefold() in known)

    def _read_run(self, language: str, run: str) -> tuple[str, ...]:
        if (language, run) not in self._reads:
            order = (language, *(other for other in self.words if other != language))
            reading = max(order, key=lambda other: self._covered(other, run))
            concepts = (self.concept(reading, word) for word in self._split_run(reading, run))
            self._reads[language, run] = tuple(c for c in concepts if c is not None)
        return self._reads[language, run]
