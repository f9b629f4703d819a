"""`make ui` as a user meets it: server, worker, deployments, schedules, forms, cancelling, and an orderly end."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows import ui

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Served:
    """A project that `python -m flows.ui` serves."""

    root: Path
    api: str
    process: "subprocess.Popen[str]"

    def ask(self, path: str, body: dict[str, Any], method: str = "POST") -> Any:
        """Answer of the server's API."""
        data = json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.api}/{path}", data, {"content-type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def deployment(self, name: str) -> dict[str, Any]:
        """A deployment by name."""
        (found,) = self.ask("deployments/filter", {"deployments": {"name": {"any_": [name]}}})
        return found

    def until(self, what: Callable[[], Any], seconds: float = 300.0) -> Any:
        """First true value of `what`; fails after so many seconds."""
        deadline = time.monotonic() + seconds
        while not (value := what()):
            assert time.monotonic() < deadline, (self.root / ".prefect" / "worker.log").read_text()[-3000:]
            time.sleep(0.3)
        return value

    def state(self, run: str) -> str:
        """Name of a flow run's state."""
        (found,) = self.ask("flow_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
        return str(found["state_name"])


def free_port() -> int:
    """The first of two ports that nobody uses."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, make_toy: Callable[[Path], Any]) -> Iterator[Served]:
    """The toy project with its flows, served as `make ui` serves it; one for all tests here."""
    root = tmp_path_factory.mktemp("served") / "toy"
    toy = make_toy(root)
    check = (root / "tasks" / "__main__.py").read_text()
    shutil.copytree(ROOT / "tasks", root / "tasks", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    (root / "tasks" / "__main__.py").write_text(check)
    with (root / ".gitignore").open("a") as ignored:
        ignored.write("/.prefect/\n/flows/\n/prefect.*\n")
    toy.git("add", "--all")
    toy.git("commit", "--quiet", "--message", "what is served")
    shutil.copytree(ROOT / "flows", root / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("prefect.yaml", "prefect.toml"):
        shutil.copy(ROOT / name, root)
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    env |= {"POLYDETOX_CANARY_TOKEN": "canary-7f3a9b", "SERVED_API_KEY": "canary-51d2c8"}
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.ui", "--port", str(port)],
        cwd=root,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C stops" in line:
            break
    else:
        pytest.fail("".join(lines))
    yield Served(root, f"http://127.0.0.1:{port}/api", process)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait(300)
    process.stdout.close()


def test_every_flow_is_offered_with_a_schedule_that_is_off(served: Served) -> None:
    """Four deployments; nothing runs by itself before somebody switches it on."""
    found = served.ask("deployments/filter", {})
    assert sorted(one["name"] for one in found) == ["audit", "reevaluate", "study", "sweep"]
    assert [schedule["active"] for one in found for schedule in one["schedules"]] == [False] * 4


def test_the_form_explains_every_field(served: Served) -> None:
    """The UI renders the parameter schema: each field of each request has a description."""
    for name in ("audit", "reevaluate", "study", "sweep"):
        schema = served.deployment(name)["parameter_openapi_schema"]
        (definition,) = [one for title, one in schema["definitions"].items() if title.endswith("Request")]
        assert definition["properties"]
        assert all(field.get("description") for field in definition["properties"].values())


def test_a_schedule_that_is_switched_on_makes_runs(served: Served) -> None:
    """With SQLAlchemy 2.1 the scheduler of Prefect 3.8 fails silently; here scheduled runs appear."""
    study = served.deployment("study")
    (schedule,) = study["schedules"]
    served.ask(f"deployments/{study['id']}/schedules/{schedule['id']}", {"active": True}, method="PATCH")

    def scheduled() -> list[Any]:
        return served.ask("flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}})

    runs = served.until(scheduled)
    assert all(run["deployment_id"] == study["id"] and run["auto_scheduled"] for run in runs)
    served.ask(f"deployments/{study['id']}/schedules/{schedule['id']}", {"active": False}, method="PATCH")


def test_a_run_with_an_override_completes_and_leaves_the_files(served: Served) -> None:
    """As from the UI's form: an override becomes an experiment, its artifacts appear, params.yaml keeps its bytes."""
    before = (served.root / "params.yaml").read_bytes()
    body = {"parameters": {"request": {"overrides": ["toy.root=7"], "experiment": "seven"}}}
    run = served.ask(f"deployments/{served.deployment('study')['id']}/create_flow_run", body)
    served.until(lambda: served.state(run["id"]) in ("Completed", "Failed", "Crashed"))
    assert served.state(run["id"]) == "Completed"
    assert (served.root / "params.yaml").read_bytes() == before
    listed = subprocess.run(
        [sys.executable, "-m", "dvc", "exp", "list", "--name-only"], cwd=served.root, capture_output=True, text=True
    )
    assert listed.stdout.split() == ["seven"]
    artifacts = served.ask("artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    assert {"stages-seven", "mlflow-seven"} <= {one["key"] for one in artifacts}
    logs = served.ask("logs/filter", {"logs": {"flow_run_id": {"any_": [run["id"]]}}})
    assert any("Running stage 'model'" in line["message"] for line in logs)


def test_cancelling_in_the_ui_ends_the_stage_and_its_children(served: Served) -> None:
    """The run becomes Cancelled, no process of the stage is left, and the next run completes."""
    (served.root / "behave" / "root").write_text('{"seconds": 3600, "child": true}')
    run = served.ask(f"deployments/{served.deployment('study')['id']}/create_flow_run", {})
    served.until(lambda: _running_in(served.root, "toy-grandchild"))
    served.ask(f"flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLING"}, "force": False})
    served.until(lambda: served.state(run["id"]) == "Cancelled")
    served.until(lambda: not _running_in(served.root, "toy-grandchild", "step.py"))
    (served.root / "behave" / "root").unlink()
    again = served.ask(f"deployments/{served.deployment('study')['id']}/create_flow_run", {})
    served.until(lambda: served.state(again["id"]) == "Completed")


