"""The store of scores: exact, shared, and never trusted when broken."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.plumbing.score_store import VARIABLE, score_store

ENTRIES = {b"\x01" * 32: (0.1 + 0.2, None), b"\x02" * 32: (None, "empty"), b"\x03" * 32: (1.0, None)}


def keep(folder: Path) -> None:
    with score_store(folder) as store:
        store.write(ENTRIES)


def found(folder: Path) -> dict:
    with score_store(folder) as store:
        return store.read([*ENTRIES, b"\x09" * 32])


def test_an_entry_comes_back_exactly(tmp_path: Path) -> None:
    """To the last bit, nulls with their reasons; what was never kept is not there."""
    keep(tmp_path)
    assert found(tmp_path) == ENTRIES


def test_many_keys_are_read_at_once(tmp_path: Path) -> None:
    """More than one query may hold."""
    entries = {index.to_bytes(32, "big"): (index / 5000, None) for index in range(3000)}
    with score_store(tmp_path) as store:
        store.write(entries)
        assert store.read(list(entries)) == entries


def test_a_file_that_is_no_store_is_set_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its bytes stay beside, a message names both, and the store starts empty."""
    (tmp_path / "scores.sqlite").write_bytes(b"not a database at all" * 100)
    assert found(tmp_path) == {}
    keep(tmp_path)
    assert found(tmp_path) == ENTRIES
    (aside,) = tmp_path.glob("*.broken-*")
    assert aside.read_bytes().startswith(b"not a database")
    assert "set aside as scores.sqlite.broken-" in capsys.readouterr().err


def test_a_damaged_page_is_never_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second half of the file is overwritten: either the file or the entries do not check out."""
    entries = {index.to_bytes(32, "big"): (index / 5000, None) for index in range(3000)}
    with score_store(tmp_path) as store:
        store.write(entries)
    path = tmp_path / "scores.sqlite"
    size = path.stat().st_size
    assert size > 100_000
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(os.urandom(size // 2))
    with score_store(tmp_path) as store:
        assert store.read(list(entries)) == {}
    assert "set aside" in capsys.readouterr().err


def test_a_changed_score_is_never_trusted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A valid file with one altered number: the entry does not match its checksum, so none of the file counts."""
    keep(tmp_path)
    connection = sqlite3.connect(tmp_path / "scores.sqlite")
    with connection:
        connection.execute("UPDATE scores SET value = 0.0 WHERE value = 1.0")
    connection.close()
    assert found(tmp_path) == {}
    assert "does not match its checksum" in capsys.readouterr().err


def test_another_programs_database_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is moved, not written into."""
    connection = sqlite3.connect(tmp_path / "scores.sqlite")
    connection.execute("CREATE TABLE scores (something TEXT)")
    connection.close()
    assert found(tmp_path) == {}
    assert "holds something else" in capsys.readouterr().err


def test_processes_share_a_store(tmp_path: Path) -> None:
    """Two that are open at once see each other's entries, and the first of two scores under one key stays."""
    with score_store(tmp_path) as first, score_store(tmp_path) as second:
        first.write({b"\x01" * 32: (0.5, None)})
        second.write({b"\x01" * 32: (0.6, None), b"\x02" * 32: (0.7, None)})
        assert first.read([b"\x01" * 32, b"\x02" * 32]) == {b"\x01" * 32: (0.5, None), b"\x02" * 32: (0.7, None)}


def test_a_kill_loses_nothing_that_was_written(tmp_path: Path) -> None:
    """SIGKILL right after write() returned: another process reads the entry."""
    script = (
        "import os, signal, pathlib, sys\nfrom tasks.plumbing.score_store import score_store\n"
        "with score_store(pathlib.Path(sys.argv[1])) as store:\n"
        "    store.write({bytes([1]) * 32: (0.30000000000000004, None)})\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == -signal.SIGKILL
    assert found(tmp_path) == {b"\x01" * 32: (0.1 + 0.2, None)}


def test_the_environment_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """POLYDETOX_SCORES, else the project's .polydetox/scores; nothing is made before it is used."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "elsewhere"))
    with score_store() as store:
        assert not (tmp_path / "elsewhere").exists()
        store.write(ENTRIES)
    assert (tmp_path / "elsewhere" / "scores.sqlite").exists()
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("POLYDETOX_ROOT", str(tmp_path / "project"))
    with score_store() as store:
        store.write(ENTRIES)
    assert (tmp_path / "project" / ".polydetox" / "scores" / "scores.sqlite").exists()
