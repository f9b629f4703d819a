"""A child's lines are read while they appear, and no process of it outlives its run."""

import os
import sys
import threading
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from flows import children


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def run(script: str, folder: Path, lines: list[str]) -> int | None:
    """Exit status of a Python script."""
    return children.run([sys.executable, "-c", script], folder.parent, children.environment(), folder, lines.append)


def test_lines_and_status_are_those_of_the_command(folder: Path) -> None:
    """Both streams, a bar's states as lines of their own, no blank lines; afterwards the run's folder is empty."""
    lines: list[str] = []
    script = "import sys; print('one\\n\\n two '); sys.stderr.write('10%\\r20%\\rend\\n'); sys.exit(7)"
    assert run(script, folder, lines) == 7
    assert lines == ["one", "two", "10%", "20%", "end"]
    assert list(folder.iterdir()) == []


def test_bytes_that_are_no_text_cost_no_run(folder: Path) -> None:
    """A line in another encoding is shown as far as it can be read."""
    lines: list[str] = []
    assert run("import os; os.write(1, b'caf\\xe9\\n')", folder, lines) == 0
    assert lines == ["caf\N{REPLACEMENT CHARACTER}"]


def test_secrets_are_named_not_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of variables named like secrets are replaced, in a whole word or inside a URL; short ones and others not.

    A value that contains another is replaced whole, so that no rest of it shows.
    """
    monkeypatch.setenv("A_TOKEN", "canary")
    monkeypatch.setenv("HF_TOKEN", "canary-long")
    monkeypatch.setenv("DB_PASSWORD", "abc")
    monkeypatch.setenv("GREETING", "good day")
    assert children.redact("https://u:canary-long@host abc good day") == "https://u:<HF_TOKEN>@host abc good day"
    assert children.redact("canary!") == "<A_TOKEN>!"


def test_a_process_that_the_command_leaves_behind_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command ends at once; its child, which keeps the pipe open and ignores a polite signal, ends with it."""
    monkeypatch.setattr(children, "end_group", partial(children.end_group, grace=0.5))
    lines: list[str] = []
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    script = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {stubborn!r}], stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid)"
    )
    assert run(script, folder, lines) == 0
    assert not _alive(int(lines[0]))


@pytest.mark.parametrize("when", ["before", "while"])
def test_a_stopped_run_starts_nothing_and_ends_what_it_started(folder: Path, when: str) -> None:
    """Told to stop, `run` says None long before its child would end; told so before, it starts nothing."""
    lines: list[str] = []
    if when == "before":
        children.stop(folder)
    else:

        def stop_soon() -> None:
            while not lines:
                time.sleep(0.05)
            children.stop(folder)

        threading.Thread(target=stop_soon).start()
    assert run("import os, time; print(os.getpid(), flush=True); time.sleep(3600)", folder, lines) is None
    assert lines == [] if when == "before" else not _alive(int(lines[0]))
    assert not list(folder.glob("*.pgid")) and children.stopping(folder)


def test_a_stop_reaches_children_of_another_process(folder: Path) -> None:
    """As a worker of Dask or Ray has them: the run's folder is all that the two processes share."""
    lines: list[str] = []
    worker = (
        "import sys; from pathlib import Path; from flows import children\n"
        f"sys.path.insert(0, '.')\n"
        f"print(children.run(['sleep', '3600'], Path('.'), children.environment(), Path({os.fspath(folder)!r}), print))"
    )
    done: list[int | None] = []
    environment = children.environment(PYTHONPATH=os.fspath(Path(__file__).resolve().parents[2]))
    other = threading.Thread(
        target=lambda: done.append(
            children.run(
                [sys.executable, "-c", worker], folder.parent, environment, folder.with_name("other"), lines.append
            )
        )
    )
    other.start()
    deadline = time.monotonic() + 120
    while not list(folder.glob("*.pgid")) and time.monotonic() < deadline:
        time.sleep(0.05)
    [group] = [int(mark.stem) for mark in folder.glob("*.pgid")]
    children.stop(folder)
    other.join(120)
    assert done == [0] and lines == ["None"]
    assert not _alive(group)


def test_ending_a_group_that_is_gone_is_no_error() -> None:
    """A number that no process group has, as a mark left by a killed run may name."""
    children.end_group(2**22 - 1)


def test_children_find_this_python_and_tell_nobody() -> None:
    """`python` in dvc.yaml is this one, whatever PATH was; analytics are off."""
    env = children.environment(MORE="1")
    assert env["PATH"].split(os.pathsep)[0] == os.fspath(Path(sys.executable).parent)
    assert (env["DVC_NO_ANALYTICS"], env["DO_NOT_TRACK"], env["MORE"]) == ("1", "1", "1")


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
