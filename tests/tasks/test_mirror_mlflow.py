"""The mirror in MLflow: derived, idempotent, never in the way."""

import contextlib
import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from tasks import __main__ as cli
from tasks import mirror_mlflow
from tasks.plumbing import lineage, project

STAGES = 40  # of the shrunken study, without the mirror itself


def _client(root: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{root / 'mlflow.db'}")


def _runs(client: MlflowClient, tag: str = "polydetox.key") -> list[Run]:
    experiment = client.get_experiment_by_name("polydetox")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    return [run for run in runs if tag in run.data.tags]


def _by_stage(client: MlflowClient) -> dict[str, Run]:
    runs = {run.data.tags["dvc.stage"]: run for run in _runs(client) if "dvc.stage" in run.data.tags}
    assert len(runs) == len([run for run in _runs(client) if "dvc.stage" in run.data.tags])
    return runs


def _study(client: MlflowClient) -> Run:
    (study,) = [run for run in _runs(client) if "dvc.stage" not in run.data.tags]
    return study


def _lock() -> dict[str, Any]:
    return yaml.safe_load(Path("dvc.lock").read_text(encoding="utf-8"))


def _write_lock(lock: dict[str, Any]) -> None:
    Path("dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False), encoding="utf-8")


def _forget_mirror(root: Path) -> None:
    """Deletes a store that this process has not opened: MLflow would go on with the file that is no more."""
    (root / "mlflow.db").unlink()
    shutil.rmtree(root / "mlruns")


def _content(client: MlflowClient, figures: bool = True) -> dict[str, Any]:
    """Everything that runs say, but for ids and the moment at which they were made."""
    return {
        run.info.run_name: (
            {tag: value for tag, value in run.data.tags.items() if tag != "mlflow.parentRunId"},
            run.data.params,
            run.data.metrics,
            {item.dataset.name: item.dataset.digest for item in run.inputs.dataset_inputs},
            sorted(file.path for file in client.list_artifacts(run.info.run_id, "figures")) if figures else None,
        )
        for run in _runs(client)
    }


def test_every_executed_stage_is_one_run_under_its_study(study) -> None:
    """`dvc repro` alone filled it: every stage, and the study above them with the headline numbers and the figures."""
    client = _client(study.root)
    runs, parent = _by_stage(client), _study(client)
    assert set(runs) == set(_lock()["stages"]) - {"mirror_mlflow"} and len(runs) == STAGES
    assert all(run.data.tags["mlflow.parentRunId"] == parent.info.run_id for run in runs.values())
    assert all(run.info.run_name == name and run.info.status == "FINISHED" for name, run in runs.items())
    summary = json.loads(Path("metrics/measure_transfer/summary.json").read_text())
    assert parent.info.run_name.startswith("study ")
    assert parent.data.metrics["emt/change/ar"] == summary["emt"]["change"]["ar"]
    assert set(parent.data.tags["polydetox.stages"].split()) == set(runs)
    figures = {file.path for file in client.list_artifacts(parent.info.run_id, "figures")}
    assert figures == {f"figures/{path.name}" for path in Path("data/report/figures").glob("*.png")} and figures


def test_a_run_says_what_dvc_locked(study) -> None:
    """Command, parameters, and the md5 of every input and output."""
    entry = _lock()["stages"]["generate@base"]
    run = _by_stage(_client(study.root))["generate@base"]
    inputs = {item.dataset.name: item.dataset.digest for item in run.inputs.dataset_inputs}
    assert inputs == {item["path"]: item["md5"] for item in entry["deps"] if not item["path"].startswith("tasks/")}
    assert run.data.params == {
        f"generate.{name}": str(value) for name, value in entry["params"]["params.yaml"]["generate"].items()
    }
    assert run.data.params["generate.samples"] == "5"
    assert run.data.tags["dvc.cmd"] == entry["cmd"]
    outs = {tag.removeprefix("dvc.out."): value for tag, value in run.data.tags.items() if tag.startswith("dvc.out.")}
    assert outs == {item["path"]: item["md5"] for item in entry["outs"]}
    assert run.data.tags["polydetox.key"] == lineage.locked_stages()["generate@base"].key


def test_numbers_are_those_of_the_files(study) -> None:
    """Per policy and language with measure_transfer, training with its seed; a scoring stage has none of its own."""
    client = _client(study.root)
    runs = _by_stage(client)
    with Path("metrics/measure_transfer/languages.csv").open(encoding="utf-8") as file:
        (row,) = [row for row in csv.DictReader(file) if (row["language"], row["metric"]) == ("ar", "emt")]
    transfer = runs["measure_transfer"].data.metrics
    assert transfer["emt/base/ar"] == float(row["before"])
    assert [transfer[f"emt/dpo-{seed}/ar"] for seed in (1, 2)] == [float(one) for one in row["after_by_seed"].split()]
    record = json.loads(Path("data/train_dpo/2/run.json").read_text())
    training = runs["train_dpo@2"]
    assert training.data.metrics["best_step"] == record["best_step"]
    assert training.data.metrics["validation_loss/best"] == record["validation_loss"]["best"]
    with Path("data/train_dpo/2/curves.csv").open(encoding="utf-8") as file:
        curve = {int(row["step"]): float(row["validation_loss"]) for row in csv.DictReader(file)}
    history = client.get_metric_history(training.info.run_id, "validation_loss")
    assert {point.step: point.value for point in history} == curve and len(history) == len(curve) > 1
    assert all(name.startswith("system/") for name in runs["score_toxicity@base"].data.metrics)


def test_an_executed_stage_says_when_and_on_what(study) -> None:
    """From the note in the ledger: times of the run, versions, device, wall time and memory."""
    notes = [json.loads(path.read_text()) for path in Path(".polydetox/executions").glob("*.json")]
    runs = _by_stage(_client(study.root))
    noted = {note["stage"]: note for note in notes if note["stage"] in runs}
    assert set(noted) == set(runs)
    for name, note in noted.items():
        run = runs[name]
        assert run.data.tags["polydetox.key"] == note["key"]
        assert run.data.tags["polydetox.outcome"] == "executed"
        assert run.info.start_time == 1000 * datetime.fromisoformat(note["started"]).timestamp()
        assert run.info.end_time - run.info.start_time == pytest.approx(1000 * note["seconds"], abs=1)
        assert run.data.metrics["system/wall_seconds"] == note["seconds"]
        assert run.data.metrics["system/peak_memory_mib"] == note["peak_memory_mib"]
        assert "system/peak_gpu_memory_mib" not in run.data.metrics
        assert run.data.tags["version.torch"] == note["versions"]["torch"]
        assert run.data.tags["device"] == note["device"]
    assert _study(_client(study.root)).info.start_time == min(run.info.start_time for run in runs.values())


def test_training_is_linked_to_its_live_run(study) -> None:
    """Each seed's run links to the run that its trainer itself logged to, named by the stage."""
    client = _client(study.root)
    live = {run.info.run_name: run for run in _runs(client, "polydetox.live")}
    assert set(live) == {"train_dpo@1", "train_dpo@2"}
    assert all(run.data.tags["dvc.stage"] == name for name, run in live.items())
    assert not any("polydetox.key" in run.data.tags for run in live.values())
    tags = {name: run.data.tags for name, run in _by_stage(client).items()}
    linked = {name: found["polydetox.live_run"] for name, found in tags.items() if "polydetox.live_run" in found}
    assert linked == {name: run.info.run_id for name, run in live.items()}


def test_a_tuned_policy_is_a_registered_version_of_dvcs_files(study) -> None:
    """One per seed points to what dvc.lock names, and to the run that made it; MLflow holds no copy of it."""
    client = _client(study.root)
    for seed in (1, 2):
        name, path = f"train_dpo@{seed}", f"models/train_dpo/{seed}"
        run = _by_stage(client)[name]
        version = client.get_model_version_by_alias("polydetox-dpo", f"seed-{seed}")
        md5 = {item["path"]: item["md5"] for item in _lock()["stages"][name]["outs"]}[path]
        assert version.source == f"dvc://{path}?md5={md5}"
        assert version.run_id == run.info.run_id
        assert version.tags == {"polydetox.key": run.data.tags["polydetox.key"], "dvc.md5": md5, "dvc.stage": name}
    assert len(client.search_model_versions("name = 'polydetox-dpo'")) == 2
    assert not list((study.root / "mlruns").rglob("*.safetensors"))


def test_filling_it_again_adds_nothing(study, capfd: pytest.CaptureFixture[str]) -> None:
    """Runs, points of curves and model versions are found by the stage's key."""
    client = _client(study.root)
    before = _content(client), len(_runs(client)), len(client.search_model_versions())
    study.run("mirror_mlflow")
    assert f"0 new runs for {STAGES} stages, 0 new model versions" in capfd.readouterr().out
    assert (_content(client), len(_runs(client)), len(client.search_model_versions())) == before


def test_a_deleted_mirror_is_made_again(copied_study, tmp_path: Path) -> None:
    """Run for run, number for number, of the files alone; only the live run's curves and ids are lost."""
    before = shutil.copy("mlflow.db", tmp_path / "before.db")
    _forget_mirror(copied_study.root)
    done = subprocess.run([sys.executable, "-m", "tasks", "mirror_mlflow"], capture_output=True, text=True, check=True)
    assert f"{STAGES + 1} new runs for {STAGES} stages, 2 new model versions" in done.stdout
    expected = _content(MlflowClient(f"sqlite:///{before}"), figures=False)
    found = _content(_client(copied_study.root), figures=False)
    assert all(expected[f"train_dpo@{seed}"][0].pop("polydetox.live_run") for seed in (1, 2))
    assert found == expected and len(found) == STAGES + 1
    assert len(list(Path("mlruns").rglob("*.png"))) == len(list(Path("data/report/figures").glob("*.png")))


def test_a_restored_stage_says_so(copied_study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a note of its execution: the commit and changes are those of now; so is who asked for it."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(copied_study.root.parent))
    Path(".git/info/exclude").write_text("/mlflow.db*\n/mlruns/\n/.polydetox/\n/.scratch/\n")
    subprocess.run(["git", "add", "."], check=True, capture_output=True)
    subprocess.run(["git", *identity, "commit", "--quiet", "-m", "one"], check=True, capture_output=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    shutil.rmtree(".polydetox")
    _forget_mirror(copied_study.root)
    monkeypatch.setenv("DVC_EXP_NAME", "bold-fish")
    monkeypatch.setenv("POLYDETOX_FLOW_RUN", "1234")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tell-nobody")
    copied_study.run("mirror_mlflow")
    client = _client(copied_study.root)
    for run in (*_by_stage(client).values(), _study(client)):
        tags = run.data.tags
        assert (tags["git.commit"], tags["git.dirty"]) == (commit, "false") and "git.diff" not in tags
        assert (tags["dvc.exp"], tags["prefect.flow_run"]) == ("bold-fish", "1234")
        assert "dvc.stage" not in tags or tags["polydetox.outcome"] == "restored"
        assert not any(name.startswith("system/") for name in run.data.metrics)
    assert client.get_model_version_by_alias("polydetox-dpo", "seed-1").tags["git.commit"] == commit
    assert b"tell-nobody" not in (copied_study.root / "mlflow.db").read_bytes()

    with Path("params.yaml").open("a") as file:
        file.write("# tried by hand\n")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{copied_study.root / 'mlflow.db.second'}")
    copied_study.run("mirror_mlflow")
    tags = _by_stage(MlflowClient())["generate@base"].data.tags
    assert (tags["git.commit"], tags["git.dirty"]) == (commit, "true")
    assert tags["git.diff"] == project.diff_digest(copied_study.root)


def test_the_studys_digest_is_that_of_its_results(study, tmp_path: Path) -> None:
    """Not of the mirror's own entry, which comes later, nor of the order in which parallel stages ended."""
    tagged = _study(_client(study.root)).data.tags["dvc.lock"]
    assert mirror_mlflow.lock_digest() == tagged
    lock = _lock()
    assert lock["stages"].pop("mirror_mlflow")
    lock["stages"] = dict(reversed(lock["stages"].items()))
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))
    assert mirror_mlflow.lock_digest(tmp_path / "dvc.lock") == tagged
    lock["stages"]["report"]["outs"][0]["md5"] = "0" * 32 + ".dir"
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))
    assert mirror_mlflow.lock_digest(tmp_path / "dvc.lock") != tagged


