"""The ledger keeps what it is given, in order, and is never needed."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.plumbing import ledger
from tasks.plumbing.ledger import Execution, FlowRun


def _execution(key: str = "abc", started: str = "2026-11-23T10:00:00+00:00", **changes: object) -> Execution:
    values = {
        "key": key,
        "stage": "train_dpo@1",
        "started": started,
        "seconds": 12.5,
        "peak_memory_mib": 800.0,
        "peak_gpu_memory_mib": None,
        "device": "cpu",
        "versions": {"python": "3.11.7", "torch": "2.13.0"},
        "git_commit": "f00",
        "git_diff": None,
        "flow_run": None,
        "experiment": "bold-fish",
    }
    return Execution.model_validate(values | changes)


def _flow_run(name: str, started: str) -> FlowRun:
    return FlowRun(
        id=f"id-of-{name}",
        name=name,
        flow="study",
        url=None,
        started=started,
        finished="2026-11-23T12:00:00+00:00",
        experiment=None,
        keys={"train_dpo@1": "abc"},
        outcomes={"train_dpo@1": "Executed"},
    )


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, from which notes are written as if from a copy of it elsewhere."""
    root = tmp_path / "project"
    elsewhere = tmp_path / "copy"
    root.mkdir()
    elsewhere.mkdir()
    monkeypatch.setenv("POLYDETOX_ROOT", str(root))
    monkeypatch.chdir(elsewhere)
    return root


def test_without_a_ledger_nothing_is_known() -> None:
    """No folder: no executions, no flow runs, no error, and none is made by asking."""
    assert ledger.executions("abc") == []
    assert ledger.flow_runs() == []
    assert not list(Path("..").rglob(".polydetox"))


def test_what_is_noted_is_read_again(project: Path) -> None:
    """Every field, in the project and not in the copy."""
    execution, run = _execution(), _flow_run("bold-fox", "2026-11-23T10:00:00+00:00")
    ledger.note_execution(execution)
    ledger.note_flow_run(run)
    assert ledger.executions("abc") == [execution]
    assert ledger.flow_runs() == [run]
    assert not Path(".polydetox").exists()
    (note,) = (project / ".polydetox" / "executions").iterdir()
    assert json.loads(note.read_text()) == execution.model_dump()


def test_executions_of_a_key_stand_beside_each_other_oldest_first() -> None:
    """Three of one key, noted out of order, and one of another key that begins alike."""
    times = [f"2026-11-23T{hour}:00:00+00:00" for hour in ("09", "10", "11")]
    for started in (times[1], times[2], times[0]):
        ledger.note_execution(_execution(started=started))
    ledger.note_execution(_execution(key="abcd"))
    assert [execution.started for execution in ledger.executions("abc")] == times


def test_flow_runs_are_oldest_first() -> None:
    """By their start, whatever their names."""
    ledger.note_flow_run(_flow_run("a", "2026-11-23T11:00:00+00:00"))
    ledger.note_flow_run(_flow_run("b", "2026-11-23T10:00:00+00:00"))
    assert [run.name for run in ledger.flow_runs()] == ["b", "a"]


def test_a_note_with_the_same_start_is_replaced() -> None:
    """A stage cannot have begun twice at one moment."""
    ledger.note_execution(_execution(seconds=1.0))
    ledger.note_execution(_execution(seconds=2.0))
    assert [execution.seconds for execution in ledger.executions("abc")] == [2.0]


def test_a_broken_note_is_named(project: Path) -> None:
    """It is not passed over: the ledger is ours alone to write."""
    ledger.note_execution(_execution())
    (note,) = (project / ".polydetox" / "executions").iterdir()
    note.write_text(json.dumps({"key": "abc"}))
    with pytest.raises(ValidationError, match="started"):
        ledger.executions("abc")
