"""Language identification, offline."""

import pytest

from tasks.scoring.language_identifier import Identified, LexiconIdentifier, LinguaIdentifier
from tasks.world.lexicon import Lexicon

SENTENCES = {
    "ar": "ذهب المعلم إلى السوق ليشتري الخبز",
    "cs": "Učitelka jde dnes ráno na trh a kupuje čerstvý chléb",
    "de": "Die Lehrerin kauft heute frisches Brot auf dem Markt",
    "en": "The teacher buys fresh bread in the market this morning",
    "es": "La maestra compra pan fresco en el mercado esta mañana",
    "fr": "La maîtresse achète du pain frais au marché ce matin",
    "hi": "शिक्षक आज सुबह बाज़ार में ताज़ी रोटी खरीदता है",
    "id": "Guru itu membeli roti segar di pasar pagi ini dengan anaknya",
    "it": "La maestra compra il pane fresco al mercato questa mattina",
    "ja": "先生は今朝、市場で焼きたてのパンを買います",
    "ko": "선생님은 오늘 아침 시장에서 신선한 빵을 삽니다",
    "nl": "De lerares koopt vanmorgen vers brood op de markt",
    "pl": "Nauczycielka kupuje dziś rano świeży chleb na targu",
    "pt": "A professora compra pão fresco no mercado esta manhã",
    "ru": "Учительница покупает сегодня утром свежий хлеб на рынке",
    "sv": "Läraren köper färskt bröd på torget i morse",
    "zh": "老师今天早上在市场买新鲜的面包",
}


@pytest.fixture(scope="module")
def study() -> LinguaIdentifier:
    return LinguaIdentifier(SENTENCES, confidence=0.5, everything=False)


@pytest.mark.slow
@pytest.mark.parametrize("language", SENTENCES)
def test_lingua_knows_the_17_languages(study: LinguaIdentifier, language: str) -> None:
    """A plain sentence of each is identified, whichever language was expected."""
    assert study.identify("en", [SENTENCES[language]]) == [Identified(language)]


def test_what_says_nothing_has_no_language(study: LinguaIdentifier) -> None:
    """Empty, digits, punctuation: null with a reason, in order with the others."""
    found = study.identify("en", ["", "123 !", SENTENCES["fr"], "\n"])
    assert [one.language for one in found] == [None, None, "fr", None]
    assert found[0].reason == "nothing to tell a language from"


def test_below_the_confidence_there_is_no_language() -> None:
    """The word "no" is one of several languages; at .99 nobody knows."""
    unsure = LinguaIdentifier(["en", "es", "it"], confidence=0.99, everything=False)
    assert unsure.identify("en", ["no"]) == [Identified(None, "confidence below 0.99")]
    assert LinguaIdentifier(["en", "es", "it"], confidence=0, everything=False).identify("en", ["no"])[0].language


def test_a_language_that_lingua_does_not_know_has_none(study: LinguaIdentifier) -> None:
    """Breton would be taken for something else, and a faithful continuation for a lost one."""
    identifier = LinguaIdentifier([*SENTENCES, "br"], confidence=0.5, everything=False)
    assert identifier.identify("br", [SENTENCES["fr"]]) == [Identified(None, "lingua does not know br")]


def test_a_code_with_a_script_is_the_language_before_it() -> None:
    """zh-Hans keeps the study's name for it."""
    identifier = LinguaIdentifier(["zh-Hans", "ja"], confidence=0.5, everything=False)
    assert identifier.identify("zh-Hans", [SENTENCES["zh"]]) == [Identified("zh-Hans")]
    assert identifier.identify("ja", [SENTENCES["zh"]]) == [Identified("zh-Hans")]


def test_one_language_is_no_choice() -> None:
    """Whatever it reads, it would say the same."""
    with pytest.raises(ValueError, match="candidates: all"):
        LinguaIdentifier(["en", "br"], confidence=0.5, everything=False)


def test_the_lexicon_says_why_it_does_not_know() -> None:
    """The mini world's own identification, with a reason where no word is known."""
    words = {"en": {"house": "house"}, "es": {"house": "casa"}}
    identifier = LexiconIdentifier(Lexicon({"house": "thing"}, {}, words))
    assert identifier.identify("en", ["casa", "", "xyz"]) == [
        Identified("es"),
        Identified(None, "no known word"),
        Identified(None, "no known word"),
    ]
