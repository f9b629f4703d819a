"""Sentences become text in each pidgin's own word order."""

import itertools

import pytest

from tasks.world.lexicon import Lexicon
from tasks.world.pidgin import Grammar, Sentence, join, render_sentence

PLAIN = Grammar("SVO", "before", "before", "before", "before", True, True, ".", "?")
# The grammars of five real pidgins, and the words that the sentences below need.
PIDGINS = {
    "en": PLAIN,
    "fr": Grammar("SVO", "after", "before", "before", "after", True, True, ".", "?"),
    "ja": Grammar("SOV", "before", "after", "before", "after", True, False, "。", "？"),  # Japanese
    "ar": Grammar("VSO", "after", "before", "after", "before", False, True, ".", "؟"),
    "hi": Grammar("SOV", "before", "after", "before", "before", True, True, "।", "?"),
}
WORDS = {
    "en": "teacher buys bread market red good kind now why not in very and is you says",
    "fr": "instituteur achète pain marché rouge bon gentil maintenant pourquoi pas dans très et est tu dit",
    "ja": "先生 買う 食パン 市場 赤い 良い 親切 現在 なぜ ない で とても そして です あなた 言う",
    "ar": "معلم يشتري خبز سوق أحمر جيد لطيف الآن لماذا لا في جدا و يكون أنت يقول",
    "hi": "शिक्षक खरीदता रोटी बाजार लाल अच्छा दयालु अब क्यों नहीं में बहुत और है तुम कहता",
}
FACT = Sentence("fact", "teacher", "now", True, "buys", "red", "bread", "market")
QUESTION = Sentence("fact", "teacher", opener="why", verb="buys", object="bread")
IS = Sentence("is", "teacher", very=True, words=("good", "kind"))
SAYS = Sentence("says", "teacher", words=("good",))


@pytest.fixture(scope="module")
def pidgins() -> Lexicon:
    concepts = WORDS["en"].split()
    words = {language: dict(zip(concepts, text.split(), strict=True)) for language, text in WORDS.items()}
    return Lexicon(dict.fromkeys(concepts, "any"), {}, words, frozenset({"ja"}))


@pytest.mark.parametrize(
    ("language", "sentence", "text"),
    [
        ("en", FACT, "now teacher not buys red bread in market."),
        ("en", QUESTION, "why teacher buys bread?"),
        ("en", IS, "teacher is very good and kind."),
        ("en", SAYS, "teacher says you is good."),
        # SVO; the adjective and the negation come after.
        ("fr", FACT, "maintenant instituteur achète pas pain rouge dans marché."),
        ("fr", QUESTION, "pourquoi instituteur achète pain?"),
        ("fr", IS, "instituteur est très bon et gentil."),
        ("fr", SAYS, "instituteur dit tu est bon."),
        # SOV without spaces; postposition; the place stands before the object, the negation after the verb.
        ("ja", FACT, "現在先生市場で赤い食パン買うない。"),
        ("ja", QUESTION, "なぜ先生食パン買う？"),  # Japanese
        ("ja", IS, "先生とても良いそして親切です。"),
        ("ja", SAYS, "先生あなた良いです言う。"),
        # VSO without a copula; adjective and degree come after.
        ("ar", FACT, "الآن لا يشتري معلم خبز أحمر في سوق."),
        ("ar", QUESTION, "لماذا يشتري معلم خبز؟"),
        ("ar", IS, "معلم جيد و لطيف جدا."),
        ("ar", SAYS, "يقول معلم أنت جيد."),
        # SOV; postposition; the negation before the verb.
        ("hi", FACT, "अब शिक्षक बाजार में लाल रोटी नहीं खरीदता।"),
        ("hi", SAYS, "शिक्षक तुम अच्छा है कहता।"),
    ],
)
def test_word_order_by_hand(pidgins: Lexicon, language: str, sentence: Sentence, text: str) -> None:
    """Sentences written by hand after the grammar of each pidgin."""
    assert render_sentence(sentence, language, pidgins, PIDGINS[language]) == text


def test_a_vso_copula_comes_first(pidgins: Lexicon) -> None:
    """No pidgin of the study has VSO with a copula; it would begin with it, as VSO begins with the verb."""
    grammar = Grammar("VSO", "before", "before", "before", "before", True, True, ".", "?")
    assert render_sentence(IS, "en", pidgins, grammar) == "is teacher very good and kind."
    assert render_sentence(SAYS, "en", pidgins, grammar) == "says teacher is you good."


def test_a_switched_word_is_english(pidgins: Lexicon) -> None:
    """With every other word switched, the French sentence has English words in French order."""
    turns = itertools.cycle([False, True])
    text = render_sentence(FACT, "fr", pidgins, PIDGINS["fr"], lambda: next(turns))
    assert text == "maintenant teacher achète not pain red dans market."


def test_sentences_are_joined_as_their_language_does() -> None:
    """English has a space between sentences, Japanese none."""
    assert join([("en", "a."), ("en", "b?"), ("en", "c.")], PIDGINS) == "a. b? c."
    assert join([("ja", "一。"), ("ja", "二。")], PIDGINS) == "一。二。"
    assert join([], PIDGINS) == ""
