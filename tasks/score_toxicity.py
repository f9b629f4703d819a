"""Scores the toxicity of every continuation."""

from dataclasses import asdict
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, Field

from tasks.engines import mini_world_source
from tasks.engines.toxicity_scorer import LexiconScorer, ToxicityScorer
from tasks.plumbing.files import ArtefactError, read_table, write_json, write_parquet
from tasks.plumbing.progress import progress


class ScoreToxicity(BaseModel, frozen=True, extra="forbid"):
    """Which scorer judges."""

    kind: Literal["lexicon"] = Field(description="lexicon: insults of the mini world and their severity")


def run(score_toxicity: ScoreToxicity, item: str) -> str:
    """Writes a score or a reason per continuation, and the scorer's card with its coverage."""
    scorer: ToxicityScorer = LexiconScorer(mini_world_source.load()[0], mini_world_source.revision())
    source = Path("data/generate") / item / "continuations.parquet"
    folder = Path("data/score_toxicity") / item
    continuations = read_table(
        source, ["language", "prompt_id", "sample", "text"], key=["language", "prompt_id", "sample"]
    )
    frames = []
    for language, rows in progress(continuations.groupby("language"), f"toxicity {item}"):
        scores = scorer.score(str(language), rows["text"].tolist())
        for prompt_id, sample, score in zip(rows["prompt_id"], rows["sample"], scores, strict=True):
            if score.value is not None and not 0 <= score.value <= 1:  # NaN is not in [0, 1] either
                raise ArtefactError(
                    f"{source}: {scorer.card.id} gave {score.value} to {language} {prompt_id} sample {sample}; a score "
                    "is in [0, 1] or missing with a reason"
                )
        frames.append(
            rows[["language", "prompt_id", "sample"]].assign(
                toxicity=pd.array([score.value for score in scores], dtype="Float64"),
                reason=pd.array([score.reason for score in scores], dtype="string"),
            )
        )
    frame = pd.concat(frames, ignore_index=True)
    coverage = frame["toxicity"].notna().groupby(frame["language"]).mean()
    write_parquet(folder / "scores.parquet", frame)
    write_json(folder / "scorer.json", {**asdict(scorer.card), "coverage": coverage.to_dict()})
    return f"{folder}: {len(frame)} continuations, {frame['toxicity'].notna().mean():.1%} scored by {scorer.card.id}"