def test_a_second_server_on_the_port_is_refused(served: Served) -> None:
    """The message says that one runs already."""
    port = int(served.api.split(":")[2].split("/")[0])
    with pytest.raises(ui.StartError, match=r"answers at .* already"):
        ui.serve("127.0.0.1", port)


def test_interrupting_ends_everything(served: Served) -> None:
    """After Ctrl-C neither server nor worker is left, and `make flow` no longer looks for them."""
    family = psutil.Process(served.process.pid).children(recursive=True)
    assert len(family) >= 2
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(300) == 0
    gone, alive = psutil.wait_procs(family, timeout=300)
    assert not alive and len(gone) == len(family)
    assert not (served.root / ".prefect" / "ui.json").exists()


def test_secrets_of_the_environment_are_nowhere(served: Served) -> None:
    """Two canaries stood in the environment of server, worker and stages: no file of the project has them."""
    files = [path for path in served.root.rglob("*") if path.is_file()]
    assert len(files) > 50 and any(path.name == "prefect.db" for path in files)
    for path in files:
        content = path.read_bytes()
        assert b"canary-7f3a9b" not in content and b"canary-51d2c8" not in content, path


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_an_open_door_is_refused(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that others can reach needs a password; loopback does not."""
    monkeypatch.delenv("PREFECT_SERVER_API_AUTH_STRING", raising=False)
    with pytest.raises(ui.StartError, match="can be reached from other machines"):
        ui.refuse_open_door(host)
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "user:password")
    ui.refuse_open_door(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.5.5.5"])
def test_this_machine_needs_no_password(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback addresses are served as they are."""
    monkeypatch.delenv("PREFECT_SERVER_API_AUTH_STRING", raising=False)
    ui.refuse_open_door(host)


def _running_in(root: Path, *words: str) -> list[int]:
    """Processes in the project or a copy of it whose command has one of the words."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(root) in process.cwd() and any(word in " ".join(process.cmdline()) for word in words):
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found
