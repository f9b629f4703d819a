"""MLflow's store comes to be once, and training does not depend on it.

MLflow keeps its address and experiment in globals and in the environment, so each test gives it processes of its own.
"""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.plumbing.tracking import EXPERIMENT, context_tags, tracking_uri, without_password

PROJECT = Path(__file__).resolve().parents[3]


def _start(code: str, folder: Path, **environment: str) -> "subprocess.Popen[str]":
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "DVC_", "POLYDETOX_"))}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(PROJECT), "DVC_ROOT": str(folder), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(code: str, folder: Path, **environment: str) -> str:
    process = _start(code, folder, **environment)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def test_the_users_address_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLFLOW_TRACKING_URI if it is set and not empty, else a SQLite file in the project's root."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert tracking_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert tracking_uri() == "http://127.0.0.1:9"


def test_an_experiment_in_a_copy_writes_to_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is the project's own, wherever the stage runs: it has to outlive the copy."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "copy"))
    monkeypatch.setenv("POLYDETOX_ROOT", str(tmp_path / "project"))
    assert tracking_uri() == f"sqlite:///{tmp_path}/project/mlflow.db"


@pytest.mark.parametrize(
    ("said", "printed"),
    [
        ("https://me:s3cret@mlflow.example:5000/api", "https://mlflow.example:5000/api"),
        ("postgresql+psycopg2://me:p@ss@db/x failed", "postgresql+psycopg2://db/x failed"),
        ("sqlite:////tmp/mlflow.db", "sqlite:////tmp/mlflow.db"),
        ("mail me@example.org about http://host/a@b", "mail me@example.org about http://host/a@b"),
    ],
)
def test_passwords_are_not_printed(said: str, printed: str) -> None:
    """An address may carry a user and a password before its host; nothing else of a message is changed."""
    assert without_password(said) == printed


def test_named_ids_alone_are_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flow's name of an experiment counts before DVC's; what is not set is no tag."""
    for name in ("POLYDETOX_EXPERIMENT", "DVC_EXP_NAME", "POLYDETOX_FLOW_RUN"):
        monkeypatch.delenv(name, raising=False)
    assert context_tags() == {}
    monkeypatch.setenv("DVC_EXP_NAME", "bold-fish")
    assert context_tags() == {"dvc.exp": "bold-fish"}
    monkeypatch.setenv("POLYDETOX_EXPERIMENT", "beta-0.2")
    monkeypatch.setenv("POLYDETOX_FLOW_RUN", "1234")
    assert context_tags() == {"dvc.exp": "beta-0.2", "prefect.flow_run": "1234"}


@pytest.mark.slow
def test_an_unreachable_tracker_costs_no_training(tmp_path: Path) -> None:
    """Nobody listens on port 9: the block runs, is told False, and one line says why; its own error still counts."""
    code = """
from tasks.plumbing.tracking import live_tracking
with live_tracking(True, "train_dpo@1") as live:
    print("trained", live)
try:
    with live_tracking(True, "train_dpo@1"):
        raise ValueError("of the training")
except ValueError as error:
    print("raised", error)
"""
    address = "http://me:s3cret@127.0.0.1:9"
    out = _run(code, tmp_path, MLFLOW_TRACKING_URI=address, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    assert "s3cret" not in out
    lines = out.splitlines()
    assert lines[0].startswith("MLflow is not available (")
    assert "127.0.0.1" in lines[0]
    assert lines[0].endswith("training goes on without live curves")
    assert lines[1] == "trained False"
    assert lines[-1] == "raised of the training"


def test_nothing_is_tracked_unasked(tmp_path: Path) -> None:
    """Without the wish there is no store, no lock, and MLflow is not even imported."""
    code = """
import sys
from tasks.plumbing.tracking import live_tracking
with live_tracking(False, "train_dpo@1") as live:
    print(live, "mlflow" in sys.modules)
"""
    assert _run(code, tmp_path) == "False False\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_live_run_ends_as_its_training_does(tmp_path: Path) -> None:
    """What is logged while training is stored under the stage's name; a training that fails leaves a failed run."""
    code = """
import mlflow
from tasks.plumbing.tracking import live_tracking
with live_tracking(True, "train_dpo@1") as live:
    mlflow.log_metric("eval_loss", 0.5, step=25)
    print(live)
try:
    with live_tracking(True, "train_dpo@2"):
        raise ValueError
except ValueError:
    print("raised")
"""
    named = {"DVC_STAGE": "train_dpo@1", "DVC_EXP_NAME": "bold-fish", "POLYDETOX_FLOW_RUN": "1234"}
    assert _run(code, tmp_path, **named, HF_TOKEN="s3cret") == "True\nraised\n"
    assert b"s3cret" not in (tmp_path / "mlflow.db").read_bytes()
    store = sqlite3.connect(tmp_path / "mlflow.db")
    runs = store.execute("select name, status from runs order by name").fetchall()
    metrics = store.execute("select key, value, step from metrics").fetchall()
    query = "select key, value from tags join runs using (run_uuid) where runs.name = 'train_dpo@1'"
    tags = dict(store.execute(query).fetchall())
    experiments = store.execute("select name, artifact_location from experiments where name != 'Default'").fetchall()
    store.close()
    assert runs == [("train_dpo@1", "FINISHED"), ("train_dpo@2", "FAILED")]
    assert metrics == [("eval_loss", 0.5, 25)]
    own = {tag: value for tag, value in tags.items() if not tag.startswith("mlflow.")}
    assert own == {
        "polydetox.live": "true",
        "dvc.stage": "train_dpo@1",
        "dvc.exp": "bold-fish",
        "prefect.flow_run": "1234",
    }
    assert experiments == [(EXPERIMENT, f"file://{tmp_path}/mlruns")]


@pytest.mark.slow
def test_four_processes_at_once_make_one_store(tmp_path: Path) -> None:
    """Four stages that touch a fresh store at the same moment all connect, to one experiment."""
    code = """
import mlflow.store.tracking.sqlalchemy_store  # what takes long comes before the start
from tasks.plumbing.tracking import connect
print("ready", flush=True)
input()
connect()
print("connected")
"""
    processes = [_start(code, tmp_path) for _ in range(4)]
    for process in processes:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    results = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, [err for _, err in results]
    assert [out for out, _ in results] == ["connected\n"] * 4
    store = sqlite3.connect(tmp_path / "mlflow.db")
    names = [name for (name,) in store.execute("select name from experiments")]
    store.close()
    assert names.count(EXPERIMENT) == 1
