"""Scores: one per continuation or a reason, beside what the scorer is."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from tasks import __main__ as cli
from tasks import score_toxicity
from tasks.models.pinned import folder_digest
from tasks.scoring.scorer_choice import ScoreToxicity, build
from tasks.scoring.toxicity_scorer import Exchange, Score, ScorerCard
from tests.scorer_models import save_guard


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
    assert card["label"] == card["construct"] == "insult severity"
    assert Path("data/score_toxicity/base/scorers/lexicon.json").read_bytes() == (
        Path("data/score_toxicity/base/scorer.json").read_bytes()
    )


class _HalfBlind:
    """A scorer that knows English only, and gives the English the score that a test wants."""

    card = ScorerCard("test/half-blind", "1", "none", ("en",), "none")
    keep_every = None

    def __init__(self, value: float) -> None:
        self.value = value

    def score(self, language: str, continuations: list[Exchange]) -> list[Score]:
        if language == "en":
            return [Score(self.value) for _ in continuations]
        return [Score(None, f"does not know {language}") for _ in continuations]


def test_a_missing_score_stays_missing_with_its_reason(copied_study, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a scorer does not know is null, never 0, and coverage says how much that is."""
    monkeypatch.setattr(score_toxicity, "build", lambda *_: _HalfBlind(0.5))
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
    monkeypatch.setattr(score_toxicity, "build", lambda *_: _HalfBlind(value))
    assert cli.main(["score_toxicity", "base"]) == 1
    said = capsys.readouterr().err
    assert "test/half-blind" in said and str(value) in said and "language en, prompt_id en-000, sample 0" in said


def with_scorers(**scorers: dict[str, Any]) -> None:
    """Adds scorers to params.yaml of the current folder."""
    loaded = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    loaded["score_toxicity"]["scorers"] |= scorers
    Path("params.yaml").write_text(yaml.safe_dump(loaded, sort_keys=False), encoding="utf-8")


def guard(folder: Path) -> dict[str, Any]:
    """A tiny guard in params.yaml's words."""
    path = save_guard(folder / "guard")
    languages = ["ar", "de", "en", "es", "ja"]
    return {"kind": "guard", "model": str(path), "revision": folder_digest(path), "languages": languages}


def test_a_second_scorer_leaves_the_first_ones_scores_as_they_are(copied_study, tmp_path, monkeypatch) -> None:
    """scores.parquet is the primary scorer's, byte for byte; all_scores.parquet has both, each with its card."""
    monkeypatch.setenv("POLYDETOX_SCORES", str(tmp_path / "scores"))
    folder = Path("data/score_toxicity/base")
    before = [(folder / name).read_bytes() for name in ("scores.parquet", "scorer.json")]
    with_scorers(guard=guard(tmp_path))
    copied_study.run("score_toxicity", "base")
    assert [(folder / name).read_bytes() for name in ("scores.parquet", "scorer.json")] == before
    everything = pd.read_parquet(folder / "all_scores.parquet")
    assert everything["scorer"].value_counts().to_dict() == {"lexicon": 300, "guard": 300}
    by_guard = everything[everything["scorer"] == "guard"].set_index("language")
    assert by_guard.loc[["ar", "de", "en", "es", "ja"], "toxicity"].notna().mean() > 0.95
    assert by_guard.loc["zh", "toxicity"].isna().all() and by_guard.loc["zh", "reason"].str.contains("zh").all()
    card = json.loads((folder / "scorers" / "guard.json").read_text())
    assert card["construct"] == "unsafe content" and card["coverage"]["zh"] == 0


def test_a_guard_reads_the_prompt_that_was_continued(copied_study, tmp_path, monkeypatch) -> None:
    """The stage's score of a row is the scorer's for that prompt and that continuation."""
    monkeypatch.setenv("POLYDETOX_SCORES", str(tmp_path / "scores"))
    with_scorers(guard=(spec := guard(tmp_path)))
    copied_study.run("score_toxicity", "base")
    key = ["language", "prompt_id", "sample"]
    continuations = pd.read_parquet("data/generate/base/continuations.parquet")
    prompts = pd.read_parquet("data/prepare_prompts/prompts.parquet").rename(columns={"text": "prompt"})
    rows = continuations.merge(prompts[[*key[:2], "prompt"]], on=key[:2])
    row = rows[(rows["language"] == "de") & (rows["text"].str.strip() != "")].iloc[3]
    choice = ScoreToxicity.model_validate({"primary": "guard", "scorers": {"guard": spec}}).scorers["guard"]
    (expected,) = build(choice, "cpu", 1).score("de", [Exchange(row["text"], row["prompt"])])
    scores = pd.read_parquet("data/score_toxicity/base/all_scores.parquet").query("scorer == 'guard'").set_index(key)
    assert scores.loc[tuple(row[name] for name in key), "toxicity"] == pytest.approx(expected.value, abs=1e-6)


def test_scores_that_were_kept_give_the_same_file(copied_study, tmp_path, monkeypatch) -> None:
    """From the store, byte for byte what scoring gave; and another batch size within 1e-5 of it."""
    monkeypatch.setenv("POLYDETOX_SCORES", str(tmp_path / "scores"))
    with_scorers(guard=guard(tmp_path))
    path = Path("data/score_toxicity/base/all_scores.parquet")
    copied_study.run("score_toxicity", "base")
    fresh = path.read_bytes()
    scores = pd.read_parquet(path)["toxicity"]
    with monkeypatch.context() as context:
        context.setattr("tasks.scoring.guard_scorer.GuardScorer._values", None)  # whoever scores anew, fails
        copied_study.run("score_toxicity", "base")
    assert path.read_bytes() == fresh
    monkeypatch.setenv("POLYDETOX_SCORES", str(tmp_path / "others"))
    loaded = yaml.safe_load(Path("params.yaml").read_text())
    loaded["runtime"]["score_batch"] = 3
    Path("params.yaml").write_text(yaml.safe_dump(loaded, sort_keys=False))
    copied_study.run("score_toxicity", "base")
    np.testing.assert_allclose(pd.read_parquet(path)["toxicity"].astype(float), scores.astype(float), atol=1e-5)


def test_a_scorer_that_left_the_params_leaves_no_card(copied_study) -> None:
    """The folder is written whole."""
    stale = Path("data/score_toxicity/base/scorers/former.json")
    stale.write_text("{}")
    copied_study.run("score_toxicity", "base")
    assert not stale.exists() and stale.with_name("lexicon.json").exists()
