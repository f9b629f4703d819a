"""Fills MLflow from dvc.lock and the metric files: a view that can be deleted and made again."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from mlflow import MlflowClient

from tasks.plumbing import lineage, tracking
from tasks.plumbing.files import read_json, read_table
from tasks.plumbing.lineage import LockedStage, flatten

KEY, STUDY = "polydetox.key", "polydetox.study"


def run() -> str:
    """Makes one MLflow run per executed stage that has none yet, grouped under its study; never fails the study."""
    stages = {name: stage for name, stage in lineage.locked_stages().items() if stage.stage != "mirror_mlflow"}
    try:
        made = _mirror(stages)
    except Exception as error:  # whatever an unreachable or broken tracker raises
        print(
            f"mirror_mlflow: MLflow at {tracking.tracking_uri()} cannot be filled ({type(error).__name__}: {error}); "
            "the results stand, `make mirror` fills it later",
            file=sys.stderr,
        )
        return "nothing mirrored"
    return f"{tracking.tracking_uri()}: {made} new runs for {len(stages)} stages; `make mlflow` shows them"


def _mirror(stages: dict[str, LockedStage]) -> int:
    tracking.connect()
    import mlflow  # noqa: PLC0415  # 1.5 s, and only this stage and train_dpo need it

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(tracking.EXPERIMENT)
    assert experiment is not None  # connect() made it
    known = _known_keys(client, experiment.experiment_id)
    study = hashlib.sha256("".join(stage.key for stage in stages.values()).encode()).hexdigest()[:16]
    missing = [stage for stage in stages.values() if stage.key not in known]
    if study in known and not missing:
        return 0
    tags = {"git.commit": _git("rev-parse", "HEAD"), "git.dirty": str(bool(_git("status", "--porcelain"))).lower()}
    with mlflow.start_run(run_name=f"study {study[:8]}", tags=tags | {KEY: study}) as parent:
        mlflow.log_metrics(_metrics("measure_transfer") | _metrics("measure_retrieval"))
        for name in sorted(Path("data/report/figures").glob("*.png")):
            mlflow.log_artifact(str(name), "figures")
        for stage in missing:
            with mlflow.start_run(run_name=stage.name, nested=True, tags=tags | {KEY: stage.key, STUDY: study}):
                _log_stage(stage)
        mlflow.set_tag("polydetox.stages", " ".join(stages))
        run_id = parent.info.run_id
    client.set_terminated(run_id)
    return len(missing) + 1


def _known_keys(client: "MlflowClient", experiment_id: str) -> set[str]:
    """Keys of finished runs: one that was cut off is made again."""
    known: set[str] = set()
    token = None
    while True:
        page = client.search_runs([experiment_id], "attributes.status = 'FINISHED'", max_results=1000, page_token=token)
        known |= {run.data.tags[KEY] for run in page if KEY in run.data.tags}
        token = page.token
        if not token:
            return known


def _log_stage(stage: LockedStage) -> None:
    import mlflow  # noqa: PLC0415
    from mlflow.data.http_dataset_source import HTTPDatasetSource  # noqa: PLC0415
    from mlflow.data.meta_dataset import MetaDataset  # noqa: PLC0415

    mlflow.set_tags({"dvc.stage": stage.name, "dvc.cmd": stage.command})
    mlflow.set_tags({f"dvc.out.{path}": digest for path, digest in stage.outs.items()})
    # MLflow cuts values at 6000 characters; ours are far shorter, but a language table is a long list of keys.
    mlflow.log_params({key: str(value) for key, value in flatten(stage.params).items()})
    for path, digest in stage.deps.items():
        if not path.endswith(".py"):
            source = HTTPDatasetSource(f"dvc://{path}")
            mlflow.log_input(MetaDataset(source, name=path, digest=digest))  # type: ignore[abstract]  # it is concrete
    mlflow.log_metrics(_metrics(stage.stage))
    curves = Path("data") / stage.name.replace("@", "/") / "curves.csv"
    if curves.exists():
        _log_curves(read_table(curves, ["step"]))


def _log_curves(curves: pd.DataFrame) -> None:
    import mlflow  # noqa: PLC0415

    for row in curves.to_dict("records"):
        step = int(row.pop("step"))
        mlflow.log_metrics({str(name): float(value) for name, value in row.items() if pd.notna(value)}, step=step)


def _metrics(stage: str) -> dict[str, float]:
    """Numbers of a stage's summary, as emt/change/ar."""
    path = Path("metrics") / stage / "summary.json"
    if not path.exists():
        return {}
    numbers = flatten(read_json(path), separator="/")
    return {key: float(value) for key, value in numbers.items() if isinstance(value, int | float)}


def _git(*arguments: str) -> str:
    """Output of a git command; empty outside a repository."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()
