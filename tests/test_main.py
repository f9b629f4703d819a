"""`python -m tasks` runs one stage, and its exit status says to whoever started it what became of it."""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest
import yaml

from tasks import __main__ as cli

ROOT = Path(__file__).resolve().parents[1]
PIPELINE = """\
stages:
  stand_in:
    desc: stands in for a stage
    cmd: python -m tasks stand_in
    params: [stand_in]
  with_item:
    foreach: ${policies}
    do:
      desc: runs once per policy
      cmd: python -m tasks with_item ${key}
      params: [with_item]
"""
PARAMS = """\
policies: {base: models/prepare_model}
stand_in: {size: 3}
with_item: {size: 4}
runtime:
  {device: cpu, generate_batch: 1, score_batch: 1, embed_batch: 1, track_training: false}
"""
STAGE = """
from pydantic import BaseModel

from tasks.plumbing.files import ArtefactError


class Size(BaseModel, extra="forbid"):
    size: int


def run({arguments}) -> str:
{body}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of two stages beside the real plumbing."""
    (tmp_path / "tasks").mkdir()
    for name in ("__init__.py", "__main__.py", "plumbing"):
        (tmp_path / "tasks" / name).symlink_to(ROOT / "tasks" / name)
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "params.yaml").write_text(PARAMS)
    write_stage(tmp_path, "stand_in: Size", "return f'size {stand_in.size}'")
    write_stage(tmp_path, "item: str, policies: dict[str, str], with_item: Size", "return policies[item]", "with_item")
    return tmp_path


def write_stage(project: Path, arguments: str, body: str, name: str = "stand_in") -> None:
    """Writes the module of a stage."""
    text = STAGE.format(arguments=arguments, body=textwrap.indent(body, "    "))
    (project / "tasks" / f"{name}.py").write_text(text)


def tasks(project: Path, *arguments: str, by_dvc: bool = True) -> subprocess.CompletedProcess[str]:
    """What `python -m tasks` did, started as DVC starts it or by hand."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("POLYDETOX_", "DVC_"))}
    if by_dvc:
        env |= {"DVC_ROOT": os.fspath(project), "DVC_STAGE": "@".join(arguments)}
    command = [sys.executable, "-m", "tasks", *arguments]
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, timeout=60, check=False)


def notes(project: Path) -> list[str]:
    """Stages with a note in the ledger."""
    paths = sorted((project / ".polydetox" / "executions").glob("*.json"))
    return [json.loads(path.read_text())["stage"] for path in paths]


def test_a_stage_gets_its_sections_and_says_what_it_did(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 0, one line with the summary and the seconds, and, where DVC runs it, a note in the ledger."""
    monkeypatch.setenv("DVC_STAGE", "any")
    done = tasks(project, "stand_in")
    assert (done.returncode, done.stdout, done.stderr) == (0, "stand_in: size 3 (0 s)\n", "")
    done = tasks(project, "with_item", "base")
    assert (done.returncode, done.stdout) == (0, "with_item@base: models/prepare_model (0 s)\n")
    assert sorted(notes(project)) == ["stand_in", "with_item@base"]


def test_a_stage_that_a_person_runs_is_not_noted(project: Path) -> None:
    """What DVC does not run, dvc.lock does not record, so a note would be of nothing."""
    assert tasks(project, "stand_in", by_dvc=False).returncode == 0
    assert notes(project) == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["with_item"], "with_item needs an item"),
        (["with_item", "dpo-9"], "no policy 'dpo-9' in params.yaml: policies; it has base"),
    ],
)
def test_a_stage_that_cannot_run_as_things_are_says_so(project: Path, arguments: list[str], word: str) -> None:
    """Status 1: trying again would not help; a message, no traceback, no note."""
    done = tasks(project, *arguments)
    assert (done.returncode, done.stdout) == (1, "") and word in done.stderr
    assert "Traceback" not in done.stderr and notes(project) == []


def test_an_artefact_that_is_not_as_it_should_be_is_status_1(project: Path) -> None:
    """The stage's own message, and no traceback."""
    write_stage(project, "", "raise ArtefactError('data/x.csv: has no rows')")
    done = tasks(project, "stand_in")
    assert (done.returncode, done.stderr) == (1, "stand_in: data/x.csv: has no rows\n")


def test_a_crash_is_status_70_with_its_traceback(project: Path) -> None:
    """Status 70, which a flow tries again where dvc.yaml says so; no note."""
    write_stage(project, "", "raise ConnectionError('the scorer does not answer')")
    done = tasks(project, "stand_in")
    assert done.returncode == 70 and notes(project) == []
    assert "Traceback" in done.stderr and done.stderr.endswith("ConnectionError: the scorer does not answer\n")


