"""A document of the mini world: what it says, how it is told, and its text.

Pure: no files, clock, network or globals.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from tasks.world.lexicon import Lexicon
from tasks.world.pidgin import Grammar, Sentence, join, render_sentence


@dataclass(frozen=True)
class Document:
    """What one document says and how it is told.

    `told` lists (sentence index, language, whether English words are mixed in) in reading order; `switches` seeds
    which words those are.
    """

    language: str
    register: str
    sentences: tuple[Sentence, ...]
    told: tuple[tuple[int, str, bool], ...]
    switches: int

    @property
    def bilingual(self) -> bool:
        """Whether any of it is in English beside its language."""
        return any(mixed or language != self.language for _, language, mixed in self.told)


def render(document: Document, lexicon: Lexicon, grammars: Mapping[str, Grammar]) -> str:
    """The document as text; in a mixed sentence, every word is English with probability 1/2."""
    rng = random.Random(document.switches)
    told = []
    for index, language, mixed in document.told:
        switch = (lambda: rng.random() < 0.5) if mixed else (lambda: False)
        told.append(
            (language, render_sentence(document.sentences[index], language, lexicon, grammars[language], switch))
        )
    return join(told, grammars)
