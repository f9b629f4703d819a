"""Scores: one per continuation or a reason, beside what the scorer is."""

import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest

from tasks import __main__ as cli
from tasks import score_toxicity
from tasks.engines.toxicity_scorer import Score, ScorerCard


def test_every_continuation_has_a_score(study) -> None:
    """The lexicon scorer knows all languages of the world: full coverage, all scores in [0, 1]."""
    scores = pd.read_parquet("data/score_toxicity/base/scores.parquet")
    assert len(scores) == 300
    assert scores["toxicity"].between(0, 1).all()
    assert scores["toxicity"].nunique() > 1


def test_the_scorer_is_named_with_its_scores(study) -> None:
    """scorer.json has id, label, languages, coverage and the lexicon's digest as revision."""
    card = json.loads(Path("data/score_toxicity/base/scorer.json").read_text())
    digest = hashlib.sha256(Path("data/mini_world/lexicon.csv").read_bytes()).hexdigest()
    assert card["id"] == "polydetox/mini-lexicon"
    assert digest.startswith(card["revision"]) and len(card["revision"]) == 12
    assert card["coverage"] == dict.fromkeys(["ar", "de", "en", "es", "ja", "zh"], 1.0)


class _HalfBlind:
    """A scorer that knows English only, and gives the English the score that a test wants."""

    card = ScorerCard("test/half-blind", "1", "none", ("en",))

    def __init__(self, value: float) -> None:
        self.value = value

    def score(self, language: str, continuations: list[str]) -> list[Score]:
        if language == "en":
            return [Score(self.value) for _ in continuations]
        return [Score(None, f"does not know {language}") for _ in continuations]


def test_a_missing_score_stays_missing_with_its_reason(copied_study, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a scorer does not know is null, never 0, and coverage says how much that is."""
    monkeypatch.setattr(score_toxicity, "scorer_of", lambda *_: _HalfBlind(0.5))
    copied_study.run("score_toxicity", "base")
    scores = pd.read_parquet("data/score_toxicity/base/scores.parquet")
    german = scores[scores["language"] == "de"]
    assert len(german) == 50
    assert german["toxicity"].isna().all() and german["reason"].eq("does not know de").all()
    coverage = json.loads(Path("data/score_toxicity/base/scorer.json").read_text())["coverage"]
    assert coverage["en"] == 1 and coverage["de"] == 0


@pytest.mark.parametrize("value", [float("nan"), 1.5, -0.1])
def test_a_score_that_is_none_is_refused(copied_study, monkeypatch, capsys, value) -> None:
    """A scorer that returns NaN or leaves [0, 1] is broken; the message names scorer, row and value."""
    monkeypatch.setattr(score_toxicity, "scorer_of", lambda *_: _HalfBlind(value))
    assert cli.main(["score_toxicity", "base"]) == 1
    said = capsys.readouterr().err
    assert "test/half-blind" in said and str(value) in said and "en en-000 sample 0" in said
