"""Stages side by side: what runs at once, what is tried again, and what a person sees meanwhile."""

import time
from itertools import combinations
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterTaskRunId,
)
from prefect.client.schemas.objects import Log, State, TaskRun

from flows import stages
from flows.runners import workers
from flows.study import Request, study

SECRET = "canary-7d1f0a"
SECOND_MODEL = """\
  other:
    cmd: python step.py other models/other.txt data/root/out.txt
    deps: [data/root/out.txt]
    outs: [models/other.txt]
    meta: {gpu: true}
  last:
"""


def run(**request: Any) -> State[Any]:
    """Final state of one run of the flow."""
    return study(Request(**request), return_state=True)


def task_run(state: State[Any], name: str) -> TaskRun:
    """A stage's task run in a run of the flow, as the server has it."""
    found = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    with get_client(sync_client=True) as client:
        [one] = [one for one in client.read_task_runs(flow_run_filter=found) if one.name == name]
    return one


def logs(one: TaskRun, wanted: str) -> list[Log]:
    """Log lines of a task run, once the server has one with this text."""
    deadline = time.monotonic() + 120
    while True:
        with get_client(sync_client=True) as client:
            found = client.read_logs(LogFilter(task_run_id=LogFilterTaskRunId(any_=[one.id])))
        if any(wanted in line.message for line in found) or time.monotonic() > deadline:
            return found
        time.sleep(0.3)


def test_stages_overlap_but_never_two_on_one_gpu(fresh_toy) -> None:
    """Stages that do not need each other run at once, as many as there are workers; both models want the GPU alone."""
    fresh_toy.edit("  last:\n", SECOND_MODEL, name="dvc.yaml")
    for number, name in enumerate(("side-a", "side-b", "side-c", "model", "other"), 2):
        fresh_toy.behave(name, seconds=0.2)
        if name != "other":
            fresh_toy.edit(f"{name}: 1", f"{name}: {number}")
    fresh_toy.behave("side-a", until=["side-b.attempts"])
    fresh_toy.behave("side-b", until=["side-a.attempts"])
    assert run(targets=["side", "model", "other"], device="cuda").message == "1 Cached, 5 Executed"
    spans = {span["stage"]: (span["started"], span["ended"]) for span in fresh_toy.spans()}
    overlaps = {
        frozenset((one, two))
        for one, two in combinations(spans, 2)
        if spans[one][0] < spans[two][1] and spans[two][0] < spans[one][1]
    }
    assert overlaps and {"model", "other"} not in overlaps
    at_once = max(sum(begin <= moment < end for begin, end in spans.values()) for moment, _ in spans.values())
    assert 2 <= at_once <= workers()


def test_a_crash_is_tried_again_and_a_refusal_is_not(fresh_toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of stages with two retries, one that exits twice with 70 succeeds; one that exits with 1 has its one attempt."""
    monkeypatch.setattr(stages, "RETRY_DELAYS", [0, 0, 0])
    for name in ("side-a", "side-b"):
        fresh_toy.edit(f"{name}: 1", f"{name}: 2")
    fresh_toy.behave("side-a", fail=2, status=70)
    fresh_toy.behave("side-b", fail=5, status=1)
    state = run(targets=["side"])
    assert state.message is not None and state.message.startswith("2 Cached, 1 Executed, 1 Failed: side@b;")
    assert [fresh_toy.attempts(name) for name in ("side-a", "side-b", "side-c")] == [3, 1, 0]


def test_a_failed_stage_says_why_in_its_state(fresh_toy) -> None:
    """The state's message ends with what the stage said last and with the exit status, as DVC puts it."""
    fresh_toy.edit("model: 1", "model: 2")
    fresh_toy.behave("model", say="the disk is full of water", fail=1)
    message = task_run(run(targets=["model"]), "model").state.message
    assert "model: the disk is full of water\n" in message and "exited with 1" in message
    assert "Running stage" not in message


def test_lines_and_bars_appear_while_the_stage_runs(fresh_toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is logged before its stage ends, without the secret in it; a bar is an artifact."""
    monkeypatch.setenv("MY_API_KEY", SECRET)
    fresh_toy.edit("side-b: 1", "side-b: 2")
    fresh_toy.behave("side-b", say=f"hello with {SECRET}", bar=True, seconds=3)
    one = task_run(run(targets=["side@b"]), "side@b")
    lines = logs(one, "hello")
    [hello] = [line for line in lines if "hello" in line.message]
    assert hello.message == "hello with <MY_API_KEY>"
    _, ended = fresh_toy.span("side-b")
    assert hello.timestamp.timestamp() < ended
    assert not any("%|" in line.message for line in lines)
    with get_client(sync_client=True) as client:
        [bar] = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["progress-side-b"])))
    assert (bar.type, bar.data, bar.task_run_id) == ("progress", 100, one.id)
