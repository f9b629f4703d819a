"""Files for tools and people at the top level are valid and agree with each other."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))


def test_the_citation_is_complete() -> None:
    """CFF 1.2 requires four keys; the version is the package's, and the paper is named."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert (citation["cff-version"], citation["version"]) == ("1.2.0", PROJECT["version"])
    assert citation["license"] == PROJECT["license"]
    (paper,) = citation["references"]
    assert {"type", "title", "authors"} <= set(paper)
    assert [author["family-names"] for author in paper["authors"]] == ["Li", "Yong", "Bach"]
    assert paper["identifiers"][0]["value"] == "arXiv:2406.16235"


def test_stated_pythons_are_those_that_ci_tries() -> None:
    """A classifier promises a version, so CI tests it; 3.13 is tried before it is promised."""
    tried = set(CI["jobs"]["test"]["strategy"]["matrix"]["python"])
    promised = {found[1] for one in PROJECT["classifiers"] if (found := re.fullmatch(r".*:: (3\.\d+)", one))}
    assert tried == {"3.11", "3.13"}
    assert promised and promised <= tried
    assert PROJECT["requires-python"] == f">={min(promised)}"
    assert f"Python {min(promised)}" in README


def test_ci_runs_what_a_developer_runs() -> None:
    """The same script; the report comes out of `make repro`; every action has a version."""
    commands = {name: [step.get("run") for step in job["steps"]] for name, job in CI["jobs"].items()}
    assert ".ci/run" in commands["test"]
    assert "make repro" in commands["report"]
    actions = [step["uses"] for job in CI["jobs"].values() for step in job["steps"] if "uses" in step]
    assert len(actions) == 5
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in actions)


def test_the_dev_container_uses_the_promised_python() -> None:
    """And installs what tests need."""
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    assert container["image"].endswith(":" + PROJECT["requires-python"].removeprefix(">="))
    assert container["postCreateCommand"] == "make setup-test"


def test_hooks_call_the_pinned_tools() -> None:
    """A hook with a version of its own could disagree with `make lint type`."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (local,) = config["repos"]
    assert local["repo"] == "local"
    entries = [hook["entry"].split()[0] for hook in local["hooks"]]
    assert entries == [".venv/bin/ruff", ".venv/bin/ruff", ".venv/bin/mypy"]
    pinned = (ROOT / "requirements-test.lock").read_text(encoding="utf-8")
    assert all(re.search(rf"^{name}==", pinned, re.MULTILINE) for name in ("ruff", "mypy"))


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@pytest.mark.parametrize("folder", ["models", "data"])
def test_folders_of_outputs_are_there_before_anything_ran(folder: str) -> None:
    """Git keeps their README and nothing that a stage writes."""

    def ignored(path: str) -> bool:
        return subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False).returncode == 0

    assert (ROOT / folder / "README.md").exists()
    assert not ignored(f"{folder}/README.md")
    assert ignored(f"{folder}/prepare_model/anything")
    assert not ignored("data/mini_world/lexicon.csv")


def test_the_tree_in_the_readme_exists() -> None:
    """A fresh clone shows every entry of the top level that the README names."""
    (tree,) = re.findall(r"## The tree\n\n```\n(.*?)```", README, re.DOTALL)
    named = [line.split()[0] for line in tree.splitlines() if line and not line.startswith(" ")]
    assert len(named) >= 8
    assert [name for name in named if not (ROOT / name).exists()] == []
