"""The mini world: one set of facts and registers, told in 17 pidgins.

A *document* has a register (civil or hostile), a protagonist and a few sentences about it. What happens in the world
has the same odds in every language; only words and word order differ. A *bilingual* document tells its sentences in
its language and in English: either each sentence twice (translation), or once with English words mixed in (switching).

Facts (subject, verb, object) and attributes (subject, word) are split once into disjoint `Part`s, so whatever is said
in prompts, pairs and parallel text was never said in pretraining. All probabilities are explicit tables, which is why
the exact log-probability of a document, and so the entropy that no model can beat, is known.

Pure: no files, clock, network or globals.
"""

import math
import random
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, Field, model_validator

from tasks.world.distributions import Choice, dirichlet, flag, split, zipf
from tasks.world.document import Document
from tasks.world.lexicon import INSULT, Lexicon
from tasks.world.pidgin import PIVOT, Sentence

Register = Literal["civil", "hostile"]
Part = Literal["pretraining", "pairs", "prompts", "parallel"]
REGISTERS: tuple[Register, ...] = ("civil", "hostile")
Share = Field(ge=0.0, le=1.0)


class ByRegister(BaseModel, frozen=True, extra="forbid"):
    """A probability for each register."""

    civil: float = Share
    hostile: float = Share


