"""A run that is cancelled or killed leaves no process behind and a project that goes on where it was."""

import os
import signal
import threading
import time

import psutil
import pytest

from flows.study import Request, study


def grandchildren(toy) -> list[psutil.Process]:
    """Processes that a stage left behind."""
    return [process for process in toy.processes() if "toy-grandchild" in process.cmdline()]


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT], ids=["worker", "ctrl-c"])
def test_a_cancelled_run_ends_at_once_and_the_next_completes_it(fresh_toy, by: signal.Signals) -> None:
    """A stage with a child of its own is running, another waits to be tried again, both with retries left.

    The flow and all its processes end long before the hour that one takes. Nothing was started again, DVC is usable,
    and the next run executes what is missing.
    """
    for name in ("side-a", "side-b", "side-c"):
        fresh_toy.edit(f"{name}: 1", f"{name}: 2")
    fresh_toy.behave("side-a", seconds=3600, child=True)
    fresh_toy.behave("side-b", fail=1, status=70)
    flow = fresh_toy.start_study()
    fresh_toy.wait_until(lambda: grandchildren(fresh_toy) and "trying again" in fresh_toy.said())
    fresh_toy.wait_until(lambda: "'side@c' - Finished" in fresh_toy.said())
    os.kill(flow.pid, by)
    assert flow.wait(300) not in (None, 0)
    assert fresh_toy.processes() == []
    assert fresh_toy.dvc("status").returncode == 0
    time.sleep(1)  # a stage that somebody revived would have begun
    assert [fresh_toy.attempts(name) for name in ("side-a", "side-b", "side-c")] == [1, 1, 1]
    assert fresh_toy.ran() == ["side-c"]
    fresh_toy.behave("side-a")
    assert study(Request(), return_state=True).message == "3 Cached, 3 Executed"
    assert fresh_toy.ran() == ["last", "side-a", "side-b"]
    assert fresh_toy.dvc("status").stdout.strip() == "Data and pipelines are up to date."


def test_a_killed_run_is_taken_over_by_the_next(fresh_toy) -> None:
    """Kill -9 leaves a stage running without its flow; the next run waits for it, and nothing finished is run again.

    In the end the lock has the bytes that an undisturbed `dvc repro` gives it.
    """
    for name in ("side-a", "side-b"):
        fresh_toy.edit(f"{name}: 1", f"{name}: 2")
    twin = fresh_toy.copy("twin")
    fresh_toy.behave("side-a", until=["go"])
    flow = fresh_toy.start_study()
    fresh_toy.wait_until(lambda: fresh_toy.attempts("side-a") and fresh_toy.attempts("side-b"))
    fresh_toy.wait_until(lambda: any(span["stage"] == "side-b" for span in fresh_toy.spans()))
    fresh_toy.wait_until(lambda: "'side@b' - Finished" in fresh_toy.said())
    flow.kill()
    flow.wait()
    assert [process for process in fresh_toy.processes() if "step.py" in process.cmdline()]
    threading.Timer(3, (fresh_toy.root / "behave" / "go").touch).start()  # while the next run waits
    assert study(Request(), return_state=True).is_completed()
    assert [fresh_toy.attempts(name) for name in ("side-a", "side-b")] == [1, 1]
    assert fresh_toy.processes() == []
    assert twin.dvc("repro").returncode == 0
    assert fresh_toy.lock() == twin.lock() and fresh_toy.outputs() == twin.outputs()
