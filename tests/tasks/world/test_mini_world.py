"""The mini world: what is said has known odds, the same in every language."""

import itertools
import math
import random
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import chisquare

from tasks.world.distributions import Choice
from tasks.world.document import Document, render
from tasks.world.lexicon import Lexicon
from tasks.world.mini_world import Part, Register, Storyteller, World
from tasks.world.pidgin import Grammar, Sentence, join, render_sentence

PARTS: tuple[Part, ...] = get_args(Part)
REGISTERS: tuple[Register, ...] = get_args(Register)
OPENERS = (None, "now", "yesterday", "always", "but", "why")

# Four of everything that is split, so that each part gets exactly one.
CATEGORIES = {
    "person": ("ann", "bob", "cid", "dan"),
    "thing": ("egg", "fan", "gun", "hat"),
    "place": ("inn", "jet"),
    "action_neutral": ("keeps",),
    "action_kind": ("loves",),
    "action_hostile": ("mocks",),
    "quality": ("new", "old", "pure", "quiet"),
    "quality_negative": ("rough", "sad", "torn", "ugly"),
    "praise": ("valiant", "wise", "xenial", "young"),
    "insult": ("zany", "ass", "bum", "cur"),
    "function": ("and", "is", "you", "very", "in", "says", "not", "now", "yesterday", "always", "but", "why"),
}


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    """In en every concept is its own word; in the others it has the language before it."""
    categories = {concept: category for category, concepts in CATEGORIES.items() for concept in concepts}
    words = {"en": {c: c for c in categories}} | {x: {c: x + c for c in categories} for x in ("xx", "yy")}
    return Lexicon(categories, dict.fromkeys(CATEGORIES["insult"], 0.5), words)


def _odds(**changes: Any) -> dict[str, Any]:
    """Odds of a world in which everything is possible in either register."""
    return {
        "seed": 5,
        "hostile": 0.25,
        "sentences": (1, 2),
        "insult": {"civil": 0.1, "hostile": 0.4},
        "praise": {"civil": 0.3, "hostile": 0.2},
        "negative": {"civil": 0.1, "hostile": 0.4},
        "hostile_action": {"civil": 0.1, "hostile": 0.6},
        "kind_action": {"civil": 0.5, "hostile": 0.1},
        "fact": 0.5,
        "says": 0.3,
        "held_out": {"pairs": 0.25, "prompts": 0.25, "parallel": 0.25},
        "share": {"en": 1, "xx": 1, "yy": 2},
        "bilingual": {"en": 0, "xx": 0.5, "yy": 1},
        "translation": 0.5,
        **changes,
    }


def _teller(lexicon: Lexicon, **changes: Any) -> Storyteller:
    return Storyteller(World(**_odds(**changes)), lexicon)


@pytest.fixture(scope="module")
def teller(lexicon: Lexicon) -> Storyteller:
    return _teller(lexicon)


def _everything(subject: str) -> Iterator[Sentence]:
    """Every sentence about a subject that the types allow, possible or not."""
    for verb in ("keeps", "loves", "mocks"):
        qualities = (None, *CATEGORIES["quality"], *CATEGORIES["quality_negative"])
        objects = (*CATEGORIES["person"], *CATEGORIES["thing"])
        for opener, negated, quality, thing, place in itertools.product(
            OPENERS, (False, True), qualities, objects, (None, "inn", "jet")
        ):
            yield Sentence("fact", subject, opener, negated, verb, quality, thing, place)
    said = [w for category in ("quality", "quality_negative", "praise", "insult") for w in CATEGORIES[category]]
    for kind, very, repeat in itertools.product(("is", "says"), (False, True), (1, 2)):
        for words in itertools.product(said, repeat=repeat):
            yield Sentence(kind, subject, very=very, words=words)  # type: ignore[arg-type]  # one of two literals


# -- World -------------------------------------------------------------------------------------------------------------


