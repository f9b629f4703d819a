"""Compares the numbers of two versions of a metric file."""

import json
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, Field

from tasks.audit.snapshot import Snapshot, changed_values
from tasks.audit.targets import key_columns, number, table

NUMBERS = {".json", ".csv"}


class Value(BaseModel, frozen=True):
    """One changed value."""

    where: str = Field(description="key, or row filter and column, as `polydetox why` takes them after the file's name")
    before: Any = Field(description="null if it was not there")
    after: Any
    change: float | None = Field(description="after minus before; null unless both are numbers")


def is_numbers(path: str) -> bool:
    """Whether an output is a file of numbers that git can keep."""
    return PurePosixPath(path).suffix in NUMBERS


def changed_numbers(path: str, before: Snapshot, after: Snapshot) -> list[Value]:
    """What differs between two versions of a JSON or CSV file; empty if one is lost or their rows have no key."""
    contents = [snapshot.read(path) if path in snapshot.outputs else None for snapshot in (before, after)]
    old, new = contents
    if old is None or new is None:
        return []
    try:
        if path.endswith(".json"):
            return [_value(*one) for one in changed_values(json.loads(old), json.loads(new), "")]
        return _changed_cells(table(path, old), table(path, new))
    except ValueError:  # altered since: no JSON or no text any more, and its digest tells
        return []


def _changed_cells(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[Value]:
    keys = key_columns([old, new])
    if not keys:
        return []

    def cells(rows: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            f"{','.join(f'{name}={row[name]}' for name in keys)}:{column}": number(cell)
            for row in rows
            for column, cell in row.items()
            if column not in keys
        }

    one, other = cells(old), cells(new)
    return [
        _value(where, one.get(where), other.get(where))
        for where in {**one, **other}
        if one.get(where) != other.get(where)
    ]


def _value(where: str, before: Any, after: Any) -> Value:
    plain = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (before, after))
    return Value(where=where, before=before, after=after, change=after - before if plain else None)
