"""Tunes the base model on the English pairs, with DPO or another method, once per seed."""

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import peft
import torch
import transformers
import trl
from pydantic import BaseModel, Field
from transformers import AutoTokenizer

from tasks.models.language_model import pick_device
from tasks.models.torch_setup import set_up
from tasks.plumbing.files import ArtefactError, read_table, require, write_csv, write_json, writing
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import visible
from tasks.plumbing.scratch import scratch
from tasks.plumbing.tracking import live_tracking
from tasks.training import several_processes
from tasks.training.preference import Job, Trained, tune
from tasks.training.preference_pair import Pair, tokenise_pair
from tasks.training.recipe import Full, Recipe
from tasks.training.saving import save_policy

BASE = Path("models/prepare_model")
PAIRS = Path("data/prepare_pairs/pairs.parquet")
# Arguments that say where and how it ran, not what: the record of two equal runs is equal.
HOW = {"output_dir", "logging_dir", "run_name", "report_to", "disable_tqdm"}


class TrainDpo(BaseModel, frozen=True, extra="forbid"):
    """Seeds and recipe of the tuning."""

    seeds: list[int] = Field(
        description="one policy each; the paper has 5; none: the study judges policies from elsewhere"
    )
    recipe: Recipe


def run(train_dpo: TrainDpo, runtime: Runtime, item: str) -> str:
    """Writes the policy of one seed, its training curves and what exactly was run."""
    seed = _seed(item, train_dpo.seeds)
    set_up(seed)
    recipe = train_dpo.recipe
    pairs = read_table(PAIRS, ["pair_id", "split", "prompt", "chosen", "rejected"], key=["pair_id"])
    tokenizer = AutoTokenizer.from_pretrained(require(BASE), local_files_only=True)
    sides = {
        str(split): [
            tokenise_pair(tokenizer, *texts, recipe.end_completions)
            for texts in zip(rows["prompt"], rows["chosen"], rows["rejected"], strict=True)
        ]
        for split, rows in pairs.groupby("split")
    }
    for split in ("train", "validation"):
        if split not in sides:
            raise ArtefactError(f"{PAIRS}: no pair has split {split!r}")
    device = pick_device(runtime.device)
    with (
        scratch("train_dpo", item, recipe, [BASE, PAIRS]) as folder,
        live_tracking(runtime.track_training, f"train_dpo@{item}") as live,
    ):
        job = Job(
            base=BASE,
            training=sides["train"],
            validation=sides["validation"],
            recipe=recipe,
            seed=seed,
            device=str(device),
            scratch=folder,
            live=live,
            show_progress=visible(),
        )
        if runtime.accelerate_config is not None:
            several_processes.train(job, several_processes.launcher(runtime.accelerate_config))
        trained = tune(job, tokenizer, print)
        with writing(Path("models/train_dpo") / item) as part:
            gap = save_policy(trained, tokenizer, recipe, part, device)
    curves = pd.DataFrame(trained.curves)
    write_csv(Path("data/train_dpo") / item / "curves.csv", curves)
    best = curves.loc[curves["step"] == trained.best_step].iloc[0]
    record = _record(seed, sides, trained, curves, best, recipe, device)
    if gap:
        record["merge_gap"] = {"merged": gap.merged, "reloaded": gap.reloaded}
    write_json(Path("data/train_dpo") / item / "run.json", record)
    return (
        f"models/train_dpo/{item}: best of {int(curves['step'].max())} steps is {trained.best_step}, validation loss "
        f"{curves['validation_loss'].iloc[0]:.3f} -> {best['validation_loss']:.3f}"
    )


def _seed(item: str, seeds: list[int]) -> int:
    if item not in map(str, seeds):
        raise ValueError(f"train_dpo@{item}: no such seed; train_dpo.seeds has {seeds}")
    return int(item)


def _record(
    seed: int,
    sides: Mapping[str, Sequence[Pair]],
    trained: Trained,
    curves: pd.DataFrame,
    best: "pd.Series[float]",
    recipe: Recipe,
    device: torch.device,
) -> dict[str, Any]:
    """What exactly was run, and what came of it."""
    return {
        "seed": seed,
        "pairs": {split: len(rows) for split, rows in sides.items()},
        "longer_than_context": trained.dropped,
        "trainable_parameters": trained.trainable,
        "best_step": trained.best_step,
        "last_step": int(curves["step"].max()),
        "validation_loss": {"before": curves["validation_loss"].iloc[0], "best": best["validation_loss"]},
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "trl": trl.__version__,
            **({} if isinstance(recipe.tuning, Full) else {"peft": peft.__version__}),
        },
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "arguments": {name: value for name, value in trained.arguments.items() if name not in HOW},
    }