def test_a_stage_over_its_minutes_is_status_124(project: Path) -> None:
    """The limit is that of dvc.yaml, in minutes; the message names the stage."""
    write_stage(project, "", "import time\ntime.sleep(30)\nreturn ''")
    (project / "dvc.yaml").write_text(
        PIPELINE.replace("stand_in\n    params", "stand_in\n    meta: {minutes: 0.01}\n    params")
    )
    done = tasks(project, "stand_in")
    assert done.returncode == 124 and "stand_in: over its limit of 0.01 minutes" in done.stderr
    assert notes(project) == []


def test_the_wait_for_a_device_is_no_part_of_the_time_limit(project: Path) -> None:
    """Another process holds the GPU for longer than the stage may take; the stage waits, says so, and completes."""
    meta = "meta: {gpu: true, minutes: 0.02}"
    (project / "dvc.yaml").write_text(PIPELINE.replace("stand_in\n    params", f"stand_in\n    {meta}\n    params"))
    (project / "params.yaml").write_text(PARAMS.replace("device: cpu", "device: cuda"))
    folder = project / "tmp"
    hold = (
        "import sys\nfrom tasks.plumbing.device_lock import held\n"
        "with held('cuda', 1, print):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    folder.mkdir()
    env = os.environ | {"TMPDIR": os.fspath(folder)}
    env.pop("POLYDETOX_LOCKS", None)
    pipes = {"env": env, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", hold], cwd=ROOT, stdin=subprocess.PIPE, **pipes) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with subprocess.Popen([sys.executable, "-m", "tasks", "stand_in"], cwd=project, **pipes) as stage:
            assert stage.stdout is not None
            assert stage.stdout.readline() == "stand_in: waiting for cuda: another stage uses it\n"
            time.sleep(2)  # longer than the stage's limit of 1.2 s
            assert stage.poll() is None
            holder.communicate("")
            assert (stage.stdout.read(), stage.wait()) == ("stand_in: size 3 (0 s)\n", 0)
    assert tempfile.gettempdir() != os.fspath(folder)


@pytest.mark.parametrize("arguments", [[], ["no_such_stage"], ["stand_in", "a", "b"], ["--chek"]])
def test_a_wrong_call_is_status_2(project: Path, arguments: list[str]) -> None:
    """With the usage, before anything is loaded."""
    done = tasks(project, *arguments)
    assert done.returncode == 2 and done.stderr.startswith("usage: python -m tasks")


def test_check_names_everything_that_is_wrong_at_once(project: Path) -> None:
    """A value of each of two stages: both are named, nothing runs; with good values nothing is said."""
    done = tasks(project, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    (project / "params.yaml").write_text(PARAMS.replace("size: 3", "size: big").replace("size: 4", "sizes: 4"))
    done = tasks(project, "--check")
    assert (done.returncode, done.stdout) == (1, "")
    assert "stand_in.size: " in done.stderr and "(found 'big')" in done.stderr
    assert "with_item.sizes: unknown key; did you mean 'size'?" in done.stderr
    assert not (project / ".polydetox").exists()


def test_check_accepts_the_study_as_it_is_shipped() -> None:
    """Every stage accepts its sections of the repository's params.yaml."""
    done = tasks(ROOT, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("stage", "sections", "asks"),
    [
        ("prepare_model", {"prepare_model": {"kind": "hub"}}, True),
        ("prepare_model", {"prepare_model": {"kind": "mini"}}, False),
        ("score_toxicity", {"score_toxicity": {"scorers": {"g": {"model": "owner/name", "revision": "0"}}}}, True),
        ("score_labelled", {"score_toxicity": {"scorers": {"g": {"model": ".", "revision": "0"}}}}, False),
        ("score_toxicity", {"score_toxicity": {"scorers": {"r": {"kind": "replay", "revision": "0"}}}}, False),
        ("score_fluency", {"score_fluency": {"judge": "causal_lm", "model": "owner/name", "revision": "0"}}, True),
        ("generate", {"prepare_model": {"kind": "hub"}}, False),
    ],
)
def test_only_a_stage_that_names_a_model_of_the_hub_may_ask_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, sections: dict[str, object], asks: bool
) -> None:
    """A directory, an archive and every other stage need no network."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")
    assert cli._may_ask_hub(stage) == asks
