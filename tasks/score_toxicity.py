"""Scores the toxicity of every continuation."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

from tasks.engines.toxicity_scoring import ScorerChoice, scored, scorer_of
from tasks.plumbing.files import read_table, write_json, write_parquet
from tasks.plumbing.progress import progress

KEY = ["language", "prompt_id", "sample"]


class ScoreToxicity(ScorerChoice, frozen=True, extra="forbid"):
    """Which scorer judges."""


def run(score_toxicity: ScoreToxicity, item: str) -> str:
    """Writes a score or a reason per continuation, and the scorer's card with its coverage."""
    scorer = scorer_of(score_toxicity)
    source = Path("data/generate") / item / "continuations.parquet"
    folder = Path("data/score_toxicity") / item
    continuations = read_table(source, [*KEY, "text"], key=KEY)[[*KEY, "text"]]
    frame = scored(scorer, continuations, str(source), partial(progress, description=f"toxicity {item}"))
    coverage = frame["toxicity"].notna().groupby(frame["language"]).mean()
    write_parquet(folder / "scores.parquet", frame)
    write_json(folder / "scorer.json", {**asdict(scorer.card), "coverage": coverage.to_dict()})
    return f"{folder}: {len(frame)} continuations, {frame['toxicity'].notna().mean():.1%} scored by {scorer.card.id}"
