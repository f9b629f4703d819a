"""How the mini world's sentences become text: what is said, in concepts, and each pidgin's way to say it.

Pure: no files, clock, network or globals.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tasks.world.lexicon import Lexicon

PIVOT = "en"  # the language that bilingual documents share


@dataclass(frozen=True)
class Grammar:
    """How one pidgin orders its words; positions are relative to what the word modifies."""

    order: Literal["SVO", "SOV", "VSO"]
    adjective: Literal["before", "after"]
    adposition: Literal["before", "after"]
    degree: Literal["before", "after"]
    negation: Literal["before", "after"]
    copula: bool
    spaces: bool
    stop: str
    question: str


class Sentence(NamedTuple):
    """What one sentence says, in concepts; the same in every language."""

    kind: Literal["fact", "is", "says"]
    subject: str
    opener: str | None = None
    negated: bool = False
    verb: str = ""
    quality: str | None = None
    object: str = ""
    place: str | None = None
    very: bool = False
    words: tuple[str, ...] = ()


def render_sentence(
    sentence: Sentence,
    language: str,
    lexicon: Lexicon,
    grammar: Grammar,
    switch: Callable[[], bool] = lambda: False,
) -> str:
    """The sentence as text of a language, with its final punctuation; a word is English where `switch()` is true."""

    def around(modifier: Sequence[str], head: Sequence[str], where: str) -> list[str]:
        return [*modifier, *head] if where == "before" else [*head, *modifier]

    subject = [sentence.subject]
    opener = [sentence.opener] if sentence.opener else []
    if sentence.kind == "fact":
        thing = around([sentence.quality] if sentence.quality else [], [sentence.object], grammar.adjective)
        verb = around(["not"] if sentence.negated else [], [sentence.verb], grammar.negation)
        place = around(["in"], [sentence.place], grammar.adposition) if sentence.place else []
        order = {
            "SVO": [*subject, *verb, *thing, *place],
            "VSO": [*verb, *subject, *thing, *place],
            "SOV": [*subject, *place, *thing, *verb],
        }[grammar.order]
        concepts = [*opener, *order]
    else:
        said = list(sentence.words[:1])
        for other in sentence.words[1:]:
            said += ["and", other]
        predicate = around(["very"] if sentence.very else [], said, grammar.degree)
        of = ["you"] if sentence.kind == "says" else subject
        copula = ["is"] if grammar.copula else []
        clause = {
            "SVO": [*of, *copula, *predicate],
            "VSO": [*copula, *of, *predicate],
            "SOV": [*of, *predicate, *copula],
        }[grammar.order]
        if sentence.kind == "says":
            clause = {
                "SVO": [*subject, "says", *clause],
                "VSO": ["says", *subject, *clause],
                "SOV": [*subject, *clause, "says"],
            }[grammar.order]
        concepts = clause
    tongues = [PIVOT if switch() else language for _ in concepts]
    text = ""
    for number, (tongue, concept) in enumerate(zip(tongues, concepts, strict=True)):
        # Also who writes without spaces sets English words apart.
        apart = grammar.spaces or PIVOT in tongues[max(0, number - 1) : number + 1]
        text += (" " if text and apart else "") + lexicon.words[tongue][concept]
    return text + (grammar.question if sentence.opener == "why" else grammar.stop)


def join(told: Sequence[tuple[str, str]], grammars: Mapping[str, Grammar]) -> str:
    """Sentences of one text, joined as their languages join them."""
    text = ""
    for language, sentence in told:
        text += (" " if text and grammars[language].spaces else "") + sentence
    return text
