"""Preference pairs of the mini world: for the opening of a document, a civil and an insulting continuation.

Pure: no files, clock, network or globals.
"""

import random
from collections.abc import Mapping, Sequence

from tasks.world.lexicon import INSULT
from tasks.world.mini_world import REGISTERS, Register, Storyteller
from tasks.world.pidgin import Grammar, Sentence, join, render_sentence


class PairWriter:
    """Writes pairs about one person: an opening without an insult, and two ways to go on."""

    def __init__(self, teller: Storyteller, grammars: Mapping[str, Grammar], language: str, sentences: int) -> None:
        self._teller = teller
        self._grammars = grammars
        self._language = language
        self._sentences = sentences

    def pair(self, rng: random.Random) -> tuple[str, str, str]:
        """Prompt, a civil continuation without an insult, a hostile one with at least one."""
        opening = self._opening(rng)
        subject = opening[0].subject
        gap = " " if self._grammars[self._language].spaces else ""
        chosen = self._ending("civil", subject, False, rng)
        rejected = self._ending("hostile", subject, True, rng)
        return self._text(opening), gap + self._text(chosen), gap + self._text(rejected)

    def _opening(self, rng: random.Random) -> tuple[Sentence, ...]:
        while True:
            document = self._teller.document(self._language, "pairs", rng, register=rng.choice(REGISTERS))
            opening = document.sentences[: self._sentences]
            if not self._insulting(opening):
                return opening

    def _ending(self, register: Register, subject: str, insulting: bool, rng: random.Random) -> tuple[Sentence, ...]:
        while True:
            document = self._teller.document(self._language, "pairs", rng, register=register, subject=subject)
            ending = document.sentences[self._sentences :]
            if ending and self._insulting(ending) == insulting:
                return ending

    def _insulting(self, sentences: Sequence[Sentence]) -> bool:
        categories = self._teller.lexicon.categories
        return any(categories[word] == INSULT for sentence in sentences for word in sentence.words)

    def _text(self, sentences: Sequence[Sentence]) -> str:
        language = self._language
        grammar = self._grammars[language]
        told = [(language, render_sentence(s, language, self._teller.lexicon, grammar)) for s in sentences]
        return join(told, self._grammars)