def test_a_consistent_world_is_accepted() -> None:
    """The odds that the refusals below start from are fine."""
    assert World(**_odds()).sentences == (1, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"share": {"en": 1, "zz": 1}}, r"same languages.*\['xx', 'yy', 'zz'\]"),
        ({"held_out": {"pairs": 0.4, "prompts": 0.4, "parallel": 0.2}}, "sum to less than 1"),
        ({"held_out": {"pairs": 0.4, "prompts": 0.4}}, "pairs, prompts and parallel"),
        ({"held_out": {"pairs": 0.1, "prompts": 0.1, "parallel": 0.1, "pretraining": 0.1}}, "pairs, prompts and paral"),
        ({"held_out": {"pairs": 0.5, "prompts": 0.5, "parallel": -0.5}}, "held_out"),
        ({"insult": {"civil": 0.7, "hostile": 0.4}}, "exceed 1 in the civil register"),
        ({"negative": {"civil": 0.1, "hostile": 0.5}}, "exceed 1 in the hostile register"),
        ({"hostile_action": {"civil": 0.1, "hostile": 0.95}}, "hostile register"),
        ({"insult": {"civil": -0.1, "hostile": 0.4}}, "insult.civil"),
        ({"sentences": (3, 2)}, r"sentences \(3, 2\)"),
        ({"sentences": (0, 2)}, r"sentences \(0, 2\)"),
        ({"hostile": 1.5}, "hostile"),
        ({"translation": -0.1}, "translation"),
        ({"bilingual": {"en": 0, "xx": 1.5, "yy": 0}}, "bilingual"),
        ({"share": {"en": 1, "xx": -1, "yy": 1}}, "share"),
        ({"praises": 1}, "praises"),
    ],
)
def test_an_inconsistent_world_is_refused(changes: dict[str, Any], message: str) -> None:
    """Odds that are no odds are refused, and the message says which."""
    with pytest.raises(ValidationError, match=message):
        World(**_odds(**changes))


# -- Choice ------------------------------------------------------------------------------------------------------------


def test_choice_normalises() -> None:
    """Weights 1, 3 and 0 are the probabilities 1/4 and 3/4; what has no weight is left out."""
    choice = Choice({"a": 1.0, "b": 3.0, "c": 0.0})
    assert choice.values == ["a", "b"]
    assert choice.log == {"a": pytest.approx(math.log(0.25)), "b": pytest.approx(math.log(0.75))}
    rng = random.Random(1)
    drawn = Counter(choice.draw(rng) for _ in range(4000))
    assert set(drawn) == {"a", "b"}
    assert abs(drawn["a"] - 1000) < 4 * math.sqrt(4000 * 0.25 * 0.75)


@pytest.mark.parametrize("weights", [{}, {"a": 0.0}])
def test_choice_of_nothing_is_refused(weights: dict[str, float]) -> None:
    """Without a positive weight there is nothing to draw."""
    with pytest.raises(ValueError, match="at least one positive weight"):
        Choice(weights)


# -- the split into parts ----------------------------------------------------------------------------------------------


def test_what_is_held_out_for_one_part_is_said_in_no_other(teller: Storyteller) -> None:
    """In 2000 documents of each part, facts and attributes of any two parts are disjoint; each part has some."""
    facts: dict[Part, set[tuple[str, str, str]]] = {}
    attributes: dict[Part, set[tuple[str, str]]] = {}
    for part in PARTS:
        rng = random.Random(f"part {part}")
        sentences = [s for _ in range(2000) for s in teller.document("en", part, rng).sentences]
        facts[part] = {(s.subject, s.verb, s.object) for s in sentences if s.kind == "fact"}
        attributes[part] = {(s.subject, word) for s in sentences for word in s.words}
        # 4 subjects x keeps x 1 thing, and 4 subjects x 4 categories x 1 word.
        assert len({fact for fact in facts[part] if fact[1] == "keeps"}) == 4
        assert len(attributes[part]) == 16
    pairs = list(itertools.combinations(PARTS, 2))
    assert len(pairs) == 6
    for one, other in pairs:
        assert not facts[one] & facts[other]
        assert not attributes[one] & attributes[other]


