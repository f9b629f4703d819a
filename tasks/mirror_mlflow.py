"""Fills MLflow from dvc.lock, the metric files and the ledger: a view that can be deleted and made again."""

import hashlib
import json
import os
import sys
from datetime import datetime
from pathlib import Path

import yaml

from tasks.plumbing import digests, ledger, lineage, mirrored_models, project, tracking
from tasks.plumbing.files import ArtefactError, write_json
from tasks.plumbing.ledger import Execution
from tasks.plumbing.lineage import LOCK, LockedStage, flatten
from tasks.plumbing.mirrored_metrics import SYSTEM, curves_of, files_of, metrics_of, study_metrics_of
from tasks.plumbing.mirrored_runs import KEY, OUT, PARENT, Record, Runs, identity

HERE = Path()  # a copy of the project, where an experiment runs in one; MLflow and the ledger lie in the project itself
ITSELF = "mirror_mlflow"
FIGURES = Path("data/report/figures")
# The output of this stage, in no repository: where it is missing, as in a new clone, DVC runs the stage.
DONE = Path(".polydetox/mirror.json")


def run() -> str:
    """Makes one MLflow run per executed stage that has none yet, grouped under its study; never fails the study."""
    stages = {name: stage for name, stage in lineage.current_stages().items() if name != ITSELF}
    if not stages:
        return "dvc.lock names no stage yet; nothing mirrored"
    write_json(DONE, {"study": lineage.study_key(stages)})
    where = tracking.without_password(tracking.tracking_uri())
    try:
        tracking.connect()
        with tracking.alone("mirror"):
            made, versions = _mirror(stages)
    except ArtefactError as error:
        print(f"{ITSELF}: {error}, then `make mirror`", file=sys.stderr)
        return "nothing mirrored"
    except Exception as error:  # whatever an unreachable or broken tracker raises
        reason = tracking.without_password(f"{type(error).__name__}: {error}")
        print(
            f"{ITSELF}: MLflow at {where} cannot be filled ({reason}); the results stand, `make mirror` fills it later",
            file=sys.stderr,
        )
        return "nothing mirrored"
    return f"{where}: {made} new runs for {len(stages)} stages, {versions} new model versions; `make mlflow` shows them"


def _mirror(stages: dict[str, LockedStage]) -> tuple[int, int]:
    """Numbers of new runs and model versions. What an earlier call was cut off from is done now."""
    from mlflow import MlflowClient  # noqa: PLC0415  # 1.5 s, and only this stage and train_dpo need it

    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines for each of 36 runs
    runs = Runs(MlflowClient())
    missing = [stage for stage in stages.values() if not runs.has(_identity_tags(stage))]
    study = {KEY: lineage.study_key(stages)}
    made = 0
    if missing or not runs.has(study):
        _check(missing + [stage for stage in stages.values() if stage.stage == "report"])
        now = _git(project.git("rev-parse", "HEAD"), project.diff_digest(HERE)) | tracking.context_tags()
        records = [_record(stage, now, runs) for stage in missing]
        starts = [record.started for record in records if record.started is not None]
        above = _study_record(stages, study | now, min(starts, default=None))
        parent = runs.open(above)
        for record in records:
            record.tags[PARENT] = parent
            runs.fill(runs.open(record), record)
        runs.fill(parent, above)
        made = len(records) + 1
    policies = {
        name.partition("@")[2]: (stage, runs.mirrored[identity(_identity_tags(stage))])
        for name, stage in stages.items()
        if stage.stage == mirrored_models.STAGE
    }
    return made, mirrored_models.register(runs.client, policies)


def _check(stages: list[LockedStage]) -> None:
    """ArtefactError unless what is read for these stages is what dvc.lock names: a key keeps its numbers for ever."""
    for stage in stages:
        for path, expected in (stage.outs if stage.stage == "report" else files_of(stage)).items():
            if not (HERE / path).exists() or digests.digest(HERE / path) != expected:
                raise ArtefactError(f"{path} is not what dvc.lock names; run `dvc repro` or `dvc checkout`")


