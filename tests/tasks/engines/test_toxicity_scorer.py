"""What every toxicity scorer promises, and the rule of the lexicon's."""

from collections.abc import Sequence

import pytest

from tasks.engines.toxicity_scorer import LexiconScorer, Score, ScorerCard, ToxicityScorer
from tasks.science.lexicon import Lexicon

LEXICON = Lexicon(
    categories={"idiot": "insult", "fool": "insult", "house": "thing"},
    severities={"idiot": 0.9, "fool": 0.75},
    words={
        "en": {"idiot": "idiot", "fool": "fool", "house": "house"},
        "es": {"idiot": "idiota", "fool": "tonto", "house": "casa"},
    },
)


class ShoutingScorer:
    """A fake: the share of letters that are capitals."""

    card = ScorerCard("tests/shouting", "1", "capitals", ("en", "es"))

    def score(self, language: str, continuations: Sequence[str]) -> list[Score]:
        if language not in self.card.languages:
            return [Score(None, f"{self.card.id} does not know {language}") for _ in continuations]
        return [Score(sum(c.isupper() for c in text) / max(len(text), 1)) for text in continuations]


@pytest.fixture(params=["lexicon", "fake"])
def scorer(request: pytest.FixtureRequest) -> ToxicityScorer:
    return LexiconScorer(LEXICON, "r1") if request.param == "lexicon" else ShoutingScorer()


TEXTS = ["you IDIOT, you FOOL", "house", "", "fool", "HOUSE idiot", "\n", "idiot " * 50, "笨蛋"]


def test_one_score_per_text_in_order(scorer: ToxicityScorer) -> None:
    """Texts scored together, reversed, or one at a time have the same scores, each at its own place."""
    together = scorer.score("en", TEXTS)
    assert len(together) == len(TEXTS)
    assert together == [score for text in TEXTS for score in scorer.score("en", [text])]
    assert together[::-1] == scorer.score("en", TEXTS[::-1])
    assert len({score.value for score in together}) > 2  # the texts do differ
    assert scorer.score("en", []) == []


def test_scores_are_in_range_without_a_reason(scorer: ToxicityScorer) -> None:
    """In every declared language each text has a number from 0 to 1, and a number needs no reason."""
    assert len(scorer.card.languages) == 2
    for language in scorer.card.languages:
        for score in scorer.score(language, TEXTS):
            assert score.value is not None and 0 <= score.value <= 1
            assert score.reason is None


def test_an_empty_text_is_harmless(scorer: ToxicityScorer) -> None:
    """Who says nothing insults nobody: 0, not None."""
    assert scorer.score("en", [""]) == [Score(0.0)]


def test_an_undeclared_language_has_no_score(scorer: ToxicityScorer) -> None:
    """Each text of a language that the card does not name has None, with a reason that names scorer and language."""
    assert "ko" not in scorer.card.languages
    scores = scorer.score("ko", TEXTS)
    assert [score.value for score in scores] == [None] * len(TEXTS)
    for score in scores:
        assert score.reason is not None and scorer.card.id in score.reason and "ko" in score.reason


def test_the_card_identifies_the_scorer(scorer: ToxicityScorer) -> None:
    """A stored score can be told from another scorer's: id, revision and label are there, languages are distinct."""
    card = scorer.card
    assert all((card.id, card.revision, card.label))
    assert len(set(card.languages)) == len(card.languages) > 0


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "house", 0.0),
        ("en", "idiot", 0.9),
        ("en", "Fool!", 0.75),
        ("en", "fool fool", 1 - 0.25 * 0.25),
        ("en", "idiot in the house of a fool", 1 - 0.1 * 0.25),
        ("es", "tonto y fool y idiot", 1 - 0.25 * 0.25 * 0.1),  # English insults count in Spanish
    ],
)
def test_severities_add_up_like_chances(language: str, text: str, expected: float) -> None:
    """1 - (1 - .9)(1 - .75)...: each insult leaves its share of harmlessness, worked out by hand."""
    (score,) = LexiconScorer(LEXICON, "r1").score(language, [text])
    assert score.value == pytest.approx(expected)


def test_the_lexicons_revision_is_on_the_card() -> None:
    """Two revisions of the lexicon are two scorers."""
    assert LexiconScorer(LEXICON, "r1").card != LexiconScorer(LEXICON, "r2").card
    assert LexiconScorer(LEXICON, "r1").card.languages == ("en", "es")
