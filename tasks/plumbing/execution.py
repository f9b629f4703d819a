"""Notes in the ledger what a stage's process was: when, how long, how large, on what."""

import os
import platform
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tasks.plumbing import ledger, lineage, project

# Set by the flow for the stages that it runs.
FLOW_RUN, EXPERIMENT = "POLYDETOX_FLOW_RUN", "POLYDETOX_EXPERIMENT"
COMPUTE = ("torch", "transformers", "trl", "numpy", "scipy", "pandas")


@contextmanager
def noted(stage: str) -> Iterator[None]:
    """Writes an Execution if the block ends without an error. A note that cannot be written costs no result."""
    started, clock = datetime.now(UTC), time.monotonic()
    yield
    try:
        ledger.note_execution(
            ledger.Execution(
                key=lineage.expected_key(stage),
                stage=stage,
                started=started.isoformat(timespec="seconds"),
                seconds=round(time.monotonic() - clock, 1),
                peak_memory_mib=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
                peak_gpu_memory_mib=_peak_gpu_memory(),
                device=_device(),
                cpu_threads=_cpu_threads(),
                versions={"python": platform.python_version()} | {name: version(name) for name in COMPUTE},
                git_commit=project.git("rev-parse", "HEAD"),
                git_diff=project.diff_digest(Path.cwd()),
                flow_run=os.environ.get(FLOW_RUN),
                experiment=os.environ.get(EXPERIMENT) or os.environ.get("DVC_EXP_NAME"),
            )
        )
    except Exception as error:  # whatever it is, the result is made
        print(f"{stage}: no note of this run in {ledger.FOLDER} ({type(error).__name__}: {error})", file=sys.stderr)


def _device() -> str:
    torch = sys.modules.get("torch")  # a stage that did not load it used no GPU
    return str(torch.cuda.get_device_name()) if torch and torch.cuda.is_initialized() else "cpu"


def _cpu_threads() -> int | None:
    torch = sys.modules.get("torch")
    return int(torch.get_num_threads()) if torch else None


def _peak_gpu_memory() -> float | None:
    torch = sys.modules.get("torch")
    if not torch or not torch.cuda.is_initialized():
        return None
    return round(float(torch.cuda.max_memory_allocated()) / 2**20, 1)
