"""Whoever carries the stages, threads or a Dask or Ray cluster, the result is the same."""

import psutil
import pytest

from flows.runners import task_runner, workers

MARK = "POLYDETOX_TEST_CLUSTER"


def clusters(mark: str) -> set[int]:
    """Living processes, of Ray or Dask or whatever else, that the flow with this mark in its environment started."""
    found = set()
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.add(process.pid)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("runner", ["dask", "ray"])
def test_a_cluster_makes_what_dvc_repro_makes(toy, repeated_toy, runner: str) -> None:
    """From nothing, two stages at once: same outputs, same bytes of dvc.lock; nothing of the cluster is left after."""
    toy.behave("side-a", until=["side-b.attempts"])
    toy.behave("side-b", until=["side-a.attempts"])
    flow = toy.start_study(POLYDETOX_RUNNER=runner, POLYDETOX_WORKERS="2", **{MARK: str(toy.root)})
    assert flow.wait(400) == 0, toy.said()[-3000:]
    assert "6 Executed" in toy.said()
    assert toy.lock() == repeated_toy.lock() and toy.outputs() == repeated_toy.outputs()
    spans = toy.spans()
    assert max(sum(one["started"] <= begun["started"] < one["ended"] for one in spans) for begun in spans) == 2
    assert toy.dvc("status").stdout.strip() == "Data and pipelines are up to date."
    toy.wait_until(lambda: not clusters(str(toy.root)))
    assert toy.processes() == []


@pytest.mark.parametrize(("value", "word"), [("abc", "'abc'"), ("0", "'0'"), ("-1", "'-1'"), ("1.5", "'1.5'")])
def test_a_number_of_workers_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str, word: str) -> None:
    """The message has the variable, its value and what is expected."""
    monkeypatch.setenv("POLYDETOX_WORKERS", value)
    with pytest.raises(ValueError, match=f"POLYDETOX_WORKERS={word}: expected"):
        workers()


def test_an_unknown_runner_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the variable, its value and those that exist."""
    monkeypatch.setenv("POLYDETOX_RUNNER", "airflow")
    with pytest.raises(ValueError, match="POLYDETOX_RUNNER='airflow': expected threads, dask or ray"):
        task_runner()