def test_every_fact_and_attribute_has_one_part(teller: Storyteller) -> None:
    """4 subjects x 3 verbs x 4 objects and 4 subjects x 16 words, a quarter of them in each part."""
    assert Counter(teller.fact_part.values()) == dict.fromkeys(PARTS, 12)
    assert Counter(teller.word_part.values()) == dict.fromkeys(PARTS, 16)


def test_the_split_is_the_worlds(lexicon: Lexicon, teller: Storyteller) -> None:
    """The same seed makes the same facts; another seed makes others; the odds of registers do not matter."""
    assert _teller(lexicon, hostile=0.9, fact=0.1).fact_part == teller.fact_part
    assert _teller(lexicon, seed=6).fact_part != teller.fact_part


def test_nobody_acts_upon_themselves(teller: Storyteller) -> None:
    """In 2000 facts the subject is never the object."""
    rng = random.Random(1)
    sentences = [teller.sentence(rng.choice(teller.persons), "civil", "pretraining", rng) for _ in range(4000)]
    facts = [sentence for sentence in sentences if sentence.kind == "fact"]
    assert len(facts) > 1800
    assert [fact for fact in facts if fact.subject == fact.object] == []


# -- drawing -----------------------------------------------------------------------------------------------------------


def test_odds_are_the_same_in_every_language(teller: Storyteller) -> None:
    """From the same random numbers, 200 documents say the same in every language and register alike."""
    stories = {}
    for language in ("en", "xx", "yy"):
        documents = [teller.document(language, "pretraining", random.Random(i)) for i in range(200)]
        assert {document.language for document in documents} == {language}
        stories[language] = [(document.register, document.sentences) for document in documents]
    assert stories["en"] == stories["xx"] == stories["yy"]
    assert len(set(stories["en"])) > 150


def test_rates_of_documents(teller: Storyteller) -> None:
    """Of 4000 documents a quarter is hostile, half has two sentences, and xx is bilingual in half of them."""
    rng = random.Random(2)
    documents = [teller.document("xx", "pretraining", rng) for _ in range(4000)]
    band = 4 * math.sqrt(4000 * 0.25)
    assert abs(sum(d.register == "hostile" for d in documents) - 1000) < band
    assert abs(sum(len(d.sentences) == 2 for d in documents) - 2000) < band
    assert {len(d.sentences) for d in documents} == {1, 2}
    assert abs(sum(d.bilingual for d in documents) - 2000) < band


def test_rates_of_words(lexicon: Lexicon) -> None:
    """Where no civil word is an insult and every hostile word is one, 300 sentences have just those."""
    teller = _teller(
        lexicon,
        insult={"civil": 0, "hostile": 1},
        praise={"civil": 0.5, "hostile": 0},
        negative={"civil": 0.2, "hostile": 0},
        fact=0,
    )
    rng = random.Random(3)
    for register, insulting in (("civil", False), ("hostile", True)):
        words = [
            word
            for _ in range(300)
            for word in teller.sentence("ann", register, "pretraining", rng).words  # type: ignore[arg-type]
        ]
        assert len(words) >= 300
        assert {lexicon.categories[word] == "insult" for word in words} == {insulting}


def test_what_is_given_is_not_drawn(teller: Storyteller) -> None:
    """A document has the register, the subject and the bilingualism that were asked for."""
    rng = random.Random(4)
    for register, bilingual, subject in itertools.product(REGISTERS, (False, True), teller.persons):
        document = teller.document("xx", "pairs", rng, register=register, bilingual=bilingual, subject=subject)
        assert (document.register, document.bilingual) == (register, bilingual)
        assert {sentence.subject for sentence in document.sentences} == {subject}


