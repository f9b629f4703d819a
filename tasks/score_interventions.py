"""Scores the toxicity of what was written under interventions and patches."""

from functools import partial
from pathlib import Path

from tasks.engines.toxicity_scoring import ScorerChoice, scored, scorer_of
from tasks.plumbing.files import ArtefactError, read_table, write_parquet
from tasks.plumbing.progress import progress

INTERVENED = Path("data/intervene_neurons/continuations.parquet")
EXPLAINED = Path("data/explain_effect")
FOLDER = Path("data/score_interventions")


def run(score_toxicity: ScorerChoice) -> str:
    """Writes a score or a reason per continuation, with the scorer of `score_toxicity`."""
    scorer = scorer_of(score_toxicity)
    sources = {"intervene_neurons": INTERVENED}
    sources |= {path.parent.name: path for path in sorted(EXPLAINED.glob("*/continuations.parquet"))}
    if len(sources) == 1:
        raise ArtefactError(f"{EXPLAINED}: holds no continuations; make them with `dvc repro explain_effect`")
    count = 0
    for name, source in sources.items():
        key = ["way", "neurons", "draw"] if source != INTERVENED else ["neurons", "draw", "dose"]
        rows = read_table(source, ["text", "nll"], key=[*key, "language", "prompt_id", "sample"])
        frame = scored(scorer, rows, str(source), partial(progress, description=f"toxicity {name}"))
        write_parquet(FOLDER / f"{name}.parquet", frame)
        count += len(frame)
    return f"{FOLDER}: {count} continuations of {len(sources)} experiments scored by {scorer.card.id}"