def _identity_tags(stage: LockedStage) -> dict[str, str]:
    return {KEY: stage.key} | {OUT + path: digest for path, digest in stage.outs.items()}


def lock_digest(lock: Path = LOCK) -> str:
    """MD5 of what dvc.lock says of every stage but this one, whatever their order.

    Not of the file: DVC writes this stage's own entry when it has ended, and a flow sorts the entries after that.
    """
    stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
    others = {name: entry for name, entry in stages.items() if name != ITSELF}
    return hashlib.md5(json.dumps(others, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def _git(commit: str, diff: str | None) -> dict[str, str]:
    if not commit:  # outside a repository, or before its first commit
        return {}
    # mlflow.source.git.commit is what the UI's own column shows.
    tags = {"git.commit": commit, "mlflow.source.git.commit": commit, "git.dirty": str(diff is not None).lower()}
    return tags if diff is None else tags | {"git.diff": diff}


def _study_record(stages: dict[str, LockedStage], tags: dict[str, str], started: int | None) -> Record:
    return Record(
        name=f"study {tags[KEY][:8]}",
        tags=tags | {"dvc.lock": lock_digest(), "polydetox.stages": " ".join(stages)},
        metrics=study_metrics_of(HERE, stages),
        figures=sorted((HERE / FIGURES).glob("*.png")),
        started=started,
    )


def _record(stage: LockedStage, now: dict[str, str], runs: Runs) -> Record:
    executions = ledger.executions(stage.key)
    execution = executions[-1] if executions else None
    tags = _identity_tags(stage) | {
        "dvc.stage": stage.name,
        "dvc.cmd": stage.command,
        "mlflow.source.name": stage.command,
        "mlflow.source.type": "LOCAL",
    }
    metrics = metrics_of(HERE, stage)
    if execution is None:  # DVC had the result from an earlier execution, perhaps somebody else's
        started = ended = None
        tags |= now | {"polydetox.outcome": "restored"}
    else:
        started, ended = _times(execution)
        tags |= _execution_tags(execution)
        metrics |= _system_metrics(execution)
        live = _live_run(stage.name, started, ended, runs)
        if live:
            tags["polydetox.live_run"] = live
    return Record(
        name=stage.name,
        tags=tags,
        params={name: str(value) for name, value in flatten(stage.params).items()},
        metrics=metrics,
        curves=curves_of(HERE, stage),
        inputs={path: digest for path, digest in stage.deps.items() if not path.startswith("tasks/")},
        started=started,
        ended=ended,
    )


def _times(execution: Execution) -> tuple[int, int]:
    started = datetime.fromisoformat(execution.started).timestamp()
    return round(1000 * started), round(1000 * (started + execution.seconds))


def _execution_tags(execution: Execution) -> dict[str, str]:
    named = {"dvc.exp": execution.experiment, "prefect.flow_run": execution.flow_run}
    return {
        **_git(execution.git_commit, execution.git_diff),
        **{tag: value for tag, value in named.items() if value},
        **{f"version.{name}": version for name, version in execution.versions.items()},
        "device": execution.device,
        **({"cpu_threads": str(execution.cpu_threads)} if execution.cpu_threads else {}),
        "polydetox.outcome": "executed",
    }


def _system_metrics(execution: Execution) -> dict[str, float]:
    measured = {
        "wall_seconds": execution.seconds,
        "peak_memory_mib": execution.peak_memory_mib,
        "peak_gpu_memory_mib": execution.peak_gpu_memory_mib,
    }
    return {SYSTEM + name: value for name, value in measured.items() if value is not None}


def _live_run(stage: str, started: int, ended: int, runs: Runs) -> str | None:
    """Id of the run that the stage's trainer logged to: the one that began while the stage was executed."""
    second = 1000  # the ledger's notes have no fractions
    for begin, run in runs.live:
        if run.tags.get("dvc.stage") == stage and started - second <= begin <= ended + second:
            return run.run_id
    return None
