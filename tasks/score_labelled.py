"""Scores texts that carry labels, by every scorer of the study, to see which scorers are valid in which language."""

from pathlib import Path

import pandas as pd

from tasks.engines.cached_scorer import CachedScorer
from tasks.engines.scorer_choice import ScoreToxicity, build
from tasks.engines.toxicity_scorer import Exchange
from tasks.plumbing.files import ArtefactError, read_table, write_parquet
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import progress
from tasks.plumbing.score_store import score_store

SOURCE = Path("data/prepare_labelled/texts.parquet")
TARGET = Path("data/score_labelled/scores.parquet")
KEY = ["language", "split", "text_id"]


def run(score_toxicity: ScoreToxicity, runtime: Runtime) -> str:
    """Writes a score or a reason per scorer and labelled text of the test split; the others train the probe."""
    texts = read_table(SOURCE, [*KEY, "text", "toxic"], key=KEY)
    test = texts[texts["split"] == "test"]
    if test.empty:
        raise ArtefactError(f"{SOURCE}: no text has split 'test'")
    frames = []
    with score_store() as store:
        for name, choice in score_toxicity.scorers.items():
            scorer = build(choice, runtime.device, runtime.score_batch)
            cached = scorer if scorer.keep_every is None else CachedScorer(scorer, store)
            for language, rows in progress(test.groupby("language"), f"labelled {name}"):
                scores = cached.score(str(language), [Exchange(text) for text in rows["text"]])
                frames.append(
                    rows[["language", "text_id", "toxic"]].assign(
                        scorer=name,
                        toxicity=pd.array([score.value for score in scores], dtype="Float64"),
                        reason=pd.array([score.reason for score in scores], dtype="string"),
                    )
                )
            del scorer, cached  # a model may fill the device that the next one needs
    frame = pd.concat(frames, ignore_index=True)
    outside = frame[~frame["toxicity"].between(0, 1).fillna(True)]
    if len(outside):
        first = outside.iloc[0]
        raise ArtefactError(
            f"{SOURCE}: {first['scorer']} gave {first['toxicity']} to {first['text_id']}; not in [0, 1]"
        )
    write_parquet(TARGET, frame)
    shares = frame["toxicity"].notna().groupby(frame["scorer"], sort=False).mean()
    said = ", ".join(f"{share:.1%} by {name}" for name, share in shares.items())
    return f"{TARGET}: {len(test)} texts, scored {said}; {len(texts) - len(test)} of other splits left out"
