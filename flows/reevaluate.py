"""One more checkpoint, evaluated on the study's prompts and compared with its base model."""

import shutil
from pathlib import Path
from typing import Any

import yaml
from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Failed

from flows import children, experiment, overrides
from flows.check import check_params
from flows.forms import CheckpointError, check_checkpoint, check_files, problem
from flows.forms import ReevaluateRequest as Request
from flows.study import carry_out, failures, verdict
from tasks.plumbing import params, project

TARGETS = ["report", "mirror_mlflow"]
# Weights as safetensors only: other formats can run code when they are read.
WANTED = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]


@flow(name="reevaluate", persist_result=False)
def reevaluate(request: Request) -> State[Any]:
    """Compares one more checkpoint with the study's base model: same prompts, same scorer, same tests.

    It runs in a copy of the project and becomes the DVC experiment reevaluate-NAME. Nothing is trained; a checkpoint
    that was evaluated before is not generated from again.
    """
    root = project.root()
    if wrong := problem(root, request):
        return Failed(message=wrong)
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
    check_checkpoint(checkpoint, revision)
    source, came_from = Path(checkpoint).expanduser(), f"directory {Path(checkpoint).name}"
    if not source.is_dir():
        from huggingface_hub import snapshot_download  # noqa: PLC0415  # 1 s, and only for the hub

        source = Path(snapshot_download(checkpoint, revision=revision, allow_patterns=WANTED))
        came_from = f"hf://{checkpoint}@{revision}"
    check_files(checkpoint, source)
    files = sorted(path for pattern in WANTED for path in source.glob(pattern))
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
