"""Numbers that know where they come from: read out of a table or a JSON file, they carry the key of their place.

A key names a file and, where there is one, a place in it, as `polydetox why KEY` takes it: FILE:a.b of JSON,
FILE:column=value,column=value:column of a table, where the filter selects one row.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import pandas as pd


class Measured(float):
    """A number with the key of its place; arithmetic gives plain numbers, since their place is another."""

    __slots__ = ("key",)
    key: str

    def __new__(cls, value: float, key: str) -> Self:  # noqa: D102  # the class says it
        number = super().__new__(cls, value)
        number.key = key
        return number


def key_of(value: float) -> str:
    """Key of a number, empty where it has none."""
    return value.key if isinstance(value, Measured) else ""


def derived(value: float, *sources: float) -> float:
    """A number computed from others: its key is the file that all of them come from, or none if they differ."""
    paths = {key_of(source).partition(":")[0] for source in sources}
    path = paths.pop() if len(paths) == 1 else ""
    return Measured(value, path) if path else value


@dataclass(frozen=True)
class Record(Mapping[str, Any]):
    """Named values of one file, a row of a table or part of a JSON object, whose numbers carry their keys.

    Attributes:
        content: As read; null is a missing number, as it is in JSON that was made from one.
        prefix: What stands before a name in its key.
    """

    content: Mapping[Any, Any]
    prefix: str

    def __getitem__(self, name: str) -> Any:
        value = self.content[name]
        if isinstance(value, Mapping):
            return Record(value, f"{self.prefix}{name}.")
        if value is None:
            return Measured(math.nan, self.key(name))
        if isinstance(value, int | float) and not isinstance(value, bool):
            return Measured(value, self.key(name))
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self.content)

    def __len__(self) -> int:
        return len(self.content)

    def key(self, name: str) -> str:
        """Key of a value."""
        return self.prefix + name


def record_of_json(path: str, values: Mapping[str, Any]) -> Record:
    """The object in a JSON file."""
    return Record(values, f"{path}:")


@dataclass(frozen=True)
class Sheet:
    """A table with the file that it comes from.

    Attributes:
        path: File.
        key: Columns that together tell its rows apart; those that are empty in a row are not needed to.
        frame: Its rows, or some of them.
    """

    path: str
    key: tuple[str, ...]
    frame: pd.DataFrame

    def where(self, **values: str) -> "Sheet":
        """The rows that have these values."""
        chosen = pd.Series(True, index=self.frame.index)
        for name, value in values.items():
            chosen &= self.frame[name] == value
        return Sheet(self.path, self.key, self.frame[chosen])

    def rows(self) -> list[Record]:
        """Every row."""
        return [Record(row, f"{self.path}:{self._filter(row)}:") for row in self.frame.to_dict("records")]

    def total(self, value: float) -> float:
        """A number computed from the table: its key is the file."""
        return Measured(value, self.path)

    def _filter(self, row: Mapping[Any, Any]) -> str:
        return ",".join(f"{name}={row[name]}" for name in self.key if row[name] == row[name])