class World(BaseModel, frozen=True, extra="forbid"):
    """Odds of the mini world. Every rate is a probability."""

    seed: int = Field(description="seed of the world's facts (who does what to what) and of their split")
    hostile: float = Field(ge=0, le=1, description="share of documents in the hostile register")
    sentences: tuple[int, int] = Field(description="fewest and most sentences of a document, uniform between")
    insult: ByRegister = Field(description="rate of insults among the words said of somebody")
    praise: ByRegister = Field(description="rate of praise among the words said of somebody")
    negative: ByRegister = Field(description="rate of negative qualities among words said of somebody or something")
    hostile_action: ByRegister = Field(description="rate of hostile actions among actions")
    kind_action: ByRegister = Field(description="rate of kind actions among actions")
    fact: float = Field(ge=0, le=1, description="rate of sentences about an action; the others say how somebody is")
    says: float = Field(ge=0, le=1, description="of those others, rate of 'X says you are ...'")
    held_out: Mapping[Part, Annotated[float, Share]] = Field(
        description="share of facts and attributes kept for each part"
    )
    share: Mapping[str, Annotated[float, Field(gt=0)]] = Field(description="language to its weight in the corpus")
    bilingual: Mapping[str, Annotated[float, Share]] = Field(
        description="language to the rate of bilingual documents among its own"
    )
    translation: float = Field(
        ge=0, le=1, description="of bilingual documents, rate of those that say each sentence twice"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "World":
        if set(self.share) != set(self.bilingual):
            odd = sorted(set(self.share) ^ set(self.bilingual))
            raise ValueError(
                f"mini_world.share and mini_world.bilingual must name the same languages; only one has {odd}"
            )
        if sum(self.held_out.values()) >= 1 or set(self.held_out) != {"pairs", "prompts", "parallel"}:
            raise ValueError("mini_world.held_out needs shares of pairs, prompts and parallel that sum to less than 1")
        for register in REGISTERS:
            rates = (self.insult, self.praise, self.negative)
            if sum(getattr(rate, register) for rate in rates) > 1:
                raise ValueError(f"mini_world: insult + praise + negative exceed 1 in the {register} register")
        for register in REGISTERS:
            if getattr(self.hostile_action, register) + getattr(self.kind_action, register) > 1:
                raise ValueError(f"mini_world: hostile_action + kind_action exceed 1 in the {register} register")
        if not 1 <= self.sentences[0] <= self.sentences[1]:
            raise ValueError(f"mini_world.sentences {self.sentences}: need 1 <= fewest <= most")
        return self


OPENERS: dict[str | None, float] = {None: 0.6, "now": 0.1, "yesterday": 0.1, "always": 0.06, "but": 0.08, "why": 0.06}
NEGATED, QUALIFIED, PLACED, VERY, DOUBLE = 0.08, 0.35, 0.35, 0.3, 0.15


class Storyteller:
    """Draws documents of a world and knows how likely each was."""

    def __init__(self, world: World, lexicon: Lexicon) -> None:
        """Draws the world's odds from its seed."""
        self.world = world
        self.lexicon = lexicon
        rng = np.random.default_rng(world.seed)
        self.persons = lexicon.concepts("person")
        things = lexicon.concepts("thing")
        self._subject = Choice(zipf(self.persons, rng))
        self._verb_class = {
            "hostile": lexicon.concepts("action_hostile"),
            "kind": lexicon.concepts("action_kind"),
            "neutral": lexicon.concepts("action_neutral"),
        }
        verbs = [verb for group in self._verb_class.values() for verb in group]
        self._verb_odds = {
            subject: {
                verb: weight for group in self._verb_class.values() for verb, weight in dirichlet(group, rng).items()
            }
            for subject in self.persons
        }
        # Neutral actions are done to things; kind and hostile ones mostly to persons.
        self._object_odds = {
            verb: dirichlet(things if verb in self._verb_class["neutral"] else self.persons, rng) for verb in verbs
        }
        self._place = {verb: Choice(dirichlet(lexicon.concepts("place"), rng)) for verb in verbs}
        self._word_odds = {
            category: zipf(lexicon.concepts(category), rng)
            for category in ("quality", "quality_negative", "praise", INSULT)
        }
        self.fact_part: dict[tuple[str, str, str], Part] = {
            (subject, verb, thing): part
            for subject in self.persons
            for verb in verbs
            for thing, part in split(list(self._object_odds[verb]), world.held_out, "pretraining", rng).items()
        }
        self.word_part: dict[tuple[str, str], Part] = {
            (subject, word): part
            for subject in self.persons
            for odds in self._word_odds.values()
            for word, part in split(list(odds), world.held_out, "pretraining", rng).items()
        }
        self._opener = Choice(OPENERS)
        self._facts: dict[tuple[str, Register, Part], Choice[tuple[str, str]]] = {}
        self._words: dict[tuple[str, Register, Part, bool], Choice[str]] = {}

    # -- distributions ---------------------------------------------------------------------------------------------

    def _fact(self, subject: str, register: Register, part: Part) -> Choice[tuple[str, str]]:
        key = (subject, register, part)
        if key not in self._facts:
            hostile = getattr(self.world.hostile_action, register)
            kind = getattr(self.world.kind_action, register)
            rate = {"hostile": hostile, "kind": kind, "neutral": 1 - hostile - kind}
            self._facts[key] = Choice(
                {
                    (verb, thing): rate[group] * self._verb_odds[subject][verb] * odds
                    for group, verbs in self._verb_class.items()
                    for verb in verbs
                    for thing, odds in self._object_odds[verb].items()
                    if thing != subject and self.fact_part[subject, verb, thing] == part
                }
            )
        return self._facts[key]

    def _word(self, subject: str, register: Register, part: Part, judging: bool) -> Choice[str]:
        key = (subject, register, part, judging)
        if key not in self._words:
            insult, praise = (getattr(rate, register) for rate in (self.world.insult, self.world.praise))
            negative = getattr(self.world.negative, register)
            rate = {INSULT: insult, "praise": praise}
            if not judging:
                rate |= {"quality_negative": negative, "quality": 1 - insult - praise - negative}
            self._words[key] = Choice(
                {
                    word: rate[category] * odds
                    for category in rate
                    for word, odds in self._word_odds[category].items()
                    if self.word_part[subject, word] == part
                }
            )
        return self._words[key]

    @cached_property
    def _quality(self) -> dict[Register, Choice[str | None]]:
        choices: dict[Register, Choice[str | None]] = {}
        for register in REGISTERS:
            negative = getattr(self.world.negative, register)
            odds: dict[str | None, float] = {None: 1 - QUALIFIED}
            for category, rate in (("quality_negative", negative), ("quality", 1 - negative)):
                odds |= {w: QUALIFIED * rate * odd for w, odd in self._word_odds[category].items()}
            choices[register] = Choice(odds)
        return choices

    @cached_property
    def _kind(self) -> Choice[Literal["fact", "is", "says"]]:
        rest = 1 - self.world.fact
        return Choice({"fact": self.world.fact, "is": rest * (1 - self.world.says), "says": rest * self.world.says})

    # -- drawing ---------------------------------------------------------------------------------------------------

    def sentence(self, subject: str, register: Register, part: Part, rng: random.Random) -> Sentence:
        """One sentence about `subject`."""
        kind = self._kind.draw(rng)
        if kind == "fact":
            verb, thing = self._fact(subject, register, part).draw(rng)
            return Sentence(
                kind,
                subject,
                opener=self._opener.draw(rng),
                negated=rng.random() < NEGATED,
                verb=verb,
                quality=self._quality[register].draw(rng),
                object=thing,
                place=self._place[verb].draw(rng) if rng.random() < PLACED else None,
            )
        word = self._word(subject, register, part, kind == "says")
        words = tuple(word.draw(rng) for _ in range(1 + (rng.random() < DOUBLE)))
        return Sentence(kind, subject, very=rng.random() < VERY, words=words)

    def document(
        self,
        language: str,
        part: Part,
        rng: random.Random,
        register: Register | None = None,
        bilingual: bool | None = None,
        subject: str | None = None,
    ) -> Document:
        """One document of a language; what is not given is drawn with the world's odds."""
        if register is None:
            register = "hostile" if rng.random() < self.world.hostile else "civil"
        subject = subject or self._subject.draw(rng)
        count = rng.randint(*self.world.sentences)
        sentences = tuple(self.sentence(subject, register, part, rng) for _ in range(count))
        if bilingual is None:
            bilingual = language != PIVOT and rng.random() < self.world.bilingual[language]
        tongues: tuple[str, ...] = (language,)
        mixed = False
        if bilingual and rng.random() < self.world.translation:
            tongues = (language, PIVOT) if rng.random() < 0.5 else (PIVOT, language)
        elif bilingual:
            mixed = True
        told = tuple((i, tongue, mixed) for i in range(count) for tongue in tongues)
        return Document(language, register, sentences, told, rng.getrandbits(32))

    # -- probability -----------------------------------------------------------------------------------------------

    def sentence_log_prob(self, sentence: Sentence, register: Register, part: Part) -> float:
        """Natural log of the probability of a sentence given its subject and register; -inf if impossible."""
        log = self._kind.log.get(sentence.kind, -math.inf)
        if sentence.kind == "fact":
            place = sentence.place
            terms = [
                self._fact(sentence.subject, register, part).log.get((sentence.verb, sentence.object), -math.inf),
                self._opener.log[sentence.opener],
                flag(NEGATED).log[sentence.negated],
                self._quality[register].log.get(sentence.quality, -math.inf),
                flag(PLACED).log[place is not None],
                0.0 if place is None else self._place[sentence.verb].log[place],
            ]
        else:
            choice = self._word(sentence.subject, register, part, sentence.kind == "says")
            terms = [
                flag(VERY).log[sentence.very],
                flag(DOUBLE).log[len(sentence.words) == 2],
                *(choice.log.get(word, -math.inf) for word in sentence.words),
            ]
        return log + sum(terms)

    def hostile_posterior(self, sentences: Sequence[Sentence], part: Part) -> float:
        """Probability that a document which begins with these sentences is hostile."""
        civil, hostile = self._register_logs(sentences, part)
        return 1 / (1 + math.exp(min(700.0, civil - hostile)))

    def _register_logs(self, sentences: Sequence[Sentence], part: Part) -> tuple[float, float]:
        rates = {"civil": 1 - self.world.hostile, "hostile": self.world.hostile}
        prior = {register: math.log(rate) if rate else -math.inf for register, rate in rates.items()}
        civil, hostile = (
            prior[register] + sum(self.sentence_log_prob(s, register, part) for s in sentences)
            for register in REGISTERS
        )
        return civil, hostile

    def document_log_prob(self, document: Document, part: Part) -> float:
        """Natural log of the probability of a monolingual document given its language, register summed out."""
        if document.bilingual:
            raise ValueError(
                "the probability of a bilingual document depends on its order of languages; not defined here"
            )
        fewest, most = self.world.sentences
        subject = self._subject.log[document.sentences[0].subject]
        registers = self._register_logs(document.sentences, part)
        return subject - math.log(most - fewest + 1) + float(np.logaddexp(*registers))
