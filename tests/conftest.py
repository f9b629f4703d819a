"""Fixtures that every test shares, and walls around the network and the user's home."""

import atexit
import ipaddress
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Libraries read these when they are first imported.
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    DO_NOT_TRACK="1",
    DVC_NO_ANALYTICS="1",
    MLFLOW_DISABLE_TELEMETRY="true",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    TOKENIZERS_PARALLELISM="false",
)

TESTS = Path(__file__).resolve().parent
# Each worker has a folder of its own for what would otherwise go to the user's home, and for device locks, so that it
# waits neither for a study on this machine nor for another worker.
_OWN = Path(tempfile.mkdtemp(prefix="polydetox-tests-"))
atexit.register(shutil.rmtree, _OWN, ignore_errors=True)
for variable in (
    "POLYDETOX_LOCKS", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "HF_HOME", "PREFECT_HOME",
    "DVC_SITE_CACHE_DIR",
):  # fmt: skip
    os.environ[variable] = str(_OWN / variable.lower())
# Fonts are listed once, not by every worker anew.
os.environ.setdefault("MPLCONFIGDIR", str(TESTS.parent / ".pytest_cache" / "matplotlib"))
# The wall against the network stands in child processes, too: Python imports tests/wall/sitecustomize.py at its start.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(TESTS / "wall"), os.environ.get("PYTHONPATH")]))

# A tiny model's threads wait longer for each other than they work: on a busy machine one is 100 times as fast as two.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# After the environment is set.
import pytest  # noqa: E402
from filelock import FileLock  # noqa: E402
from hypothesis import settings  # noqa: E402

# A busy machine may take any time for an example.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A test that needs one of these is slow: it waits for a study, a server, or processes.
SLOW_FIXTURES = {"finished_study", "finished_toy", "prefect_server", "repeated_toy", "served", "untouched_toy"}

SENTENCES = (
    "the teacher buys red bread in the market.",
    "the doctor is very good and kind.",
    "el maestro compra pan rojo en el mercado.",
    "учитель покупает красный хлеб.",
    "先生はとても良いです。",
    "शिक्षक बहुत अच्छा है।",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests as slow by what they need, and keeps those that share a Prefect server on one worker.

    One test that needs the shared study comes first and the others last, so that one worker makes it while another runs
    what does not need it.
    """
    study = [item for item in items if "finished_study" in getattr(item, "fixturenames", ())]
    items[:] = study[:1] + [item for item in items if item not in set(study)] + study[1:]
    for item in items:
        needs = set(getattr(item, "fixturenames", ()))
        if needs & SLOW_FIXTURES:
            item.add_marker("slow")
        for server in needs & {"prefect_server", "served"}:
            item.add_marker(pytest.mark.xdist_group(server))


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Makes a folder once for all workers of pytest-xdist; whoever comes later waits until it is finished.

    Called with a name and a function that fills the new folder. If that fails, the next to ask tries again.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        folder, finished = shared / f"once-{name}", shared / f"once-{name}.finished"
        with FileLock(f"{folder}.lock"):
            if not finished.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                finished.touch()
        return folder

    return make


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test at once if it connects to another machine, unless it is marked `network`."""
    if request.node.get_closest_marker("network"):
        return
    # pytest.fail raises a BaseException, so that no `except Exception` on the way can hide it.
    for name in ("connect", "connect_ex"):
        original = getattr(socket.socket, name)

        def guarded(self: socket.socket, address: Any, _original: Any = original) -> Any:
            if self.family != socket.AF_UNIX and not _is_loopback(address[0]):
                self.close()  # the caller expects an OSError, if anything, and would leave it open
                pytest.fail(f"this test connects to {address[0]}:{address[1]}; tests run offline")
            return _original(self, address)

        monkeypatch.setattr(socket.socket, name, guarded)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, which a resolver elsewhere would have to know
        return False


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a seeded GPT-2: 2 layers, width 16, 2 heads, 64 positions, peaked distributions; read only."""
    # Imported here, for tests of pure definitions need none of it: 5 s.
    import torch  # noqa: PLC0415
    from transformers import GPT2Config, GPT2LMHeadModel  # noqa: PLC0415

    from tasks.world.pretraining import train_tokenizer  # noqa: PLC0415

    tokenizer = train_tokenizer(SENTENCES, vocabulary=320, context=64)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=64,
        n_embd=16,
        n_layer=2,
        n_head=2,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        initializer_range=0.5,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(20)
        model = GPT2LMHeadModel(config)
    folder = tmp_path_factory.mktemp("tiny_model")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
