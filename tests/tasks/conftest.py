"""One shrunken study for all tests of stages: made once by `dvc repro`, as a user makes the real one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks import __main__ as cli

ROOT = Path(__file__).resolve().parents[2]
CANARY = "canary-9e2b71c4"  # stands for a secret in the environment of every stage
LANGUAGES = ["ar", "de", "en", "es", "ja", "zh"]


def shrunken(loaded: dict[str, Any]) -> dict[str, Any]:
    """The shipped parameters with six languages, two seeds, and everything small."""
    world = loaded["mini_world"]
    world |= {name: {language: world[name][language] for language in LANGUAGES} for name in ("share", "bilingual")}
    # So small a model learns little but how often words are said: insults must be said often to be seen at all.
    world |= {"hostile": 0.6, "insult": {"civil": 0.1, "hostile": 0.8}, "negative": {"civil": 0.04, "hostile": 0.1}}
    model = loaded["prepare_model"] | {"documents": 4000, "tokenizer_documents": 100, "validation_documents": 10}
    model["architecture"] = {"layers": 2, "heads": 2, "width": 32, "context": 192, "init": 0.1, "vocabulary": 1600}
    return loaded | {
        "languages": LANGUAGES,
        "policies": {
            "base": "models/prepare_model",
            "dpo-1": "models/train_dpo/1",
            "dpo-2": "models/train_dpo/2",
        },
        "mini_world": world,
        "prepare_model": model,
        "prepare_pairs": loaded["prepare_pairs"] | {"pairs": 300},
        "prepare_prompts": loaded["prepare_prompts"] | {"aligned": 8, "culture_specific": 2},
        "prepare_parallel": loaded["prepare_parallel"] | {"sentences": 20},
        "train_dpo": {
            "seeds": [1, 2],
            "recipe": loaded["train_dpo"]["recipe"]
            | {"evaluate_every": 10, "warmup_steps": 5, "min_improvement": 0.001},
        },
        "generate": loaded["generate"] | {"samples": 5},
        "prepare_labelled": loaded["prepare_labelled"] | {"train": 300, "test": 40},
        "train_probe": loaded["train_probe"] | {"resamples": 100},
        "find_toxic_neurons": loaded["find_toxic_neurons"] | {"candidates": 24, "permutations": 100},
        "trace_activations": loaded["trace_activations"] | {"prompts": 6},
        "intervene_neurons": loaded["intervene_neurons"] | {"doses": [-5, 2], "prompts": 4},
        "explain_effect": loaded["explain_effect"]
        | {"recipe": loaded["explain_effect"]["recipe"] | {"prompts": 4, "samples": 1}},
        "measure_mechanism": loaded["measure_mechanism"] | {"resamples": 100},
        "measure_retrieval": loaded["measure_retrieval"] | {"resamples": 100},
        "measure_transfer": loaded["measure_transfer"] | {"resamples": 100, "permutations": 999},
    }


@dataclass(frozen=True)
class Study:
    """A finished shrunken study."""

    root: Path

    def run(self, stage: str, item: str | None = None) -> None:
        """Runs one stage again, in this process; the current directory must be the study's."""
        assert Path.cwd() == self.root
        assert cli.main([stage] if item is None else [stage, item]) == 0

    def files(self, *folders: str) -> dict[str, bytes]:
        """Content of every file below these folders."""
        paths = [path for folder in folders for path in sorted((self.root / folder).rglob("*")) if path.is_file()]
        assert paths
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in paths}


def dvc(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A dvc command in a project, with this Python first on the path and nothing reported to anybody."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_CEILING_DIRECTORIES": str(root.parent),
        "SCORER_API_KEY": CANARY,
        "HF_TOKEN": CANARY,
    }
    environment.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def finished_study(made_once: Callable[[str, Callable[[Path], None]], Path]) -> Study:
    """The shrunken study, brought up to date by `dvc repro` in a repository of its own; one for all workers."""
    return Study(made_once("study", _make_study))


def _make_study(root: Path) -> None:
    for name in ("tasks", "data/mini_world"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", root)
    params = shrunken(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")))
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    assert dvc(root, "init", "--quiet").returncode == 0
    shutil.copy(ROOT / ".dvcignore", root)
    done = dvc(root, "repro")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def own_study(finished_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A copy that only this worker uses: a test that runs a stage again never writes what another worker reads."""
    return Study(shutil.copytree(finished_study.root, tmp_path_factory.mktemp("own") / "study", symlinks=True))


@pytest.fixture
def study(own_study: Study, monkeypatch: pytest.MonkeyPatch) -> Study:
    """The finished shrunken study, as the current directory; a test leaves it as it was."""
    monkeypatch.chdir(own_study.root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return own_study


@pytest.fixture
def copied_study(finished_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A copy of the finished shrunken study that a test may break."""
    root = tmp_path / "study"
    shutil.copytree(finished_study.root, root, symlinks=True)
    monkeypatch.chdir(root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Study(root)


@pytest.fixture(scope="session")
def canary() -> str:
    """A secret that stood in the environment while the study was made."""
    return CANARY


@pytest.fixture(scope="session")
def run_dvc() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a dvc command in a project."""
    return dvc
