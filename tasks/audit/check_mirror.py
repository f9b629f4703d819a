"""Compares the MLflow mirror with dvc.lock and the files of numbers. A mirror that is not there is a note."""

from collections.abc import Mapping
from pathlib import Path

from tasks.audit.findings import Verification
from tasks.audit.mirror import MirrorError, MirrorRun, open_mirror
from tasks.plumbing import digests, progress
from tasks.plumbing.lineage import LockedStage
from tasks.plumbing.mirrored_metrics import files_of, metrics_of
from tasks.plumbing.mirrored_runs import OUT

ADVICE = "delete the run in MLflow, then `make mirror`"
ITSELF = "mirror_mlflow"  # makes the runs and has none


def check(root: Path, stages: Mapping[str, LockedStage], found: Verification) -> None:
    """For every stage with outputs whose key the mirror has: the digests of its outputs, and its numbers."""
    absent = []
    try:
        mirror = open_mirror(root)
        if mirror is None:
            found.notes.append("MLflow: no mirror to compare with")
            return
        for name, stage in progress.progress(stages.items(), "comparing with MLflow"):
            if not stage.outs or stage.stage == ITSELF:
                continue
            run = mirror.find(stage)
            if run is None:
                absent.append(name)
                continue
            for path, md5 in stage.outs.items():
                found.compare("mirror", f"MLflow: {name}: {OUT}{path}", md5, run.tags.get(OUT + path), ADVICE)
            _check_numbers(root, stage, run, found)
    except MirrorError as error:
        found.notes.append(str(error))
    if absent:
        found.notes.append(f"MLflow: no run of {', '.join(absent)}; `make mirror` makes them")


def _check_numbers(root: Path, stage: LockedStage, run: MirrorRun, found: Verification) -> None:
    for path, md5 in files_of(stage).items():
        if not (root / path).exists() or digests.digest(root / path) != md5:
            return  # a mismatch of its own; its numbers prove nothing
    try:
        expected = metrics_of(root, stage)
    except (ValueError, KeyError, OSError) as error:  # files that another version of a stage wrote in another form
        found.notes.append(f"MLflow: {stage.name}: numbers not compared ({type(error).__name__})")
        return
    lacking = [name for name in expected if name not in run.metrics]
    if lacking:
        where = f"MLflow: {stage.name}: {len(lacking)} metrics, the first {lacking[0]}"
        found.add("mirror", where, expected[lacking[0]], None, ADVICE)
    found.checked += len(lacking)
    for name, value in expected.items():
        if name in run.metrics:
            found.compare("mirror", f"MLflow: {stage.name}: {name}", value, run.metrics[name], ADVICE)
