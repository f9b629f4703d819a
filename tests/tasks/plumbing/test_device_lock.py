"""One stage per slot of a device, whatever process it is, and no slot outlives its holder."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.plumbing import device_lock as module
from tasks.plumbing.device_lock import device_lock, device_name, slots

ROOT = Path(__file__).resolve().parents[3]
HOLD = """
import sys
from pathlib import Path
from tasks.plumbing.device_lock import device_lock
with device_lock(sys.argv[1], print, Path(sys.argv[2])):
    print("held", flush=True)
    input()
"""


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[[str], "subprocess.Popen[str]"]]:
    """Starts a process that holds a slot of a device until it reads a line or dies."""
    started = []

    def start(device: str) -> "subprocess.Popen[str]":
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLD, device, os.fspath(tmp_path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        return holder

    yield start
    for holder in started:
        holder.kill()
        with holder:
            pass


def taken(device: str, folder: Path, seconds: float = 0.5) -> bool:
    """Whether this process has to wait for the device, for so long at least; then it goes on waiting by itself."""
    done = threading.Event()

    def wait() -> None:
        with device_lock(device, lambda _: None, folder):
            done.set()

    threading.Thread(target=wait, daemon=True).start()
    return not done.wait(seconds)


def test_a_gpu_is_one_stages_alone(hold, tmp_path: Path) -> None:
    """While another process holds the GPU this one waits and says so once; when that ends this one has it at once."""
    holder = hold("cuda")
    heard: list[str] = []
    threading.Timer(1, holder.kill).start()
    started = time.monotonic()
    with device_lock("cuda", heard.append, tmp_path):
        assert 0.5 < time.monotonic() - started < 3
    assert heard == ["waiting for cuda: another stage uses it"]


def test_a_killed_holder_holds_nothing(hold, tmp_path: Path) -> None:
    """After kill -9, which no process can prepare for, the slot is free without anybody's repair."""
    holder = hold("cuda")
    assert taken("cuda", tmp_path)
    holder.kill()
    holder.wait()
    assert not taken("cuda", tmp_path, 2)


def test_a_failed_block_holds_nothing(tmp_path: Path) -> None:
    """An error inside the block frees the slot like its end."""
    with pytest.raises(ZeroDivisionError), device_lock("cuda", pytest.fail, tmp_path):
        _ = 1 / 0
    with device_lock("cuda", pytest.fail, tmp_path):
        pass


def test_devices_do_not_wait_for_each_other(hold, tmp_path: Path) -> None:
    """A stage on the CPU does not wait for one on the GPU."""
    hold("cuda")
    with device_lock("cpu", pytest.fail, tmp_path):
        pass


def test_a_cpu_takes_as_many_stages_as_have_their_own_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of four cores two stages of two threads take two each; the third waits until one ends."""
    monkeypatch.setattr(module.os, "cpu_count", lambda: 4)
    with device_lock("cpu", pytest.fail, tmp_path):
        with device_lock("cpu", pytest.fail, tmp_path):
            assert taken("cpu", tmp_path)
        with device_lock("cpu", pytest.fail, tmp_path / "elsewhere"):
            pass


@pytest.mark.parametrize(
    ("device", "cores", "expected"),
    [("cuda", 64, 1), ("cpu", 1, 1), ("cpu", 2, 1), ("cpu", 3, 1), ("cpu", 4, 2), ("cpu", 64, 32), ("cpu", None, 1)],
)
def test_slots(monkeypatch: pytest.MonkeyPatch, device: str, cores: int | None, expected: int) -> None:
    """One on a GPU; on a CPU one per two cores, and one where there are fewer or nobody knows."""
    monkeypatch.setattr(module.os, "cpu_count", lambda: cores)
    assert slots(device) == expected


@pytest.mark.parametrize(
    ("wanted", "driver", "visible", "expected"),
    [
        ("cpu", True, None, "cpu"),
        ("cuda", False, None, "cuda"),
        ("auto", True, None, "cuda"),
        ("auto", True, "0", "cuda"),
        ("auto", True, "", "cpu"),
        ("auto", True, "-1", "cpu"),
        ("auto", False, None, "cpu"),
    ],
)
def test_auto_is_cuda_where_a_driver_shows_a_gpu(
    monkeypatch: pytest.MonkeyPatch, wanted: str, driver: bool, visible: str | None, expected: str
) -> None:
    """A wish for cpu or cuda is taken as it is; `auto` follows the driver and CUDA_VISIBLE_DEVICES."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(module.Path, "exists", lambda path: driver and path.name == "nvidiactl")
    assert device_name(wanted) == expected