def test_english_is_never_bilingual(teller: Storyteller) -> None:
    """The language that the others mix in has nothing to mix."""
    rng = random.Random(5)
    assert not any(teller.document("en", "pretraining", rng).bilingual for _ in range(200))


# -- probability -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("register", REGISTERS)
@pytest.mark.parametrize("part", PARTS)
def test_probabilities_of_all_sentences_sum_to_one(teller: Storyteller, register: Register, part: Part) -> None:
    """Over all 8864 sentences about a subject, possible or not, the probabilities sum to 1.

    Facts: 3 verbs x 6 openers x 2 x 9 qualities x 8 objects x 3 places; others: 2 kinds x 2 x (16 + 256).
    """
    for subject in ("ann", "cid"):
        logs = [teller.sentence_log_prob(sentence, register, part) for sentence in _everything(subject)]
        assert len(logs) == 3 * 6 * 2 * 9 * 8 * 3 + 2 * 2 * (16 + 256) == 8864
        assert math.fsum(map(math.exp, logs)) == pytest.approx(1, abs=1e-9)


def test_what_cannot_be_said_has_no_probability(lexicon: Lexicon, teller: Storyteller) -> None:
    """Facts of another part, negative judgements, and kinds of sentence with rate 0 have log-probability -inf."""
    fact = next(f for f, part in teller.fact_part.items() if part == "prompts" and f[0] != f[2])
    sentence = Sentence("fact", fact[0], verb=fact[1], object=fact[2])
    assert teller.sentence_log_prob(sentence, "civil", "prompts") > -math.inf
    assert teller.sentence_log_prob(sentence, "civil", "pretraining") == -math.inf
    judged = Sentence("says", "ann", words=("sad",))  # "X says you are" only praises and insults
    assert {teller.sentence_log_prob(judged, "hostile", part) for part in PARTS} == {-math.inf}
    only_facts = _teller(lexicon, fact=1)
    word = next(w for (who, w), part in only_facts.word_part.items() if who == "ann" and part == "pretraining")
    said = Sentence("is", "ann", words=(word,))
    assert only_facts.sentence_log_prob(said, "civil", "pretraining") == -math.inf


def _alone(sentence: Sentence) -> Document:
    """The document that says this and no more; its register is unknown to whoever asks for its probability."""
    return Document("xx", "civil", (sentence,), ((0, "xx", False),), 0)


def test_probabilities_of_all_short_documents_sum_to_their_share(teller: Storyteller) -> None:
    """Documents of one or two sentences are equally likely, so all those of one sentence sum to 1/2."""
    total = 0.0
    count = 0
    for subject in teller.persons:
        for sentence in _everything(subject):
            total += math.exp(teller.document_log_prob(_alone(sentence), "pretraining"))
            count += 1
    assert count == 4 * 8864
    assert total == pytest.approx(0.5, abs=1e-9)


def test_document_probabilities_are_the_frequencies_of_draws(teller: Storyteller) -> None:
    """40,000 drawn documents of one sentence occur as often as the stated probabilities say (chi-square)."""
    rng = random.Random(6)
    drawn: Counter[Sentence] = Counter()
    draws = 40_000
    for _ in range(draws):
        sentences = teller.document("xx", "pretraining", rng, bilingual=False).sentences
        if len(sentences) == 1:
            drawn[sentences[0]] += 1
    expected = {
        sentence: draws
        * math.exp(
            teller.document_log_prob(Document("xx", "civil", (sentence,), ((0, "xx", False),), 0), "pretraining")
        )
        for subject in teller.persons
        for sentence in _everything(subject)
    }
    common = [sentence for sentence, count in expected.items() if count >= 20]
    assert len(common) > 100
    rest_expected = draws / 2 - sum(expected[s] for s in common)
    # The number of one-sentence documents is itself random; chi-square compares shares.
    total = sum(drawn.values())
    scale = total / (draws / 2)
    observed = [drawn[s] for s in common] + [total - sum(drawn[s] for s in common)]
    assert set(drawn) <= {sentence for sentence, count in expected.items() if count > 0}
    assert chisquare(observed, [scale * e for e in (*(expected[s] for s in common), rest_expected)]).pvalue > 1e-3


