"""A block that takes too long ends its process, children included; one that does not never notices."""

import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[3]


def run(script: str) -> subprocess.CompletedProcess[str]:
    """A script that has time_limit; far from its limit here, however busy the machine is."""
    start = "import re, subprocess, sys, time\nfrom tasks.plumbing import time_limit as module\n"
    command = [sys.executable, "-c", start + script]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def test_a_block_over_its_limit_ends_with_124_and_its_children() -> None:
    """It waits for a child that would never end; both are gone, and stderr has the limit and where it was."""
    done = run(
        "def wait_for_the_child():\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)'])\n"
        "    print(child.pid, flush=True)\n"
        "    child.wait()\n"
        "with module.time_limit(0.6, 'train_dpo@1'):\n"
        "    wait_for_the_child()\n"
    )
    assert done.returncode == 124
    assert "train_dpo@1: over its limit of 0.01 minutes, stopped" in done.stderr
    assert "in wait_for_the_child" in done.stderr
    psutil.wait_procs([child] if (child := _process(int(done.stdout))) else [], timeout=120)
    assert child is None or not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_computation_that_never_gives_the_interpreter_back_is_ended_too() -> None:
    """A regular expression that backtracks for ages holds the interpreter; the watchdog outside says where it was."""
    done = run(
        "module.GRACE_SECONDS = 0.5\n"
        "def backtrack():\n"
        "    re.match('(a+)+$', 'a' * 60 + 'b')\n"
        "with module.time_limit(0.5, 'slow'):\n"
        "    backtrack()\n"
    )
    assert done.returncode == 1
    assert "Timeout" in done.stderr and "in backtrack" in done.stderr


def test_it_ends_the_process_though_nothing_can_be_said() -> None:
    """Where stderr is no file, as in a notebook, the limit holds all the same."""
    done = run("import io\nsys.stderr = io.StringIO()\nwith module.time_limit(0.3, 'mute'):\n    time.sleep(3600)\n")
    assert done.returncode == 124


def test_within_the_limit_nothing_happens() -> None:
    """A block that ends in time leaves no timer behind that could strike later, nor does one that fails."""
    done = run(
        "module.GRACE_SECONDS = 0.2\n"
        "with module.time_limit(0.3, 'quick'):\n"
        "    pass\n"
        "try:\n"
        "    with module.time_limit(0.3, 'broken'):\n"
        "        raise LookupError\n"
        "except LookupError:\n"
        "    time.sleep(1)\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
