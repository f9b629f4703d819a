"""Runs DVC as a child process whose lines are read while they appear, and which can always be stopped.

A run of a flow has a folder: a file per living child, named by its process group, and a file STOP once the run is to
end. So the flow's process can stop children that a worker process of Dask or Ray started.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

GRACE_SECONDS = 5.0
CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # of a terminal: bars move the cursor
SECRET_NAME = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_KEY|AUTH_STRING", re.IGNORECASE)
SHORTEST_SECRET = 6  # characters; a shorter value would blot out ordinary words


def environment(**more: str) -> dict[str, str]:
    """This process's environment for a child: this Python first on the path, nothing reported to anybody."""
    mine = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "DVC_NO_ANALYTICS": "1",
        "DO_NOT_TRACK": "1",
        "PYTHONUNBUFFERED": "1",
        "TQDM_MININTERVAL": "1",  # seconds between two states of a bar: each becomes a line
        # A thread that waits for another gives its core to the stage beside it: 1.2 times as fast with a busy core.
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
    }
    return {**os.environ, **mine, **more}


def redact(line: str) -> str:
    """The line without the value of any secret that the environment holds."""
    # The longest first, for one may be part of another.
    for name, value in sorted(os.environ.items(), key=lambda item: len(item[1]), reverse=True):
        if len(value) >= SHORTEST_SECRET and SECRET_NAME.search(name) and value in line:
            line = line.replace(value, f"<{name}>")
    return line


def run(
    command: Sequence[str], cwd: Path, env: Mapping[str, str], folder: Path, on_line: Callable[[str], None]
) -> int | None:
    """Exit status of the command; None if the run was told to stop. No process of its group outlives the call.

    Args:
        command: Program and arguments.
        cwd: Where it runs.
        env: Its whole environment.
        folder: The run's folder.
        on_line: Called with each line of its output, secrets removed, while it runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if stopping(folder):
        return None
    child = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,  # a carriage return ends a line, too: each state of a progress bar is one
        errors="replace",
        start_new_session=True,
    )
    mark = folder / f"{child.pid}.pgid"
    mark.touch()
    watcher = threading.Thread(target=_end_in_time, args=(child, folder), daemon=True)
    watcher.start()
    assert child.stdout is not None  # it was asked for
    try:
        for line in child.stdout:
            if text := redact(CONTROL.sub("", line).strip()):
                on_line(text)
        child.wait()
    finally:
        end_group(child.pid, child.poll)
        child.wait()
        child.stdout.close()
        mark.unlink(missing_ok=True)
    return None if stopping(folder) else child.returncode


def stopping(folder: Path) -> bool:
    """Whether the run was told to stop."""
    return (folder / "STOP").exists()


def stop(folder: Path) -> None:
    """Tells the run to stop: no child starts any more, and each that lives is ended."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "STOP").touch()
    for mark in folder.glob("*.pgid"):
        end_group(int(mark.stem))


def end_group(group: int, reap: Callable[[], object] = bool, grace: float = GRACE_SECONDS) -> None:
    """Ends every process of a group: politely, then surely.

    Args:
        group: Process group.
        reap: Called while waiting, so that the caller's own dead child leaves the group.
        grace: Seconds between asking and killing.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline:
            reap()
            os.killpg(group, 0)
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)


def _end_in_time(child: "subprocess.Popen[str]", folder: Path) -> None:
    while child.poll() is None and not stopping(folder):
        time.sleep(0.3)
    # Also of a child that ended by itself: what it left behind may keep the pipe open for ever.
    end_group(child.pid, child.poll)
