"""A toy study of seven executed stages, made once by `dvc repro`, and histories with a dvc.lock written by hand."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

PIPELINE = """\
stages:
  prepare_model:
    cmd: python tasks/prepare_model.py
    deps: [tasks/prepare_model.py, data/words]
    params: [prepare_model]
    outs: [models/prepare_model, data/prepare_model]
  train:
    foreach: [1, 2]
    do:
      cmd: python tasks/train.py ${item}
      deps: [tasks/train.py, models/prepare_model]
      params: [train.rate]
      outs: ["models/train/${item}"]
  score:
    foreach: [1, 2]
    do:
      cmd: python tasks/score.py ${item}
      deps: [tasks/score.py, "models/train/${item}"]
      outs: ["data/score/${item}"]
  measure_retrieval:
    cmd: python tasks/measure_retrieval.py
    deps: [tasks/measure_retrieval.py, data/score]
    params: [measure_retrieval]
    outs:
      - metrics/measure_retrieval/summary.json: {cache: false}
      - metrics/measure_retrieval/languages.csv: {cache: false}
  report:
    cmd: python tasks/report.py
    deps: [tasks/report.py, metrics/measure_retrieval]
    params: [report]
    outs: [data/report]
"""
PARAMS = """\
prepare_model:
  kind: hub
  id: some/model        # on the hub
  revision: 0123abc
  words: 3
train:
  rate: 0.5             # per step
  seeds: [1, 2]
measure_retrieval: {threshold: 0.25, pivot: en}
report: {title: A toy study, show_text: false}
runtime: {device: cpu}
"""
SCRIPTS = {
    "prepare_model": """
words = (Path("data/words/lexicon.csv")).read_text().split()
write("models/prepare_model/config.json", json.dumps({"words": len(words)}))
write("models/prepare_model/weights.bin", "".join(words) * 50)
write("data/prepare_model/learning.csv", "language,corpus_share\\nar,0.5\\nde,0.25\\n")
write("models/prepare_model/tokens/vocabulary.txt", "\\n".join(words))
""",
    "train": """
weights = Path("models/prepare_model/weights.bin").read_text()
write(f"models/train/{sys.argv[1]}/weights.bin", weights[int(sys.argv[1]) :])
""",
    "score": """
weights = Path(f"models/train/{sys.argv[1]}/weights.bin").read_text()
write(f"data/score/{sys.argv[1]}/scores.csv", f"letter,count\\na,{weights.count('a')}\\nb,{weights.count('b')}\\n")
write(f"data/score/{sys.argv[1]}/scorer.json", json.dumps({"id": "toy/counter", "revision": "r7"}))
""",
    "measure_retrieval": """
rows = [path.read_text().split() for path in sorted(Path("data/score").glob("*/scores.csv"))]
total = sum(int(row.split(",")[1]) for table in rows for row in table[1:])
write("metrics/measure_retrieval/summary.json", json.dumps({"hits": {"ar": total, "de": 0.5}, "note": "toy"}))
table = ["language,metric,value", f"ar,hits,{total}", "de,hits,0.5", "de,misses,1", ""]
write("metrics/measure_retrieval/languages.csv", "\\n".join(table))
""",
    "report": """
total = json.loads(Path("metrics/measure_retrieval/summary.json").read_text())["hits"]["ar"]
write("data/report/report.html", f"<p>{total}</p>")
write("data/report/figures/languages.svg", f"<svg><text>{total}</text></svg>")
""",
}
HEADER = """import json
import sys
from pathlib import Path


def write(name, text):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)

"""
PLAIN_FILES = {
    "dvc.yaml": PIPELINE,
    "params.yaml": PARAMS,
    "README.md": "A toy.\n",
    "LICENSE": "Apache License\n",
    "pyproject.toml": '[project]\nname = "toy"\nlicense = "Apache-2.0"\n',
    "data/words/lexicon.csv": "abba\nbanana\ncab\n",
    "data/words/notes.txt": "written by hand\n",
    "tasks/plumbing/files.py": "CHUNK = 1024  # bytes\n",
    ".gitignore": "/models/\n/data/*\n!/data/words/\n!/data/*.dvc\n/mlflow.db*\n/mlruns/\n/.polydetox/\n",
}


@dataclass(frozen=True)
class Project:
    """A repository that a test may break."""

    root: Path

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=Toy", "-c", "user.email=toy@invalid", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *identity, *arguments], cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        """Commits everything and returns the commit's id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def lock(self) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.safe_load((self.root / "dvc.lock").read_text(encoding="utf-8"))
        return loaded

    def write_lock(self, stages: dict[str, Any]) -> None:
        text = yaml.safe_dump({"schema": "2.0", "stages": stages}, sort_keys=False)
        self.write("dvc.lock", text)

    def note(self, folder: str, name: str, document: dict[str, Any]) -> None:
        """A note in the ledger."""
        self.write(f".polydetox/{folder}/{name}.json", json.dumps(document))


