"""The mirror in MLflow: derived, idempotent, never in the way."""

from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from tasks import __main__ as cli
from tasks.plumbing import lineage


def _runs(root: Path) -> list:
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("polydetox")
    return client.search_runs([experiment.experiment_id], max_results=1000)


def test_every_executed_stage_is_one_run_under_its_study(study) -> None:
    """`dvc repro` alone filled it: 22 stages, and the study above them with the headline numbers."""
    runs = [run for run in _runs(study.root) if "polydetox.key" in run.data.tags]
    stages = {name: stage for name, stage in lineage.locked_stages().items() if name != "mirror_mlflow"}
    by_stage = {run.data.tags["dvc.stage"]: run for run in runs if "dvc.stage" in run.data.tags}
    assert set(by_stage) == set(stages) and len(stages) == 21
    parents = [run for run in runs if run.info.run_name.startswith("study ")]
    assert len(parents) == 1
    assert all(run.data.tags["mlflow.parentRunId"] == parents[0].info.run_id for run in by_stage.values())
    summary = yaml.safe_load(Path("metrics/measure_transfer/summary.json").read_text())
    assert parents[0].data.metrics["emt/change/ar"] == summary["emt"]["change"]["ar"]


def test_inputs_carry_the_digests_of_dvc(study) -> None:
    """What MLflow calls the digest of an input is the md5 that dvc.lock has."""
    stage = lineage.locked_stages()["generate@base"]
    run = next(run for run in _runs(study.root) if run.data.tags.get("dvc.stage") == "generate@base")
    inputs = {item.dataset.name: item.dataset.digest for item in run.inputs.dataset_inputs}
    assert inputs == {path: digest for path, digest in stage.deps.items() if not path.endswith(".py")}
    assert run.data.params["generate.samples"] == "5"


def test_filling_it_again_adds_nothing(study) -> None:
    """Runs are found by the stage's key."""
    before = len(_runs(study.root))
    study.run("mirror_mlflow")
    assert len(_runs(study.root)) == before


def test_a_tracker_that_is_down_fails_nothing(study, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The stage ends well, and says what happened and what to do later."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert cli.main(["mirror_mlflow"]) == 0
    captured = capsys.readouterr()
    assert "the results stand" in captured.err and "nothing mirrored" in captured.out
