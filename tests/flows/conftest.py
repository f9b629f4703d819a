"""A toy project of six stages that do what a file tells them, and one Prefect server for all tests of flows."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness

REPOSITORY = Path(__file__).resolve().parents[2]

STEP = '''
"""A stage of the toy: NAME OUT INPUT...; behaves as behave/NAME says."""
import json, os, pathlib, subprocess, sys, time, yaml
name, out, *inputs = sys.argv[1:]
now = time.time
started = now()
home = pathlib.Path(os.environ.get("POLYDETOX_ROOT", "."))  # of the project, also in a copy of it
rules = home / "behave" / name
rule = json.loads(rules.read_text()) if rules.exists() else {}
with (home / "behave" / f"{name}.attempts").open("a") as attempts:
    attempts.write("x")
if rule.get("child"):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)", "toy-grandchild"])
if rule.get("say"):
    print(rule["say"], flush=True)
awaited = [home / "behave" / one for one in rule.get("until", [])]
for _ in range(6000):  # five minutes, so that a test fails instead of hanging
    if all(one.exists() for one in awaited):
        break
    time.sleep(0.05)
for done in range(0, 101, 25):
    if rule.get("bar"):
        print(f"{name}: {done:3d}%|###   | {done}/100", end="\\r", file=sys.stderr, flush=True)
    time.sleep(rule.get("seconds", 0) / 5)
if "fail" in rule:
    left = rule["fail"]
    if left:
        rules.write_text(json.dumps(rule | {"fail": left - 1}))
        sys.exit(rule.get("status", 1))
values = yaml.safe_load(pathlib.Path("params.yaml").read_text())
text = "".join(pathlib.Path(path).read_text() for path in inputs) + f"{name} {values['toy'].get(name, '')}\\n"
pathlib.Path(out).parent.mkdir(parents=True, exist_ok=True)
pathlib.Path(out).write_text(text)
with (home / "trace.jsonl").open("a") as trace:
    trace.write(json.dumps({"stage": name, "started": started, "ended": now()}) + "\\n")
(home / "behave" / f"{name}.ended").touch()
'''

PIPELINE = """\
stages:
  root:
    cmd: python step.py root data/root/out.txt raw.txt
    deps: [raw.txt]
    params: [toy.root]
    outs: [data/root/out.txt]
  side:
    foreach: ${letters}
    do:
      desc: one of three that do not need each other
      cmd: python step.py side-${item} data/side/${item}.txt data/root/out.txt
      deps: [data/root/out.txt]
      params: ["toy.side-${item}"]
      outs: ["data/side/${item}.txt"]
      meta: {retries: 2}
  model:
    cmd: python step.py model models/model.txt data/root/out.txt
    deps: [data/root/out.txt]
    params: [toy.model]
    outs: [models/model.txt]
    meta: {gpu: true}
  last:
    cmd: python step.py last metrics/last.txt data/side/a.txt data/side/b.txt data/side/c.txt models/model.txt
    deps: [data/side/a.txt, data/side/b.txt, data/side/c.txt, models/model.txt]
    params: [toy.last]
    outs: [{metrics/last.txt: {cache: false}}]
"""
PARAMS = """\
letters: [a, b, c]
toy:   # what each stage writes
  root: 1
  side-a: 1
  side-b: 1
  side-c: 1
  model: 1
  last: 1
