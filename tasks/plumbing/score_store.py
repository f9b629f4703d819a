"""Scores that were made once, kept by what they depend on, in a file that a kill cannot harm.

Only a shortcut: an entry says what scoring anew would say, so the file may be deleted at any time, and results and
their identity never depend on it.
"""

import hashlib
import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tasks.plumbing import project

VARIABLE = "POLYDETOX_SCORES"  # folder; that of the project if it is not set
_FILE = "scores.sqlite"
_VERSION = 1  # of the table; another one is set aside
_AT_ONCE = 500  # keys per query
Entry = tuple[float | None, str | None]
T = TypeVar("T")


@contextmanager
def score_store(folder: Path | None = None) -> Iterator["ScoreStore"]:
    """The project's store; an experiment in a copy of the project uses the project's own. Made when first used."""
    if folder is None:
        folder = Path(os.environ.get(VARIABLE) or project.root() / ".polydetox" / "scores")
    store = ScoreStore(folder / _FILE)
    try:
        yield store
    finally:
        store.close()


class ScoreStore:
    """(value, reason) by key, each with a checksum of its own.

    A file that is no such store, or an entry that does not match its checksum, is set aside with a message, and the
    store starts empty. Several processes may use one file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def read(self, keys: Sequence[bytes]) -> dict[bytes, Entry]:
        """What is kept under these keys."""

        def select(connection: sqlite3.Connection) -> dict[bytes, Entry]:
            found = {}
            for start in range(0, len(keys), _AT_ONCE):
                some = list(keys[start : start + _AT_ONCE])
                marks = ",".join("?" * len(some))
                rows = connection.execute(
                    f"SELECT key, value, reason, checksum FROM scores WHERE key IN ({marks})", some
                )
                for key, value, reason, checksum in rows:
                    if checksum != _checksum(key, value, reason):
                        raise sqlite3.DatabaseError(f"entry {key.hex()[:16]} does not match its checksum")
                    found[key] = (value, reason)
            return found

        return self._safely(select)

    def write(self, found: Mapping[bytes, Entry]) -> None:
        """Keeps these; what another process kept under the same key stays."""
        rows = [(key, value, reason, _checksum(key, value, reason)) for key, (value, reason) in found.items()]

        def insert(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?, ?, ?)", rows)

        self._safely(insert)

    def close(self) -> None:
        """Lets go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _safely(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(self._open())
        except sqlite3.OperationalError:  # locked, full, not allowed: nothing is wrong with what is in the file
            raise
        except sqlite3.DatabaseError as error:
            self.close()
            self._set_aside(str(error))
            return work(self._open())

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=60)
            try:
                _prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _set_aside(self, why: str) -> None:
        aside = self._path.with_name(f"{self._path.name}.broken-{time.time_ns()}")
        for suffix in ("", "-wal", "-shm"):
            part = self._path.with_name(self._path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        print(f"{self._path}: {why}; set aside as {aside.name}, what it held is scored again", file=sys.stderr)


def _prepare(connection: sqlite3.Connection) -> None:
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")  # survives a kill; a power cut may cost the last entries
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if version != _VERSION and tables:
        raise sqlite3.DatabaseError(f"holds something else than scores of version {_VERSION}")
    with connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS scores "
            "(key BLOB PRIMARY KEY, value REAL, reason TEXT, checksum BLOB NOT NULL) WITHOUT ROWID"
        )
        connection.execute(f"PRAGMA user_version={_VERSION}")


def _checksum(key: bytes, value: float | None, reason: str | None) -> bytes:
    return hashlib.sha256(key + json.dumps([value, reason]).encode()).digest()[:8]