def test_another_model_of_the_same_inputs_is_another_version(copied_study) -> None:
    """As a GPU may make it: both runs stay, the seed's alias goes to what dvc.lock names now, and back again."""
    client = _client(copied_study.root)
    before, lock = _lock(), _lock()
    (out,) = [item for item in lock["stages"]["train_dpo@1"]["outs"] if item["path"] == "models/train_dpo/1"]
    out["md5"] = "f" * 32 + ".dir"
    _write_lock(lock)
    copied_study.run("mirror_mlflow")
    runs = [run for run in _runs(client) if run.data.tags.get("dvc.stage") == "train_dpo@1"]
    assert len(runs) == 2 and len({run.data.tags["polydetox.key"] for run in runs}) == 1
    version = client.get_model_version_by_alias("polydetox-dpo", "seed-1")
    assert (version.version, version.tags["dvc.md5"]) == (3, out["md5"])
    _write_lock(before)
    copied_study.run("mirror_mlflow")
    assert client.get_model_version_by_alias("polydetox-dpo", "seed-1").version == 1
    assert len(client.search_model_versions()) == 3
    assert len(_runs(client)) == STAGES + 1 + 2  # the other training, and the other study


def test_a_changed_stage_is_one_more_run_in_a_new_study(copied_study) -> None:
    """What did not change keeps its run, under the study that made it."""
    client = _client(copied_study.root)
    old = {run.info.run_id for run in _runs(client)}
    lock = _lock()
    lock["stages"]["report"]["params"]["params.yaml"]["report"]["title"] = "Another title"
    _write_lock(lock)
    copied_study.run("mirror_mlflow")
    new = {run.info.run_name.split()[0]: run for run in _runs(client) if run.info.run_id not in old}
    assert set(new) == {"study", "report"}
    assert new["report"].data.tags["mlflow.parentRunId"] == new["study"].info.run_id
    assert new["report"].data.tags["polydetox.outcome"] == "restored"


