"""Trains in the processes that an accelerate configuration describes: one GPU or eight, DDP, FSDP or ZeRO.

The processes are a command of their own, `accelerate launch`, each
`python -m tasks.training.several_processes REQUEST`, and leave checkpoints in the scratch folder; the caller continues
from those as from an interrupted run.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

import torch
from accelerate import PartialState
from pydantic import TypeAdapter
from transformers import AutoTokenizer

from tasks.models.torch_setup import set_up
from tasks.training.preference import Job, has_ended, train_only
from tasks.training.preference_pair import Pair
from tasks.training.recipe import Recipe

REQUEST = "request.json"


def configuration(name: str) -> Path:
    """A file of `accelerate config`, or one that TRL brings along, by its name.

    Raises:
        ValueError: It is neither.
    """
    if Path(name).is_file():
        return Path(name)
    brought = Path(str(files("trl"))) / "accelerate_configs"
    known = sorted(path.stem for path in brought.glob("*.yaml"))
    if name not in known:
        raise ValueError(
            f"runtime.accelerate_config: {name!r} is no file, and none of the configurations that TRL brings along: "
            f"{', '.join(known)}"
        )
    return brought / f"{name}.yaml"


def launcher(name: str) -> list[str]:
    """The command that starts as many processes as a configuration says; what each runs comes after it."""
    return [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(configuration(name))]


def train(job: Job, start: list[str]) -> None:
    """Trains unless it had ended already.

    Args:
        job: What to train; its tokenizer is the base model's.
        start: What starts the processes, such as `launcher` gives.

    Raises:
        RuntimeError: The processes ended with an error, which they have written to stderr; checkpoints are kept.
    """
    if has_ended(job.scratch):
        return
    request = job.scratch / REQUEST
    values = asdict(job) | {"base": str(job.base), "scratch": str(job.scratch), "recipe": job.recipe.model_dump()}
    request.write_text(json.dumps(values), encoding="utf-8")
    done = subprocess.run([*start, "-m", "tasks.training.several_processes", str(request)], check=False)
    if done.returncode or not has_ended(job.scratch):
        raise RuntimeError(
            f"the training processes ended with status {done.returncode}; what they wrote is above. "
            f"Started by: {' '.join(start)}"
        )


def work(request: Path) -> None:
    """One process's part."""
    values = json.loads(request.read_text(encoding="utf-8"))
    for side in ("training", "validation"):
        values[side] = [Pair(**{name: tuple(ids) for name, ids in pair.items()}) for pair in values[side]]
    values["recipe"] = TypeAdapter(Recipe).validate_python(values["recipe"])
    job = Job(**values | {"base": Path(values["base"]), "scratch": Path(values["scratch"])})
    set_up(job.seed)
    if job.device.startswith("cuda"):
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    state = PartialState(cpu=job.device == "cpu")
    tokenizer = AutoTokenizer.from_pretrained(job.base, local_files_only=True)
    train_only(job, tokenizer, state.num_processes, print if state.is_main_process else lambda line: None)


if __name__ == "__main__":
    work(Path(sys.argv[1]))
