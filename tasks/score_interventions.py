"""Scores the toxicity of what was written under interventions and patches."""

from functools import partial
from pathlib import Path

from tasks.plumbing.files import ArtefactError, read_table, write_parquet
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import progress
from tasks.plumbing.score_store import score_store
from tasks.scoring.cached_scorer import with_memory
from tasks.scoring.scorer_choice import ScoreToxicity, build
from tasks.scoring.toxicity_scoring import scored

INTERVENED = Path("data/intervene_neurons/continuations.parquet")
EXPLAINED = Path("data/explain_effect")
PROMPTS = Path("data/prepare_prompts/prompts.parquet")
FOLDER = Path("data/score_interventions")


def run(score_toxicity: ScoreToxicity, runtime: Runtime) -> str:
    """Writes a score or a reason per continuation, with the primary scorer of `score_toxicity`."""
    sources = {"intervene_neurons": INTERVENED}
    sources |= {path.parent.name: path for path in sorted(EXPLAINED.glob("*/continuations.parquet"))}
    if len(sources) == 1:
        raise ArtefactError(f"{EXPLAINED}: holds no continuations; make them with `dvc repro explain_effect`")
    table = read_table(PROMPTS, ["language", "prompt_id", "text"], key=["language", "prompt_id"])
    prompts = dict(zip(zip(table["language"], table["prompt_id"], strict=True), table["text"], strict=True))
    count = 0
    with score_store() as store:
        choice = score_toxicity.scorers[score_toxicity.primary]
        scorer = with_memory(build(choice, runtime.device, runtime.score_batch), store)
        for name, source in sources.items():
            key = ["way", "neurons", "draw"] if source != INTERVENED else ["neurons", "draw", "dose"]
            rows = read_table(source, ["text", "nll"], key=[*key, "language", "prompt_id", "sample"])
            bar = partial(progress, description=f"toxicity {name}")
            frame = scored(scorer, rows, str(source), prompts, progress=bar)
            write_parquet(FOLDER / f"{name}.parquet", frame)
            count += len(frame)
    return f"{FOLDER}: {count} continuations of {len(sources)} experiments scored by {scorer.card.id}"
