"""Scores texts that carry labels, by every scorer of the study, to see which scorers are valid in which language."""

from functools import partial
from pathlib import Path

import pandas as pd

from tasks.plumbing.files import ArtefactError, read_table, write_parquet
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import progress
from tasks.plumbing.score_store import score_store
from tasks.scoring.cached_scorer import with_memory
from tasks.scoring.scorer_choice import ScoreToxicity, build
from tasks.scoring.toxicity_scoring import scored

SOURCE = Path("data/prepare_labelled/texts.parquet")
TARGET = Path("data/score_labelled/scores.parquet")
KEY = ["language", "text_id"]


def run(score_toxicity: ScoreToxicity, runtime: Runtime) -> str:
    """Writes a score or a reason per scorer and labelled text of the test split; the others train the probe."""
    texts = read_table(SOURCE, [*KEY, "split", "text", "toxic"], key=[*KEY, "split"])
    test = texts.loc[texts["split"] == "test", [*KEY, "toxic", "text"]]
    if test.empty:
        raise ArtefactError(f"{SOURCE}: no text has split 'test'")
    frames = []
    with score_store() as store:
        for name, choice in score_toxicity.scorers.items():
            scorer = with_memory(build(choice, runtime.device, runtime.score_batch), store)
            bar = partial(progress, description=f"labelled {name}")
            frames.append(scored(scorer, test, str(SOURCE), progress=bar).assign(scorer=name))
            del scorer  # a model may fill the device that the next one needs
    frame = pd.concat(frames, ignore_index=True)
    write_parquet(TARGET, frame)
    shares = frame["toxicity"].notna().groupby(frame["scorer"], sort=False).mean()
    said = ", ".join(f"{share:.1%} by {name}" for name, share in shares.items())
    return f"{TARGET}: {len(test)} texts, scored {said}; {len(texts) - len(test)} of other splits left out"