runtime: {device: cpu}
"""
# Stands in for `python -m tasks --check`: the toy's only type is that of its root.
CHECK = """\
import sys, yaml
root = yaml.safe_load(open("params.yaml"))["toy"]["root"]
sys.exit("toy.root: expected a number" if isinstance(root, str) else 0)
"""
IGNORED = "/data/\n/models/\n/behave/\n/.polydetox/\n/trace.jsonl\n__pycache__/\n"


@dataclass(frozen=True)
class Toy:
    """A toy project; the current directory during a test."""

    root: Path

    def behave(self, stage: str, **rule: Any) -> None:
        """Makes a stage sleep, wait, fail, speak or leave a process behind; see STEP.

        `until` names files below behave/ that the stage waits for: X.attempts exists once X has begun, X.ended once it
        has ended. So tests set the order of stages without counting on how long anything takes.
        """
        (self.root / "behave" / stage).write_text(json.dumps(rule))

    def ran(self) -> list[str]:
        """Stages that were executed since the last call, sorted."""
        names = sorted(span["stage"] for span in self.spans())
        (self.root / "trace.jsonl").unlink(missing_ok=True)
        return names

    def spans(self) -> list[dict[str, Any]]:
        """When each execution began and ended."""
        trace = self.root / "trace.jsonl"
        return [json.loads(line) for line in trace.read_text().splitlines()] if trace.exists() else []

    def span(self, stage: str) -> tuple[float, float]:
        """Begin and end of the one execution of a stage."""
        [found] = [span for span in self.spans() if span["stage"] == stage]
        return found["started"], found["ended"]

    def attempts(self, stage: str) -> int:
        """How often a stage was begun, in vain or not, since the project was made."""
        path = self.root / "behave" / f"{stage}.attempts"
        return path.stat().st_size if path.exists() else 0

    def dvc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A dvc command in the project."""
        return _run(self.root, sys.executable, "-m", "dvc", *arguments)

    def git(self, *arguments: str) -> str:
        """Output of a git command in the project."""
        return _run(self.root, "git", *arguments).stdout

    def lock(self) -> bytes:
        """Bytes of dvc.lock."""
        return (self.root / "dvc.lock").read_bytes()

    def outputs(self) -> dict[str, bytes]:
        """Bytes of every output by path."""
        paths = [path for folder in ("data", "models", "metrics") for path in (self.root / folder).rglob("*.txt")]
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in paths}

    def edit(self, old: str, new: str, name: str = "params.yaml") -> None:
        """Changes a file."""
        path = self.root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def copy(self, name: str) -> "Toy":
        """A twin beside it."""
        return Toy(Path(shutil.copytree(self.root, self.root.with_name(name), symlinks=True)))

    def processes(self) -> list[psutil.Process]:
        """Living processes that work in the project or in a copy of it below the project."""
        found = []
        for process in psutil.process_iter():
            try:
                inside = Path(process.cwd()).is_relative_to(self.root)
                if inside and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def start(self, *command: str, **environment: str) -> "subprocess.Popen[bytes]":
        """A command in the project, in a session of its own, that uses the tests' Prefect server."""
        env = _environment() | {
            "PREFECT_API_URL": PREFECT_API_URL.value() or "",
            "PREFECT_HOME": str(self.root / ".prefect"),
        }
        with self.root.with_name("said.txt").open("w") as said:
            return subprocess.Popen(
                command, cwd=self.root, env=env | environment, stdout=said, stderr=said, start_new_session=True
            )

    def said(self) -> str:
        """What the last command that was started said so far."""
        return self.root.with_name("said.txt").read_text()

    def wait_until(self, condition: Callable[[], object], seconds: float = 300.0) -> None:
        """Returns as soon as the condition holds; fails the test if it does not within the time."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.05)

    def start_study(self, request: str = "{}", **environment: str) -> "subprocess.Popen[bytes]":
        """The flow in a process of its own."""
        # -P and no PYTHONPATH: the repository's `tasks` is for the flow, the toy's for what the flow starts.
        start = (
            f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); from flows.__main__ import main; sys.exit(main())"
        )
        return self.start(sys.executable, "-P", "-c", start, "study", request, **environment)


def _environment() -> dict[str, str]:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def _run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=root, env=_environment(), capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """One temporary Prefect server with an empty database."""
    with prefect_test_harness(server_startup_timeout=300):
        yield


@pytest.fixture(scope="session")
def make_toy() -> Callable[[Path], Toy]:
    """Makes a committed toy project, in which nothing has run, in a folder that does not exist yet."""
    return _made


def _made(root: Path) -> Toy:
    for name, text in {
        "behave/.keep": "",
        "tasks/__main__.py": CHECK,
        "step.py": STEP,
        "dvc.yaml": PIPELINE,
        "params.yaml": PARAMS,
        "raw.txt": "raw\n",
        "old.txt": "old\n",
        ".gitignore": IGNORED,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    toy = Toy(root)
    toy.git("init", "--quiet")
    assert toy.dvc("init", "--quiet").returncode == 0
    toy.git("config", "user.name", "toy")
    toy.git("config", "user.email", "toy@example.org")
    toy.git("add", "--all")
    toy.git("commit", "--quiet", "--message", "toy")
    assert toy.git("log", "--oneline")
    return toy


@pytest.fixture(scope="session")
def untouched_toy(tmp_path_factory: pytest.TempPathFactory, make_toy: Callable[[Path], Toy]) -> Toy:
    """A toy project in which nothing has run, to be copied."""
    return make_toy(tmp_path_factory.mktemp("untouched") / "toy")


@pytest.fixture(scope="session")
def repeated_toy(untouched_toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """A toy project that `dvc repro` brought up to date, its results committed; to be copied."""
    toy = Toy(Path(shutil.copytree(untouched_toy.root, tmp_path_factory.mktemp("repeated") / "toy")))
    done = toy.dvc("repro")
    assert done.returncode == 0, done.stderr
    assert len(toy.ran()) == 6
    for path in [*(toy.root / "behave").glob("*.attempts"), *(toy.root / "behave").glob("*.ended")]:
        path.unlink()
    toy.git("add", "--all")
    toy.git("commit", "--quiet", "--message", "results")
    return toy


@pytest.fixture
def toy(untouched_toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: None) -> Toy:
    """A toy project in which nothing has run."""
    return _entered(untouched_toy, tmp_path, monkeypatch)


@pytest.fixture
def fresh_toy(repeated_toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: None) -> Toy:
    """A toy project that is up to date."""
    return _entered(repeated_toy, tmp_path, monkeypatch)


def _entered(source: Toy, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    root = Path(shutil.copytree(source.root, folder / "toy"))
    monkeypatch.chdir(root)
    for name in ("POLYDETOX_ROOT", "DVC_ROOT", "POLYDETOX_RUNNER", "POLYDETOX_WORKERS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    return Toy(root)
