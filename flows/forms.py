"""What each flow can be asked for, and whether it can be done: checked without Prefect, before anything starts."""

import contextlib
import itertools
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from flows import overrides
from flows.check import check_params
from flows.graph import GraphError, check_targets
from tasks.plumbing import params

COMMIT = re.compile(r"^[0-9a-f]{40}$")


class CheckpointError(ValueError):
    """A checkpoint that cannot be evaluated; the message names it and what to do."""


class StudyRequest(BaseModel):
    """What to bring up to date, and how."""

    model_config = ConfigDict(extra="forbid")

    targets: list[str] = Field(
        default_factory=list,
        description="Stages to bring up to date with all they need, such as measure_transfer or generate@base; "
        "none: all stages.",
    )
    force: bool = Field(default=False, description="Run the stages even where nothing changed.")
    overrides: list[str] = Field(
        default_factory=list,
        description="Other values for params.yaml, one KEY=VALUE each, such as train_dpo.recipe.beta=0.5. They run in "
        "a copy of the project and become a DVC experiment; your files stay as they are.",
    )
    experiment: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]*$",
        description="Name of the experiment that the overrides make; empty: made from them.",
    )
    device: Literal["as in params.yaml", "auto", "cpu", "cuda"] = Field(
        default="as in params.yaml", description="Where models run; no result depends on it."
    )


class ReevaluateRequest(BaseModel):
    """Which checkpoint, under which name."""

    model_config = ConfigDict(extra="forbid")

    checkpoint: str = Field(
        min_length=1, description="A directory on this machine, or the id of a model on the Hugging Face hub."
    )
    revision: str = Field(
        default="", description="For a hub id: its commit, 40 hexadecimal digits, so that a rerun sees the same bytes."
    )
    name: str = Field(
        default="candidate",
        pattern=r"^[a-z][a-z0-9-]*$",
        description="What tables call it: lower-case letters, digits, dashes.",
    )
    device: Literal["as in params.yaml", "auto", "cpu", "cuda"] = Field(
        default="as in params.yaml", description="Where models run; no result depends on it."
    )


class SweepRequest(BaseModel):
    """The grid."""

    model_config = ConfigDict(extra="forbid")

    grid: dict[str, list[Any]] = Field(
        default_factory=lambda: {"train_dpo.recipe.beta": [0.05, 0.1, 0.5]},
        description="Values to try by parameter; every combination is run. Other parameters are those of params.yaml.",
    )
    seeds: list[int] = Field(
        default_factory=list,
        description="Seeds of train_dpo, each its own experiment; none: the seeds of params.yaml together.",
    )
    targets: list[str] = Field(default_factory=list, description="Stages to bring up to date; none: all.")
    name: str = Field(
        default="sweep", pattern=r"^[A-Za-z0-9._-]+$", description="First part of the names of the experiments."
    )


class AuditRequest(BaseModel):
    """What the audit makes."""

    model_config = ConfigDict(extra="forbid")

    export: bool = Field(default=True, description="Also export the study as a Workflow Run RO-Crate (.zip).")


REQUESTS: dict[str, type[BaseModel]] = {
    "study": StudyRequest,
    "reevaluate": ReevaluateRequest,
    "sweep": SweepRequest,
    "audit": AuditRequest,
}


def problem(root: Path, request: BaseModel) -> str | None:
    """Why the request cannot be carried out, on one line; None if nothing is wrong with it."""
    try:
        if isinstance(request, StudyRequest):
            _check_study(root, request.targets, request.overrides)
        elif isinstance(request, SweepRequest):
            # Values are checked point by point: one that is refused does not end the others.
            for point in points(request):
                _check_study(root, request.targets, point, values=False)
        elif isinstance(request, ReevaluateRequest):
            taken = params.read(root / "params.yaml").get("policies", {})
            if request.name in taken or (root / "models" / request.name).exists():
                raise CheckpointError(
                    f"name {request.name!r} is taken in params.yaml: policies or models/; choose another"
                )
            check_checkpoint(request.checkpoint, request.revision)
            if (local := Path(request.checkpoint).expanduser()).is_dir():
                check_files(request.checkpoint, local)
    except (overrides.OverrideError, GraphError, CheckpointError, params.ParamsError) as error:
        return "; ".join(str(error).splitlines())
    return None


def _check_study(root: Path, targets: Sequence[str], changes: Sequence[str], values: bool = True) -> None:
    with _changed(root, changes) as folder:
        if changes and values:
            check_params(folder)
        if targets:
            check_targets(folder, targets)


@contextlib.contextmanager
def _changed(root: Path, changes: Sequence[str]) -> Iterator[Path]:
    """The project, or what the checks read of it in a temporary folder with other parameters."""
    if not changes:
        yield root
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in ("dvc.yaml", "params.yaml"):
            shutil.copy(root / file, folder)
        (folder / "tasks").symlink_to(root / "tasks")
        (folder / ".dvc").mkdir()
        overrides.apply(folder / "params.yaml", changes)
        yield folder


def check_checkpoint(checkpoint: str, revision: str) -> None:
    """CheckpointError unless this names a directory, or a model of the hub with its commit."""
    local = Path(checkpoint).expanduser()
    if local.is_dir():
        if revision:
            raise CheckpointError(f"{checkpoint} is a directory and has no revision; leave `revision` empty")
    elif local.is_absolute() or checkpoint.startswith("."):
        raise CheckpointError(f"{checkpoint}: no such directory on the machine that runs this flow")
    elif not COMMIT.match(revision):
        raise CheckpointError(
            f"{checkpoint}: no such directory; a hub id needs `revision`: a commit of 40 hexadecimal digits"
        )


def check_files(checkpoint: str, source: Path) -> None:
    """CheckpointError unless the directory has weights as safetensors, a configuration and a tokenizer."""
    for needed, hint in (
        ("*.safetensors", "weights as safetensors"),
        ("config.json", ""),
        ("tokenizer*", "a tokenizer"),
    ):
        if not list(source.glob(needed)):
            raise CheckpointError(f"{checkpoint}: no {needed}; a checkpoint needs {hint or 'its configuration'}")


def points(request: SweepRequest) -> list[list[str]]:
    """Overrides of every point of the grid, the last parameter changing fastest.

    Raises:
        OverrideError: for a parameter without values.
    """
    axes = [[f"{key}={overrides.render(value)}" for value in values] for key, values in request.grid.items()]
    if request.seeds:
        axes.append([f"train_dpo.seeds=[{seed}]" for seed in request.seeds])
    for key, axis in zip([*request.grid, "seeds"], axes, strict=False):
        if not axis:
            raise overrides.OverrideError(f"grid: {key} has no values")
    if not axes:
        raise overrides.OverrideError("grid: no parameter and no seed to vary")
    return [list(point) for point in itertools.product(*axes)]
