"""Scores the toxicity of every continuation, by every scorer of the study."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

import pandas as pd

from tasks.plumbing.files import read_table, write_json, write_parquet, writing
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import progress
from tasks.plumbing.score_store import score_store
from tasks.scoring.cached_scorer import with_memory
from tasks.scoring.scorer_choice import ScoreToxicity, build
from tasks.scoring.toxicity_scoring import scored

KEY = ["language", "prompt_id", "sample"]
PROMPTS = Path("data/prepare_prompts/prompts.parquet")


def run(score_toxicity: ScoreToxicity, runtime: Runtime, item: str) -> str:
    """Writes a score or a reason per continuation, and each scorer's card with its coverage.

    scores.parquet and scorer.json are of the primary scorer, all_scores.parquet and scorers/NAME.json of all.
    """
    source = Path("data/generate") / item / "continuations.parquet"
    folder = Path("data/score_toxicity") / item
    continuations = read_table(source, [*KEY, "text"], key=KEY)[[*KEY, "text"]]
    table = read_table(PROMPTS, [*KEY[:2], "text"], key=KEY[:2])
    prompts = dict(zip(zip(table["language"], table["prompt_id"], strict=True), table["text"], strict=True))
    frames = {}
    with writing(folder) as part, score_store() as store:
        for name, choice in score_toxicity.scorers.items():
            scorer = with_memory(build(choice, runtime.device, runtime.score_batch), store)
            bar = partial(progress, description=f"toxicity {item} {name}")
            frame = scored(scorer, continuations, str(source), prompts, item, bar)
            coverage = frame["toxicity"].notna().groupby(frame["language"]).mean()
            card = {**asdict(scorer.card), "coverage": coverage.to_dict()}
            write_json(part / "scorers" / f"{name}.json", card)
            if name == score_toxicity.primary:
                write_json(part / "scorer.json", card)
                write_parquet(part / "scores.parquet", frame)
            frames[name] = frame
            del scorer  # a model may fill the device that the next one needs
        everything = [frame.assign(scorer=name) for name, frame in frames.items()]
        write_parquet(part / "all_scores.parquet", pd.concat(everything, ignore_index=True))
    shares = ", ".join(f"{frame['toxicity'].notna().mean():.1%} by {name}" for name, frame in frames.items())
    return f"{folder}: {len(continuations)} continuations, scored {shares}"