def test_entries_of_a_seed_taken_out_are_not_mirrored(copied_study) -> None:
    """DVC keeps what dvc.lock says of a seed or a stage that the project no longer has."""
    client = _client(copied_study.root)
    before = len(_runs(client))
    lock = _lock()
    lock["stages"]["train_dpo@9"] = lock["stages"]["train_dpo@1"] | {"cmd": "python -m tasks train_dpo 9"}
    lock["stages"]["measure_moods"] = lock["stages"]["report"] | {"cmd": "python -m tasks measure_moods"}
    _write_lock(lock)
    copied_study.run("mirror_mlflow")
    assert len(_runs(client)) == before


def test_numbers_that_are_not_the_locked_ones_are_not_mirrored(copied_study, capfd: pytest.CaptureFixture[str]) -> None:
    """A key keeps its numbers for ever, so an altered file is named instead; healed, it is mirrored."""
    _forget_mirror(copied_study.root)
    path = Path("metrics/measure_transfer/summary.json")
    locked = path.read_bytes()
    path.write_bytes(locked.replace(b"0.", b"1.", 1))
    copied_study.run("mirror_mlflow")
    captured = capfd.readouterr()
    assert f"{path} is not what dvc.lock names; run `dvc repro` or `dvc checkout`, then `make mirror`" in captured.err
    assert "nothing mirrored" in captured.out
    assert _runs(_client(copied_study.root)) == []
    path.write_bytes(locked)
    copied_study.run("mirror_mlflow")
    assert len(_runs(_client(copied_study.root))) == STAGES + 1


