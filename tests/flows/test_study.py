"""The study as a flow does what `dvc repro` does, in parallel, and leaves the same dvc.lock."""

import sys
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from flows.study import Request, study

ALL = ["last", "model", "root", "side-a", "side-b", "side-c"]


def run(**request: Any) -> State[Any]:
    """Final state of one run of the flow."""
    return study(Request(**request), return_state=True)


def test_a_fresh_project_runs_whole_and_then_not_at_all(toy) -> None:
    """From nothing all six stages run and `dvc status` is clean; again nothing runs and every stage is Cached."""
    state = run()
    assert state.is_completed() and state.message == "6 Executed"
    assert toy.ran() == ALL
    assert toy.dvc("status").stdout.strip() == "Data and pipelines are up to date."
    state = run()
    assert (state.name, state.message) == ("Cached", "6 Cached")
    assert toy.ran() == []


def test_after_dvc_repro_the_flow_does_nothing(fresh_toy) -> None:
    """What DVC brought up to date is Cached for the flow, and dvc.lock keeps its bytes."""
    before = fresh_toy.lock()
    assert run().message == "6 Cached"
    assert fresh_toy.ran() == [] and fresh_toy.lock() == before


def test_the_lock_is_that_of_dvc_repro_whatever_ends_last(toy) -> None:
    """The first of the parallel stages ends last; a sequential repro, which writes it first, leaves the same bytes."""
    twin = toy.copy("twin")
    toy.behave("side-a", until=["side-b.ended", "side-c.ended"])
    assert run().is_completed()
    assert toy.span("side-a")[1] > toy.span("side-c")[1]
    assert twin.dvc("repro").returncode == 0
    assert toy.lock() == twin.lock() and toy.outputs() == twin.outputs()


def test_a_changed_parameter_runs_the_same_stages_as_dvc_repro_there_and_back(fresh_toy) -> None:
    """side-b and what reads it run in both, with one lock; with the old value back, side-b is restored in both.

    What `last` writes is for git, not for DVC's cache (cache: false), so DVC has no copy to restore and runs it.
    """
    twin = fresh_toy.copy("twin")
    before = fresh_toy.lock()
    for project in (fresh_toy, twin):
        project.edit("side-b: 1", "side-b: 2")
    assert run().message == "4 Cached, 2 Executed"
    assert twin.dvc("repro").returncode == 0
    assert fresh_toy.ran() == twin.ran() == ["last", "side-b"]
    assert fresh_toy.lock() == twin.lock() != before

    for project in (fresh_toy, twin):
        project.edit("side-b: 2", "side-b: 1")
    assert run().message == "4 Cached, 1 Restored, 1 Executed"
    assert twin.dvc("repro").returncode == 0
    assert fresh_toy.ran() == twin.ran() == ["last"]
    assert fresh_toy.lock() == twin.lock() == before
    assert fresh_toy.dvc("status").stdout.strip() == "Data and pipelines are up to date."


def test_a_stage_whose_inputs_come_out_as_they_were_is_cached(fresh_toy) -> None:
    """A line end of another kind changes raw.txt, not what root writes: root runs, and nothing below it does."""
    before = fresh_toy.outputs()
    (fresh_toy.root / "raw.txt").write_bytes(b"raw\r\n")
    assert run().message == "1 Executed, 5 Cached"
    assert fresh_toy.ran() == ["root"] and fresh_toy.outputs() == before
    assert fresh_toy.dvc("status").stdout.strip() == "Data and pipelines are up to date."


@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_an_output_that_is_not_what_the_lock_says_is_made_again(fresh_toy, damage: str) -> None:
    """A deleted output and one with a flipped bit come back as they were; a stage above or beside is not touched."""
    before = fresh_toy.outputs()
    path = fresh_toy.root / "data/side/b.txt"
    whole = path.read_bytes()
    path.unlink()
    if damage == "altered":
        path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    state = run()
    assert state.is_completed() and state.message == "5 Cached, 1 Restored"
    assert fresh_toy.outputs() == before


def test_force_runs_what_is_fresh(fresh_toy) -> None:
    """A forced target runs though nothing changed, and so does what it needs; the lock stays as it was."""
    before = fresh_toy.lock()
    assert run(targets=["model"], force=True).message == "2 Executed"
    assert fresh_toy.ran() == ["model", "root"] and fresh_toy.lock() == before


def test_a_failure_keeps_only_the_stages_below_it_from_running(fresh_toy) -> None:
    """side-a fails and says why; side-b, side-c and model finish; last is NotReady; then only the missing two run."""
    fresh_toy.edit("root: 1", "root: 2")
    fresh_toy.behave("side-a", fail=1, say="the disk is full of water")
    state = run()
    assert state.is_failed() and state.message is not None
    assert state.message.startswith("4 Executed, 1 Failed, 1 NotReady: side@a, last;")
    assert fresh_toy.ran() == ["model", "root", "side-b", "side-c"]
    assert run().message == "4 Cached, 2 Executed"
    assert fresh_toy.ran() == ["last", "side-a"]


def test_the_flow_waits_for_a_dvc_repro_of_somebody_else(fresh_toy) -> None:
    """While another process runs root, the flow waits; then it finds root fresh and runs only what is below."""
    fresh_toy.edit("root: 1", "root: 2")
    fresh_toy.behave("root", seconds=3)  # long enough, on a quiet machine, for the flow to meet it
    other = fresh_toy.start(sys.executable, "-m", "dvc", "repro", "root")
    fresh_toy.wait_until(lambda: fresh_toy.attempts("root"))
    assert run(targets=["model"]).message == "1 Cached, 1 Executed"
    assert other.wait(300) == 0
    assert fresh_toy.ran() == ["model", "root"]
