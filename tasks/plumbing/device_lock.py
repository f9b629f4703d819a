"""One model stage at a time per device, whoever starts it: dvc repro, dvc queue, a flow.

The operating system holds the locks and frees them when their process dies, so none can leak.
"""

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

# Other folder, other locks: for tests, which must not wait for a study that runs beside them.
FOLDER_VARIABLE = "POLYDETOX_LOCKS"
THREADS_PER_STAGE = 2  # what a model stage uses of a CPU (tasks/models/torch_setup.py)


def device_name(wanted: str) -> str:
    """Cuda or cpu, without importing torch: `auto` is cuda where a driver is loaded and a GPU not hidden."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    driver = Path("/proc/driver/nvidia").exists() or Path("/dev/nvidiactl").exists()
    return "cuda" if wanted == "cuda" or (wanted == "auto" and driver and not hidden) else "cpu"


def slots(device: str) -> int:
    """How many model stages may run on a device at once: one on a GPU, on a CPU as many as have their own cores."""
    return 1 if device == "cuda" else max(1, (os.cpu_count() or 1) // THREADS_PER_STAGE)


@contextlib.contextmanager
def device_lock(device: str, say: Callable[[str], None], folder: Path | None = None) -> Iterator[None]:
    """Holds one of the device's slots during the block; waits for one, and says so once.

    Args:
        device: cuda or cpu.
        say: Told when the block has to wait.
        folder: Where the lock files lie; all projects of one user on one machine share the default.
    """
    shared = os.environ.get(FOLDER_VARIABLE) or Path(tempfile.gettempdir()) / f"polydetox-{os.getuid()}"
    folder = folder or Path(shared)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.ExitStack() as files:
        opened = [files.enter_context((folder / f"{device}-{slot}.lock").open("a")) for slot in range(slots(device))]
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