def test_a_mirror_that_was_cut_off_is_completed(
    copied_study, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the middle of a stage: the next filling ends the same runs, doubles no point, and makes the rest."""
    _forget_mirror(copied_study.root)
    original = MlflowClient.set_terminated

    def broken(self: MlflowClient, run_id: str, *arguments: Any, **more: Any) -> None:
        if self.get_run(run_id).info.run_name == "train_dpo@1":
            raise OSError("disk full")
        original(self, run_id, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_terminated", broken)
        copied_study.run("mirror_mlflow")
    assert "OSError: disk full" in capfd.readouterr().err
    client = _client(copied_study.root)
    cut_off = {run.info.run_name.split("@")[0].split()[0] for run in _runs(client) if run.info.status != "FINISHED"}
    assert cut_off == {"study", "train_dpo"}
    copied_study.run("mirror_mlflow")
    assert len(_runs(client)) == STAGES + 1
    assert {run.info.status for run in _runs(client)} == {"FINISHED"}
    training = _by_stage(client)["train_dpo@1"]
    assert training.data.tags["mlflow.parentRunId"] == _study(client).info.run_id
    history = client.get_metric_history(training.info.run_id, "validation_loss")
    assert len({point.step for point in history}) == len(history) > 1


def test_an_experiment_in_a_copy_fills_the_projects_mirror(
    copied_study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are read where it runs; runs and the note of who ran lie where it was started."""
    home = tmp_path / "project"
    home.mkdir()
    shutil.move(".polydetox", home)
    _forget_mirror(copied_study.root)
    monkeypatch.setenv("POLYDETOX_ROOT", str(home))
    monkeypatch.setenv("DVC_ROOT", str(copied_study.root))
    copied_study.run("mirror_mlflow")
    client = _client(home)
    assert len(_runs(client)) == STAGES + 1
    assert _by_stage(client)["generate@base"].data.tags["polydetox.outcome"] == "executed"
    assert list((home / "mlruns").rglob("*.png"))
    assert not (copied_study.root / "mlflow.db").exists()
    assert not (copied_study.root / "mlruns").exists()


def test_before_the_first_stage_there_is_nothing_to_mirror(copied_study, capfd: pytest.CaptureFixture[str]) -> None:
    """No dvc.lock: said so, and no run made."""
    Path("dvc.lock").unlink()
    before = len(_runs(_client(copied_study.root)))
    copied_study.run("mirror_mlflow")
    assert "dvc.lock names no stage yet" in capfd.readouterr().out
    assert len(_runs(_client(copied_study.root))) == before


def test_a_tracker_that_is_down_fails_nothing(study, monkeypatch, capfd: pytest.CaptureFixture[str]) -> None:
    """The stage ends well, and says what happened and what to do later, but not the password of the address."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:s3cret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert cli.main(["mirror_mlflow"]) == 0
    captured = capfd.readouterr()
    assert "the results stand" in captured.err and "nothing mirrored" in captured.out
    assert "http://127.0.0.1:9" in captured.err and "s3cret" not in captured.err + captured.out


@contextlib.contextmanager
def _tracking_server(folder: Path) -> Iterator[str]:
    """Address of an MLflow server of its own, with an empty store."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = ["--backend-store-uri", f"sqlite:///{folder / 'server.db'}", "--artifacts-destination", str(folder / "art")]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--workers",
            "1",
            *store,
        ],
        env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            assert process.poll() is None
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=5):
                break
            time.sleep(0.25)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_a_tracking_server_holds_the_same(
    copied_study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The user's MLFLOW_TRACKING_URI: runs, figures and model version are those of the local file."""
    local = _content(_client(copied_study.root))
    with _tracking_server(tmp_path) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        copied_study.run("mirror_mlflow")
        copied_study.run("mirror_mlflow")
        client = MlflowClient(address)
        remote = _content(client)
        version = client.get_model_version_by_alias("polydetox-dpo", "seed-1")
    for seed in (1, 2):
        local[f"train_dpo@{seed}"][0].pop("polydetox.live_run", None)
    assert remote == local
    assert version.source.startswith("dvc://models/train_dpo/1?md5=")
    assert f"0 new runs for {STAGES} stages, 0 new model versions" in capfd.readouterr().out
    assert list((tmp_path / "art").rglob("*.png"))


@pytest.fixture(autouse=True)
def _leave_mlflow_as_it_was() -> Iterator[None]:
    """MLflow keeps its address in a global; another test's store must not be this one's."""
    yield
    mlflow.set_tracking_uri(None)