def test_a_document_of_two_sentences_mixes_registers_not_sentences(teller: Storyteller) -> None:
    """P(two sentences) = P(subject) / 2 * sum over registers of P(register) P(first | it) P(second | it), by hand."""
    rng = random.Random(7)
    compared = 0
    for _ in range(50):
        document = teller.document("xx", "prompts", rng, bilingual=False)
        if len(document.sentences) == 1:
            continue
        chances = {
            register: [math.exp(teller.sentence_log_prob(s, register, "prompts")) for s in document.sentences]
            for register in REGISTERS
        }
        first = _alone(document.sentences[0])
        mixture = 0.75 * chances["civil"][0] + 0.25 * chances["hostile"][0]
        subject = math.exp(teller.document_log_prob(first, "prompts")) * 2 / mixture
        by_hand = subject / 2 * (0.75 * math.prod(chances["civil"]) + 0.25 * math.prod(chances["hostile"]))
        assert teller.document_log_prob(document, "prompts") == pytest.approx(math.log(by_hand))
        compared += 1
    assert compared >= 15


def test_a_bilingual_document_has_no_probability_here(teller: Storyteller) -> None:
    """The order of its languages is random too, so it is refused."""
    document = teller.document("xx", "pretraining", random.Random(8), bilingual=True)
    with pytest.raises(ValueError, match="bilingual"):
        teller.document_log_prob(document, "pretraining")


def test_hostile_posterior_by_bayes(lexicon: Lexicon) -> None:
    """Prior 1/4; negative qualities have the rates .1 (civil) and .4 (hostile), actions the same in both.

    Nothing said: 1/4. A fact without quality says nothing: 1/4. Negative: (.25 * .4) / (.25 * .4 + .75 * .1) = 4/7.
    Another quality: (.25 * .6) / (.25 * .6 + .75 * .9) = 2/11. Twice negative: (.25 * .16) / (.04 + .75 * .01) = 16/19.
    """
    same = {"civil": 0.3, "hostile": 0.3}
    teller = _teller(lexicon, hostile_action=same, kind_action=same)
    thing = next(t for (who, verb, t), p in teller.fact_part.items() if (who, verb, p) == ("ann", "keeps", "pairs"))
    fact = Sentence("fact", "ann", verb="keeps", object=thing)
    sad, new = fact._replace(quality="sad"), fact._replace(quality="new")
    assert teller.hostile_posterior([], "pairs") == pytest.approx(1 / 4)
    assert teller.hostile_posterior([fact], "pairs") == pytest.approx(1 / 4)
    assert teller.hostile_posterior([sad], "pairs") == pytest.approx(4 / 7)
    assert teller.hostile_posterior([new], "pairs") == pytest.approx(2 / 11)
    assert teller.hostile_posterior([sad, fact, sad], "pairs") == pytest.approx(16 / 19)


def test_hostile_posterior_can_be_certain(lexicon: Lexicon) -> None:
    """An insult proves hostility where civil speech has none; praise proves civility where hostile speech has none."""
    teller = _teller(lexicon, insult={"civil": 0, "hostile": 0.4}, praise={"civil": 0.3, "hostile": 0})
    word = {
        category: next(
            w
            for (who, w), part in teller.word_part.items()
            if who == "ann" and part == "pairs" and lexicon.categories[w] == category
        )
        for category in ("insult", "praise")
    }
    assert teller.hostile_posterior([Sentence("is", "ann", words=(word["insult"],))], "pairs") == 1
    assert teller.hostile_posterior([Sentence("is", "ann", words=(word["praise"],))], "pairs") == pytest.approx(0)