@pytest.fixture(scope="session")
def finished_toy(
    made_once: Callable[[str, Callable[[Path], None]], Path], run_dvc: Callable[..., subprocess.CompletedProcess[str]]
) -> Project:
    """The toy study, brought up to date and committed; nobody may change it. One for all workers."""
    return Project(made_once("audit-toy", lambda root: _make_toy(Project(root), run_dvc)))


def _make_toy(project: Project, run_dvc: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    for name, text in PLAIN_FILES.items():
        project.write(name, text)
    for name, body in SCRIPTS.items():
        project.write(f"tasks/{name}.py", HEADER + body)
    project.git("init", "--quiet")
    assert run_dvc(project.root, "init", "--quiet").returncode == 0
    done = run_dvc(project.root, "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    project.commit("Record the toy")


@pytest.fixture
def toy(finished_toy: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of the toy study, as the current directory."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = tmp_path / "toy"
    shutil.copytree(finished_toy.root, root, symlinks=True)
    monkeypatch.chdir(root)
    return Project(root)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A repository without a commit, for histories written by hand."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    project = Project(tmp_path / "empty")
    project.write("dvc.yaml", "stages: {}\n")
    project.git("init", "--quiet")
    monkeypatch.chdir(project.root)
    return project


@pytest.fixture(scope="session")
def entry() -> Callable[..., dict[str, Any]]:
    """A stage as dvc.lock has it, from {path: content}: the digest of a path is that of its content."""

    def stage(
        cmd: str, deps: dict[str, str], outs: dict[str, str], params: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        def entries(files: dict[str, str]) -> list[dict[str, Any]]:
            return [
                {"path": path, "hash": "md5", "md5": hashlib.md5(text.encode()).hexdigest(), "size": len(text.encode())}
                for path, text in files.items()
            ]

        made: dict[str, Any] = {"cmd": cmd, "deps": entries(deps), "outs": entries(outs)}
        return made | ({"params": {"params.yaml": params}} if params else {})

    return stage


@pytest.fixture(scope="session")
def toy_mirror(finished_toy: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow store with one finished run per stage of the toy study."""
    from mlflow import MlflowClient  # noqa: PLC0415  # 1.3 s

    from tasks.audit.snapshot import Snapshot  # noqa: PLC0415

    store = tmp_path_factory.mktemp("mirror") / "mlflow.db"
    client = MlflowClient(tracking_uri=f"sqlite:///{store}")
    experiment = client.create_experiment("polydetox", artifact_location=f"file://{store.parent}/artifacts")
    for stage in Snapshot(finished_toy.root).stages.values():
        tags = {"polydetox.key": stage.key} | {f"dvc.out.{path}": md5 for path, md5 in stage.outs.items()}
        run = client.create_run(experiment, tags=tags, run_name=stage.name)
        if stage.name == "prepare_model":
            client.log_metric(run.info.run_id, "corpus_share/ar", 0.5)
            client.log_metric(run.info.run_id, "corpus_share/de", 0.25)
        if stage.name == "measure_retrieval":
            summary = json.loads((finished_toy.root / "metrics/measure_retrieval/summary.json").read_text())
            for language, value in summary["hits"].items():
                client.log_metric(run.info.run_id, f"hits/{language}", float(value))
        client.set_terminated(run.info.run_id)
    return store


@pytest.fixture
def mirrored_toy(toy: Project, toy_mirror: Path) -> Project:
    """A copy of the toy study with its MLflow store."""
    shutil.copy(toy_mirror, toy.root / "mlflow.db")
    return toy


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch) -> str:
    """A word that the environment has in many places, the address of the tracking server included."""
    word = "canary7f3a"
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "SOME_VARIABLE", "USER", "PREFECT_API_KEY"):
        monkeypatch.setenv(name, word)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{word}:{word}@127.0.0.1:9/{word}")
    assert list(os.environ.values()).count(word) == 5
    return word
