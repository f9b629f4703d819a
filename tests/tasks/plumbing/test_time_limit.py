"""A block that takes too long ends its process, children included; one that does not never notices."""

import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[3]


def run(script: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """A script that has time_limit, and how long it took."""
    start = "import re, subprocess, sys, time\nfrom tasks.plumbing import time_limit as module\n"
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", start + script], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    return done, time.monotonic() - started


def test_a_block_over_its_limit_ends_with_124_and_its_children() -> None:
    """It waits for a child of a minute; within seconds both are gone, and stderr has the limit and where it was."""
    done, seconds = run(
        "def wait_for_the_child():\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "    print(child.pid, flush=True)\n"
        "    child.wait()\n"
        "with module.time_limit(0.6, 'train_dpo@1'):\n"
        "    wait_for_the_child()\n"
    )
    assert done.returncode == 124 and seconds < 10
    assert "train_dpo@1: over its limit of 0.01 minutes, stopped" in done.stderr
    assert "in wait_for_the_child" in done.stderr
    assert not psutil.pid_exists(int(done.stdout)) or psutil.Process(int(done.stdout)).status() == "zombie"


def test_a_computation_that_never_gives_the_interpreter_back_is_ended_too() -> None:
    """A regular expression that backtracks for ages holds the interpreter; the watchdog outside says where it was."""
    done, seconds = run(
        "module.GRACE_SECONDS = 0.5\n"
        "def backtrack():\n"
        "    re.match('(a+)+$', 'a' * 60 + 'b')\n"
        "with module.time_limit(0.5, 'slow'):\n"
        "    backtrack()\n"
    )
    assert done.returncode == 1 and seconds < 10
    assert "Timeout" in done.stderr and "in backtrack" in done.stderr


def test_it_ends_the_process_though_nothing_can_be_said() -> None:
    """Where stderr is no file, as in a notebook, the limit holds all the same."""
    done, _ = run("import io\nsys.stderr = io.StringIO()\nwith module.time_limit(0.3, 'mute'):\n    time.sleep(20)\n")
    assert done.returncode == 124


def test_within_the_limit_nothing_happens() -> None:
    """A block that ends in time leaves no timer behind that could strike later, nor does one that fails."""
    done, _ = run(
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
