"""How many model stages run at once on a device, whoever starts them: dvc repro, dvc queue, a flow.

A GPU takes one at a time, of all projects of a user on a machine. A CPU takes as many as params.yaml says, per project:
another project's study makes this one slower, not wait. The operating system holds the locks and frees them when their
process dies, so none can leak.
"""

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from tasks.plumbing import project

# Another folder for all locks, for tests, which must not wait for a study that runs beside them.
FOLDER_VARIABLE = "POLYDETOX_LOCKS"


def device_name(wanted: str) -> str:
    """Cuda or cpu, without importing torch: `auto` is cuda where a driver is loaded and a GPU not hidden."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    driver = Path("/proc/driver/nvidia").exists() or Path("/dev/nvidiactl").exists()
    return "cuda" if wanted == "cuda" or (wanted == "auto" and driver and not hidden) else "cpu"


def slots(device: str, runtime: Mapping[str, Any]) -> int:
    """How many model stages may run at once on a device: one on a GPU; on a CPU `cpu_stages`.

    Where that is null, as many as have their own cores with `cpu_threads` threads each, and at least one.
    """
    if device == "cuda":
        return 1
    chosen = runtime.get("cpu_stages")
    return int(chosen) if chosen else max(1, (os.cpu_count() or 1) // int(runtime.get("cpu_threads") or 2))


def lock_folder(device: str) -> Path:
    """Where the lock files lie: a GPU's in a folder that a user's projects share, a CPU's in the project's own."""
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named)
    if device == "cuda":
        return Path(tempfile.gettempdir()) / f"polydetox-{os.getuid()}"
    return project.root() / ".polydetox" / "locks"


@contextlib.contextmanager
def held(device: str, count: int, say: Callable[[str], None], folder: Path | None = None) -> Iterator[None]:
    """Holds one of the device's slots during the block; waits for one, and says so once.

    Args:
        device: cuda or cpu.
        count: Slots that the device has.
        say: Told when the block has to wait.
        folder: Where the lock files lie; by default `lock_folder(device)`.
    """
    folder = folder or lock_folder(device)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.ExitStack() as files:
        opened = [files.enter_context((folder / f"{device}-{slot}.lock").open("a")) for slot in range(count)]
        waiting = False
        while not any(_try(file) for file in opened):
            if not waiting:
                say(f"waiting for {device}: another stage uses it")
                waiting = True
            time.sleep(0.2)
        yield


def _try(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
