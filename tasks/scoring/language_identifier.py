"""Says which language a text is in, or why that is not known.

Pure: no files, clock, network or globals.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lingua import IsoCode639_1, Language, LanguageDetectorBuilder

from tasks.world.lexicon import Lexicon


@dataclass(frozen=True)
class Identified:
    """A language as the study names it, or None with the reason why it is not known."""

    language: str | None
    reason: str | None = None


class LanguageIdentifier(Protocol):
    """Identifies languages."""

    def identify(self, expected: str, texts: Sequence[str]) -> list[Identified]:
        """The language of each text, in order; all were meant to be in `expected`."""
        ...


class LexiconIdentifier:
    """By the words of the mini world: the language whose words cover most of a text."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon

    def identify(self, expected: str, texts: Sequence[str]) -> list[Identified]:
        """Ties go to the language that was expected; a text without a known word has none."""
        found = [self._lexicon.identify(expected, text) for text in texts]
        return [Identified(language, None if language else "no known word") for language in found]


class LinguaIdentifier:
    """By lingua (https://github.com/pemistahl/lingua-py), which brings its models with it.

    A language is known by its ISO 639-1 code, the part before a hyphen: zh-Hans is zh.
    """

    def __init__(self, languages: Iterable[str], confidence: float, everything: bool) -> None:
        """Which languages to choose from.

        Args:
            languages: The study's.
            confidence: Least probability, of those that lingua spreads over the languages it chooses from.
            everything: Choose from all languages that lingua knows, not only the study's.

        Raises:
            ValueError: lingua knows fewer than two of the languages, so there is nothing to choose from.
        """
        known = {name: language for name in sorted(languages) if (language := _known(name)) is not None}
        choice = sorted(Language.all() if everything else set(known.values()), key=lambda language: language.name)
        if len(choice) < 2:
            raise ValueError(f"lingua knows {len(choice)} of the study's languages; set candidates: all")
        self._names = {language: name for name, language in known.items()}
        self._confidence = confidence
        self._detector = LanguageDetectorBuilder.from_languages(*choice).build()

    def identify(self, expected: str, texts: Sequence[str]) -> list[Identified]:
        """A text whose own language lingua does not know has none: it would be taken for another language."""
        if _known(expected) is None:
            return [Identified(None, f"lingua does not know {expected}") for _ in texts]
        return [self._one(expected, text) for text in texts]

    def _one(self, expected: str, text: str) -> Identified:
        best = self._detector.compute_language_confidence_values(text)[0]
        if best.value == 0:  # no letters
            return Identified(None, "nothing to tell a language from")
        if best.value < self._confidence:
            return Identified(None, f"confidence below {self._confidence}")
        if best.language == _known(expected):
            return Identified(expected)
        return Identified(self._names.get(best.language, best.language.iso_code_639_1.name.lower()))


def _known(name: str) -> Language | None:
    try:
        return Language.from_iso_code_639_1(IsoCode639_1.from_str(name.partition("-")[0]))
    except ValueError:
        return None
