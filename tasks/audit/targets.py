"""Names of results on the command line, and the values that they have.

`metrics/m/summary.json:emt.change.ar` is a value of a JSON file, its keys joined by dots;
`metrics/m/languages.csv:language=ar,metric=emt:change` the cell of a table (CSV or parquet) in the one row that the
filter leaves; a bare path is a file or a folder.
"""

import csv
import io
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from tasks.audit.snapshot import NotFoundError, Snapshot, nearest, overlaps
from tasks.plumbing.lineage import flatten

TABLES = {".csv", ".parquet"}
MOST_KEY_COLUMNS = 4  # more are not a key that anybody would type


@dataclass(frozen=True)
class Target:
    """A parsed name: path, then a key of a JSON file, or a row filter and a column of a table."""

    text: str
    path: str
    key: str | None
    rows: dict[str, str]
    column: str | None


def parse(root: Path, text: str) -> Target:
    """Takes a name apart; NotFoundError if its form fits no file."""
    path, *selectors = text.split(":")
    place = Path(path)
    if place.is_absolute():
        if not place.is_relative_to(root):
            raise NotFoundError(f"{text}: not inside the project")
        place = place.relative_to(root)
    name = PurePosixPath(place).as_posix()
    if not selectors:
        return Target(text, name, None, {}, None)
    if place.suffix == ".json":
        return Target(text, name, ":".join(selectors), {}, None)
    if place.suffix not in TABLES or len(selectors) > 2:
        raise NotFoundError(
            f"{text}: write FILE, FILE.json:KEY.KEY, or TABLE.csv:COLUMN=VALUE,COLUMN=VALUE:COLUMN (also .parquet)"
        )
    filters, column = selectors[0], selectors[1] if len(selectors) == 2 else None
    pairs = [part.partition("=") for part in filters.split(",") if part]
    if any(not equals for _, equals, _ in pairs):
        raise NotFoundError(f"{text}: {filters!r} is no row filter; write COLUMN=VALUE,COLUMN=VALUE:COLUMN")
    return Target(text, name, None, {name: value for name, _, value in pairs}, column)


def check_known(snapshot: Snapshot, target: Target) -> None:
    """NotFoundError, with the nearest, unless the study has the target's file or folder."""
    path = target.path
    if any(
        overlaps(path, known) and not path.startswith(known + "/") for known in (*snapshot.outputs, *snapshot.sources)
    ):
        return
    entry = snapshot.owner(path)
    inside = (snapshot.listing(entry) if entry else None) or {}
    on_disk = snapshot.commit is None and (snapshot.root / path).exists()
    if entry is not None and (on_disk or any(overlaps(path, f"{entry.path}/{name}") for name in inside)):
        return
    names = {f"{entry.path}/{name}" for name in inside} if entry else set()
    for other in () if names else snapshot.outputs.values():
        names |= {f"{other.path}/{name}" for name in snapshot.listing(other) or {}}
    names |= {*snapshot.outputs, *snapshot.sources}
    raise NotFoundError(f"{path}: neither made nor read by any stage{nearest(path, names)}")


def value(snapshot: Snapshot, target: Target) -> Any:
    """The value that a target names; None for a bare path. NotFoundError for a key, row or column that is not there."""
    if target.key is None and not target.rows and target.column is None:
        return None
    content = snapshot.read(target.path)
    if content is None:
        where = "on disk" if snapshot.rev is None else f"in {snapshot.rev} and not in DVC's cache"
        raise NotFoundError(f"{target.path}: not {where}; `dvc checkout {target.path}` or `dvc pull` may bring it")
    try:
        if target.key is not None:
            return _json_value(target, json.loads(content))
        return _cell(target, table(target.path, content))
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise NotFoundError(f"{target.path}: cannot be read: {error}") from error


def table(path: str, content: bytes) -> list[dict[str, Any]]:
    """Rows of a CSV file, cells as text, or of a parquet file."""
    if path.endswith(".parquet"):
        return [
            {str(key): cell for key, cell in row.items()}
            for row in pd.read_parquet(io.BytesIO(content)).to_dict("records")
        ]
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))


def number(text: Any) -> Any:
    """A cell's text as the number that it is, else as it is; NaN as null."""
    if isinstance(text, str):
        try:
            read = json.loads(text, parse_constant=lambda constant: None)
        except json.JSONDecodeError:
            return text
        return read if isinstance(read, int | float) and not isinstance(read, bool) else text
    plain = text.tolist() if hasattr(text, "tolist") else text  # what numpy has, one value or many
    return None if isinstance(plain, float) and plain != plain else plain


def key_columns(tables: Sequence[Sequence[dict[str, Any]]]) -> list[str]:
    """Fewest leading columns without fractions whose values tell the rows of every table apart; empty if none do."""
    columns = [list(rows[0]) for rows in tables if rows]
    shared = [name for name in columns[0] if all(name in names for names in columns)] if columns else []
    whole = [
        name
        for name in shared
        if not any(isinstance(number(row[name]), float | list) for rows in tables for row in rows)
    ]
    for count in range(1, min(len(whole), MOST_KEY_COLUMNS) + 1):
        for chosen in itertools.combinations(whole, count):
            if all(len({tuple(str(row[name]) for name in chosen) for row in rows}) == len(rows) for rows in tables):
                return list(chosen)
    return []


def _json_value(target: Target, loaded: Any) -> Any:
    found = loaded
    assert target.key is not None  # the caller asked for one
    for part in target.key.split("."):
        if isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        elif isinstance(found, dict) and part in found:
            found = found[part]
        else:
            flat = flatten(loaded)
            if target.key in flat:
                return flat[target.key]
            raise NotFoundError(f"{target.path}: no key {target.key!r}{nearest(target.key, flat)}")
    return found


def _cell(target: Target, rows: list[dict[str, Any]]) -> Any:
    columns = list(rows[0]) if rows else []
    for name in (*target.rows, *([target.column] if target.column else [])):
        if name not in columns:
            raise NotFoundError(
                f"{target.path}: no column {name!r}{nearest(name, columns)}; it has {', '.join(columns)}"
            )
    chosen = rows
    for name, wanted in target.rows.items():
        left = [row for row in chosen if str(row[name]) == wanted]
        if not left:
            values = list(dict.fromkeys(str(row[name]) for row in chosen))
            raise NotFoundError(
                f"{target.path}: no row with {name}={wanted}{nearest(wanted, values)}; it has {_few(values)}"
            )
        chosen = left
    if len(chosen) > 1:
        free = [name for name in key_columns([chosen]) if name not in target.rows]
        hint = "; ".join(f"{name}: {_few(list(dict.fromkeys(str(row[name]) for row in chosen)))}" for name in free)
        raise NotFoundError(f"{target.text}: {len(chosen)} rows fit; add a filter" + (f" ({hint})" if hint else ""))
    if target.column is None:
        return {name: number(cell) for name, cell in chosen[0].items()}
    return number(chosen[0][target.column])


def _few(values: list[str], most: int = 12) -> str:
    return ", ".join(values[:most]) + (", ..." if len(values) > most else "")
