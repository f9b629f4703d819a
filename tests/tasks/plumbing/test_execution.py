"""A stage's note is written when it succeeds, and never at the cost of its result."""

import sys
from pathlib import Path

import pytest

from tasks.plumbing import execution, ledger, lineage
from tasks.plumbing.execution import noted

PIPELINE = "stages:\n  stage:\n    cmd: run\n    deps: [input.txt]\n    params: [stage]\n    outs: [output.txt]\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one stage that has not run, outside git; the current directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("POLYDETOX_ROOT", "DVC_ROOT", "POLYDETOX_FLOW_RUN", "POLYDETOX_EXPERIMENT", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "params.yaml").write_text("stage: {size: 3}\n")
    (tmp_path / "input.txt").write_text("in\n")
    return tmp_path


def notes(project: Path) -> list[ledger.Execution]:
    """All notes of executions."""
    paths = sorted((project / ".polydetox").rglob("*.json"))
    return [ledger.Execution.model_validate_json(path.read_text()) for path in paths]


def test_a_success_is_noted_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its key, its time, and for whom it ran; outside git without a commit, and without torch on the CPU."""
    monkeypatch.setenv("POLYDETOX_FLOW_RUN", "flow-7")
    monkeypatch.setenv("DVC_EXP_NAME", "bold-fish")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with noted("stage"):
        assert notes(project) == []
    [note] = notes(project)
    assert note.key == lineage.expected_key("stage")
    assert (note.stage, note.device, note.peak_gpu_memory_mib, note.git_commit) == ("stage", "cpu", None, "")
    assert (note.flow_run, note.experiment) == ("flow-7", "bold-fish")
    assert note.seconds >= 0 and note.peak_memory_mib > 1
    assert {"python", "torch", "numpy"} <= set(note.versions)


def test_an_experiment_notes_in_the_project_that_it_was_started_from(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The copy it runs in is removed; the note lies where POLYDETOX_ROOT says."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("POLYDETOX_ROOT", str(home))
    with noted("stage"):
        pass
    assert notes(project) == [] and len(notes(home)) == 1


def test_a_failure_is_not_noted(project: Path) -> None:
    """The error goes on to whoever runs the stage."""
    with pytest.raises(LookupError), noted("stage"):
        raise LookupError
    assert notes(project) == []


@pytest.mark.parametrize("damage", ["file in the way", "pipeline gone", "pipeline broken", "package missing"])
def test_a_note_that_cannot_be_written_costs_no_result(
    project: Path, damage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line on stderr says so, and the block ends as a success.

    A file where the folder should be stands for a folder that may only be read, which root could write to.
    """
    match damage:
        case "file in the way":
            (project / ".polydetox").write_text("")
        case "pipeline gone":
            (project / "dvc.yaml").unlink()
        case "pipeline broken":
            (project / "dvc.yaml").write_text("stages: [")
        case "package missing":
            monkeypatch.setattr(execution, "COMPUTE", ("no-such-package",))
    with noted("stage"):
        pass
    line = capsys.readouterr().err
    assert line.startswith("stage: no note of this run in .polydetox (")
