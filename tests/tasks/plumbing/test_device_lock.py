"""One stage per slot of a device, whatever process it is, and no slot outlives its holder."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.plumbing import device_lock as module
from tasks.plumbing.device_lock import device_name, held, lock_folder, slots

ROOT = Path(__file__).resolve().parents[3]
HOLD = """
import sys
from pathlib import Path
from tasks.plumbing.device_lock import held
with held(sys.argv[1], 1, print, Path(sys.argv[2])):
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


def taken(device: str, folder: Path, seconds: float = 0.5, count: int = 1) -> bool:
    """Whether this process has to wait for the device, for so long at least; then it goes on waiting by itself."""
    done = threading.Event()

    def wait() -> None:
        with held(device, count, lambda _: None, folder):
            done.set()

    threading.Thread(target=wait, daemon=True).start()
    return not done.wait(seconds)


def test_a_gpu_is_one_stages_alone(hold, tmp_path: Path) -> None:
    """While another process holds the GPU this one waits and says so once; when that ends this one has it at once."""
    holder = hold("cuda")
    heard: list[str] = []

    def told(message: str) -> None:
        assert holder.poll() is None  # so nobody else has ended the wait
        heard.append(message)
        holder.kill()

    with held("cuda", 1, told, tmp_path):
        assert holder.wait() != 0
    assert heard == ["waiting for cuda: another stage uses it"]


def test_a_killed_holder_holds_nothing(hold, tmp_path: Path) -> None:
    """After kill -9, which no process can prepare for, the slot is free without anybody's repair."""
    holder = hold("cuda")
    assert taken("cuda", tmp_path)
    holder.kill()
    holder.wait()
    assert not taken("cuda", tmp_path, 60)


def test_a_failed_block_holds_nothing(tmp_path: Path) -> None:
    """An error inside the block frees the slot like its end."""
    with pytest.raises(ZeroDivisionError), held("cuda", 1, pytest.fail, tmp_path):
        _ = 1 / 0
    with held("cuda", 1, pytest.fail, tmp_path):
        pass


def test_devices_do_not_wait_for_each_other(hold, tmp_path: Path) -> None:
    """A stage on the CPU does not wait for one on the GPU."""
    hold("cuda")
    with held("cpu", 1, pytest.fail, tmp_path):
        pass


def test_a_device_takes_as_many_stages_as_it_has_slots(tmp_path: Path) -> None:
    """Of two slots each is taken once; a third stage waits, unless its locks lie elsewhere."""
    with held("cpu", 2, pytest.fail, tmp_path):
        with held("cpu", 2, pytest.fail, tmp_path):
            assert taken("cpu", tmp_path, count=2)
        with held("cpu", 1, pytest.fail, tmp_path / "elsewhere"):
            pass


@pytest.mark.parametrize(
    ("device", "cores", "threads", "stages", "expected"),
    [
        ("cuda", 64, 2, None, 1),
        ("cuda", 64, 2, 8, 1),
        ("cpu", 1, 2, None, 1),
        ("cpu", 3, 2, None, 1),
        ("cpu", 4, 2, None, 2),
        ("cpu", 64, 2, None, 32),
        ("cpu", 64, 16, None, 4),
        ("cpu", None, 2, None, 1),
        ("cpu", 2, 2, 3, 3),
    ],
)
def test_slots(
    monkeypatch: pytest.MonkeyPatch, device: str, cores: int | None, threads: int, stages: int | None, expected: int
) -> None:
    """One on a GPU; on a CPU what the user says, else one per `cpu_threads` cores, and at least one."""
    monkeypatch.setattr(module.os, "cpu_count", lambda: cores)
    assert slots(device, {"cpu_threads": threads, "cpu_stages": stages}) == expected


def test_projects_share_a_gpu_but_not_the_locks_of_the_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A study in another clone cannot hold up this one on a CPU; on a GPU it does, since memory is short there."""
    monkeypatch.delenv("POLYDETOX_LOCKS", raising=False)
    folders = {}
    for name in ("one", "other"):
        monkeypatch.setenv("POLYDETOX_ROOT", str(tmp_path / name))
        folders[name] = {device: lock_folder(device) for device in ("cpu", "cuda")}
    assert folders["one"]["cpu"] == tmp_path / "one/.polydetox/locks" != folders["other"]["cpu"]
    assert folders["one"]["cuda"] == folders["other"]["cuda"]


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