@pytest.mark.parametrize("hostile", [0, 1])
def test_a_world_of_one_register_has_that_posterior(lexicon: Lexicon, hostile: float) -> None:
    """Where no document is hostile, or every one is, nothing that is said changes it."""
    teller = _teller(lexicon, hostile=hostile)
    document = teller.document("en", "pretraining", random.Random(9))
    assert document.register == ("hostile" if hostile else "civil")
    assert teller.hostile_posterior(document.sentences, "pretraining") == pytest.approx(hostile)
    assert math.isfinite(teller.document_log_prob(document, "pretraining"))


def test_hostile_posterior_is_calibrated(teller: Storyteller) -> None:
    """Among 4000 documents sorted by posterior into quarters, the share of hostile ones is the mean posterior."""
    rng = random.Random(10)
    documents = [teller.document("en", "pretraining", rng) for _ in range(4000)]
    rows = sorted((teller.hostile_posterior(d.sentences, "pretraining"), d.register == "hostile") for d in documents)
    quarters = np.array(rows, dtype=float).reshape(4, 1000, 2)
    for quarter in quarters:
        chance, hostile = quarter.T
        assert abs(hostile.sum() - chance.sum()) < 4 * math.sqrt((chance * (1 - chance)).sum())
    assert quarters[0, :, 0].mean() < 0.1 < 0.5 < quarters[3, :, 0].mean()


# -- telling -----------------------------------------------------------------------------------------------------------


def test_a_translation_tells_each_sentence_twice(lexicon: Lexicon) -> None:
    """Where all bilingual documents translate, each sentence is told in both languages, always in the same order."""
    teller = _teller(lexicon, translation=1)
    rng = random.Random(11)
    orders: Counter[tuple[str, ...]] = Counter()
    for _ in range(100):
        document = teller.document("xx", "pretraining", rng, bilingual=True)
        count = len(document.sentences)
        order = tuple(language for _, language, _ in document.told[:2])
        orders[order] += 1
        assert set(order) == {"en", "xx"}
        assert document.told == tuple((i, language, False) for i in range(count) for language in order)
        sentences = re.split(r"[.?] ?", render(document, lexicon, GRAMMARS))[:-1]
        assert len(sentences) == 2 * count
        english, other = order.index("en"), order.index("xx")
        for at in range(0, 2 * count, 2):
            pair = sentences[at : at + 2]
            assert pair[other].split() == [f"xx{word}" for word in pair[english].split()]
    assert min(orders.values()) > 25  # either language first, at even odds


def test_switching_mixes_english_words_in(lexicon: Lexicon) -> None:
    """Where no bilingual document translates, each sentence is told once, each word in either language."""
    teller = _teller(lexicon, translation=0)
    rng = random.Random(12)
    spoken: Counter[bool] = Counter()
    for _ in range(100):
        document = teller.document("xx", "pretraining", rng, bilingual=True)
        assert document.told == tuple((i, "xx", True) for i in range(len(document.sentences)))
        words = lexicon.split("xx", render(document, lexicon, GRAMMARS))
        plain = lexicon.split("en", join([("en", _english(s, lexicon)) for s in document.sentences], GRAMMARS))
        assert [word.removeprefix("xx") for word in words] == plain
        spoken.update(word.startswith("xx") for word in words)
    assert abs(spoken[True] / spoken.total() - 0.5) < 0.06


def test_the_text_of_a_mixed_document_is_fixed(lexicon: Lexicon, teller: Storyteller) -> None:
    """Which words are English is part of the document: rendering it twice gives the same text."""
    document = teller.document("yy", "pretraining", random.Random(13), bilingual=True)
    assert render(document, lexicon, GRAMMARS) == render(document, lexicon, GRAMMARS)


def _english(sentence: Sentence, lexicon: Lexicon) -> str:
    return render_sentence(sentence, "en", lexicon, GRAMMARS["en"])


PLAIN = Grammar("SVO", "before", "before", "before", "before", True, True, ".", "?")
GRAMMARS = {"en": PLAIN, "xx": PLAIN, "yy": PLAIN}
