"""What every toxicity scorer promises, and the rule of the lexicon's."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from tasks.models.language_model import load
from tasks.plumbing.score_store import score_store
from tasks.scoring.cached_scorer import CachedScorer
from tasks.scoring.classifier_scorer import ClassifierScorer, load_classifier
from tasks.scoring.guard_scorer import GuardScorer
from tasks.scoring.toxicity_scorer import Exchange, LexiconScorer, Score, ScorerCard, ToxicityScorer, no_scores
from tasks.world.lexicon import Lexicon
from tests.scorer_models import save_classifier, save_guard

LEXICON = Lexicon(
    categories={"idiot": "insult", "fool": "insult", "house": "thing"},
    severities={"idiot": 0.9, "fool": 0.75},
    words={
        "en": {"idiot": "idiot", "fool": "fool", "house": "house"},
        "es": {"idiot": "idiota", "fool": "tonto", "house": "casa"},
    },
)
CPU = torch.device("cpu")
GUARD = {"labels": {"Safe": 0.0, "Controversial": 1.0, "Unsafe": 1.0}, "prefix": "Safety:"}


class ShoutingScorer:
    """A fake: the share of letters that are capitals."""

    card = ScorerCard("tests/shouting", "1", "capitals", ("en", "es"), "shouting")
    keep_every = 2

    def score(self, language: str, continuations: Sequence[Exchange]) -> list[Score]:
        if not self.card.scores(language):
            return no_scores(self.card, language, len(continuations))
        return [Score(sum(c.isupper() for c in one.text) / max(len(one.text), 1)) for one in continuations]


def make(kind: str, folder: Path, batch: int = 4, beyond: bool = False) -> ToxicityScorer:
    """A scorer of each kind that knows English and Spanish."""
    card = ScorerCard(f"tests/{kind}", "1", "toxic", ("en", "es"), "toxicity", beyond, reads_prompt=kind == "guard")
    match kind:
        case "lexicon":
            return LexiconScorer(LEXICON, "r1")
        case "fake":
            return ShoutingScorer()
        case "classifier":
            path = save_classifier(folder / kind, ["neutral", "toxic"], "single_label_classification")
            return ClassifierScorer(*load_classifier(path, CPU), card, batch=batch)
        case "guard":
            return GuardScorer(*load(save_guard(folder / kind), CPU), card, **GUARD, batch=batch)
    raise AssertionError(kind)


KINDS = ["lexicon", "fake", "classifier", "guard", "cached fake", "cached guard"]


@pytest.fixture(scope="module", params=KINDS)
def scorer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("scorer")
    made = make(request.param.removeprefix("cached "), folder)
    if not request.param.startswith("cached"):
        yield made
        return
    with score_store(folder / "scores") as store:
        yield CachedScorer(made, store)


TEXTS = ["you IDIOT, you FOOL", "house", "", "fool", "HOUSE idiot", "\n", "idiot " * 20, "笨蛋"]
EXCHANGES = [Exchange(text, f"prompt {index}") for index, text in enumerate(TEXTS)]


def values(scores: list[Score]) -> list[float]:
    assert all(score.value is not None for score in scores)
    return [score.value for score in scores if score.value is not None]


def test_one_score_per_text_in_order(scorer: ToxicityScorer) -> None:
    """Texts scored together, reversed, or one at a time have the same scores within 1e-6, each at its own place."""
    together = values(scorer.score("en", EXCHANGES))
    assert len(together) == len(TEXTS)
    assert together == pytest.approx([values(scorer.score("en", [one]))[0] for one in EXCHANGES], abs=1e-6)
    assert together[::-1] == pytest.approx(values(scorer.score("en", EXCHANGES[::-1])), abs=1e-6)
    assert len(set(together)) > 2  # the texts do differ
    assert scorer.score("en", []) == []


@pytest.mark.parametrize("kind", ["classifier", "guard"])
def test_batch_size_changes_no_score(kind: str, tmp_path: Path) -> None:
    """A batch is how, not what: sizes 1 and 8 agree within 1e-6."""
    alone, together = (values(make(kind, tmp_path / str(size), size).score("en", EXCHANGES)) for size in (1, 8))
    assert alone == pytest.approx(together, abs=1e-6)
    assert max(alone) - min(alone) > 0.01


def test_scores_are_in_range_without_a_reason(scorer: ToxicityScorer) -> None:
    """In every declared language each text has a number from 0 to 1, and a number needs no reason."""
    assert len(scorer.card.languages) == 2
    for language in scorer.card.languages:
        for score in scorer.score(language, EXCHANGES):
            assert score.value is not None and 0 <= score.value <= 1
            assert score.reason is None


def test_an_empty_text_is_harmless(scorer: ToxicityScorer) -> None:
    """Who says nothing insults nobody: 0, not None, whatever the prompt said."""
    assert scorer.score("en", [Exchange("", "you idiot"), Exchange("")]) == [Score(0.0), Score(0.0)]


def test_an_undeclared_language_has_no_score(scorer: ToxicityScorer) -> None:
    """Each text of a language that the card does not name has None, with a reason that names scorer and language."""
    assert "ko" not in scorer.card.languages
    scores = scorer.score("ko", EXCHANGES)
    assert [score.value for score in scores] == [None] * len(TEXTS)
    for score in scores:
        assert score.reason is not None and scorer.card.id in score.reason and "ko" in score.reason


@pytest.mark.parametrize("kind", ["classifier", "guard"])
def test_undeclared_languages_are_scored_if_somebody_says_so(kind: str, tmp_path: Path) -> None:
    """beyond_declared scores any language, and the card says that it did."""
    scorer = make(kind, tmp_path, beyond=True)
    assert values(scorer.score("ko", EXCHANGES)) == pytest.approx(values(scorer.score("en", EXCHANGES)))
    assert scorer.card.beyond_declared and "ko" not in scorer.card.languages


def test_the_card_identifies_the_scorer(scorer: ToxicityScorer) -> None:
    """A stored score can be told from another scorer's: everything is there, languages are distinct."""
    card = scorer.card
    assert all((card.id, card.revision, card.label, card.construct))
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
    (score,) = LexiconScorer(LEXICON, "r1").score(language, [Exchange(text, "idiot")])
    assert score.value == pytest.approx(expected)


def test_the_lexicons_revision_is_on_the_card() -> None:
    """Two revisions of the lexicon are two scorers."""
    assert LexiconScorer(LEXICON, "r1").card != LexiconScorer(LEXICON, "r2").card
    assert LexiconScorer(LEXICON, "r1").card.languages == ("en", "es")
