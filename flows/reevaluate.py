"""One more checkpoint, evaluated on the study's prompts and compared with its base model."""

import re
import shutil
from pathlib import Path
from typing import Any, Literal

import yaml
from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from pydantic import BaseModel, ConfigDict, Field

from flows import children, experiment, overrides
from flows.check import check_params
from flows.study import carry_out, failures, verdict
from tasks.plumbing import params, project

TARGETS = ["report", "mirror_mlflow"]
COMMIT = re.compile(r"^[0-9a-f]{40}$")
# Weights as safetensors only: other formats can run code when they are read.
WANTED = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]


class CheckpointError(ValueError):
    """A checkpoint that cannot be evaluated; the message names it and what to do."""


class Request(BaseModel):
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


@flow(name="reevaluate", persist_result=False)
def reevaluate(request: Request) -> State[Any]:
    """Compares one more checkpoint with the study's base model: same prompts, same scorer, same tests.

    It runs in a copy of the project and becomes the DVC experiment reevaluate-NAME. Nothing is trained; a checkpoint
    that was evaluated before is not generated from again.
    """
    root = project.root()
    logger = get_run_logger()
    name = f"reevaluate-{request.name}"
    wanted = None if request.device == "as in params.yaml" else request.device
    with experiment.project_copy(root, name, logger.info) as folder:
        target = folder / "models" / request.name
        if request.name in params.read(folder / "params.yaml")["policies"] or target.exists():
            raise CheckpointError(f"name {request.name!r} is taken in params.yaml: policies or models/; choose another")
        source = fetch(request.checkpoint, request.revision, target)
        _version(folder, target, source)
        overrides.apply(
            folder / "params.yaml",
            ["train_dpo.seeds=[]", f"policies={{base: models/prepare_model, {request.name}: models/{request.name}}}"],
        )
        check_params(folder)
        # Without a seed no stage makes this folder, which the report depends on.
        (folder / "data" / "train_dpo").mkdir(parents=True, exist_ok=True)
        outcomes = carry_out(folder, TARGETS, device=wanted, name=name)
        if not failures(outcomes):
            experiment.keep(folder, name)
            logger.info(f"kept as DVC experiment {name}: `dvc exp show`, `dvc exp apply {name}`")
    return verdict(outcomes)


@task(
    name="fetch_checkpoint",
    retries=2,
    retry_delay_seconds=[10, 60],
    cache_policy=NO_CACHE,
    persist_result=False,
    retry_condition_fn=lambda task, run, state: not isinstance(state.result(raise_on_failure=False), CheckpointError),
)
def fetch(checkpoint: str, revision: str, target: Path) -> str:
    """Copies a checkpoint into the project and says where it came from.

    Raises:
        CheckpointError: if there is none, it has no safetensors, or a hub id comes without its commit.
    """
    local = Path(checkpoint).expanduser()
    if local.is_dir():
        if revision:
            raise CheckpointError(f"{checkpoint} is a directory and has no revision; leave `revision` empty")
        source, came_from = local, f"directory {local.name}"
    elif local.is_absolute() or checkpoint.startswith("."):
        raise CheckpointError(f"{checkpoint}: no such directory on the machine that runs this flow")
    else:
        if not COMMIT.match(revision):
            raise CheckpointError(f"hub id {checkpoint} needs `revision`: a commit of 40 hexadecimal digits")
        from huggingface_hub import snapshot_download  # noqa: PLC0415  # 1 s, and only for the hub

        source = Path(snapshot_download(checkpoint, revision=revision, allow_patterns=WANTED))
        came_from = f"hf://{checkpoint}@{revision}"
    files = sorted(path for pattern in WANTED for path in source.glob(pattern))
    for needed, hint in (
        ("*.safetensors", "weights as safetensors"),
        ("config.json", ""),
        ("tokenizer*", "a tokenizer"),
    ):
        if not list(source.glob(needed)):
            raise CheckpointError(f"{checkpoint}: no {needed}; a checkpoint needs {hint or 'its configuration'}")
    target.mkdir(parents=True)
    for path in files:
        shutil.copy(path, target / path.name)  # follows the links of the hub's cache
    return came_from


def _version(folder: Path, target: Path, source: str) -> None:
    """Gives the checkpoint to DVC, with where it came from, so that `polydetox why` can name it."""
    path = target.relative_to(folder).as_posix()
    experiment.dvc(folder, "add", "--quiet", path)
    note = folder / f"{path}.dvc"
    entry = yaml.safe_load(note.read_text(encoding="utf-8"))
    note.write_text(yaml.safe_dump(entry | {"meta": {"source": children.redact(source)}}, sort_keys=False))
