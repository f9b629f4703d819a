"""Reads text files and tables as somebody else wrote them, or says which file and row cannot be read and what to do."""

import csv
import gzip
import io
import json
import math
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # it publishes no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]

Row = dict[str, Any]
LONGEST_LINE = 10_000_000  # bytes; no published row comes near
MOST_BYTES = 4_000_000_000  # of a .gz, unpacked


def find(folder: Path, names: Sequence[str]) -> Path:
    """The first of these files that the folder has, as it is or with .gz.

    Raises:
        ValueError: There is no folder, or none of the files.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; docs/data.md says how to get the data")
    for name in names:
        for candidate in (folder / name, folder / f"{name}.gz"):
            if candidate.is_file():
                return candidate
    raise ValueError(f"{folder}: has no {' or '.join(names)} (.gz will do); docs/data.md says which files belong there")


def read_lines(path: Path) -> list[str]:
    """Lines of a UTF-8 file, .gz or not, with or without a byte order mark, ended by LF or CRLF.

    Only a line feed ends a line: Unicode has others (U+2028, U+0085), which inside of a sentence would move every
    sentence after it.

    Raises:
        ValueError: The file is missing, empty, not complete or not UTF-8; the message names the line.
    """
    return decode(_content(path), str(path))


def decode(content: bytes, name: str) -> list[str]:
    """`read_lines` of content that was read already; messages call it `name`."""
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if not lines[-1]:
        lines.pop()
    if not lines:
        raise ValueError(f"{name}: is empty; download it again")
    decoded = []
    for number, line in enumerate(lines, start=1):
        if len(line) > LONGEST_LINE:
            raise ValueError(
                f"{name}: line {number}: has {len(line):,} bytes, and at most {LONGEST_LINE:,} are read; one line must "
                "be one row. Was the file cut off or converted?"
            )
        try:
            decoded.append(line.removesuffix(b"\r").decode("utf-8"))
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{name}: line {number}: not UTF-8 (byte {error.start} is {line[error.start]:#04x}); convert the file, "
                "e.g. with `iconv -t UTF-8`"
            ) from error
    return decoded


def parse_json_lines(lines: Iterable[str], name: str) -> list[Row]:
    """One object per line; blank lines are passed over.

    Raises:
        ValueError: A line is no JSON object, or there is none.
    """
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{name}: line {number}: not valid JSON ({error.msg} at column {error.colno}); each line must be one "
                "object. Was the file cut off or edited?"
            ) from error
        except (RecursionError, ValueError) as error:  # nested too deep, or a number of thousands of digits
            raise ValueError(f"{name}: line {number}: JSON that cannot be read ({error}); edit the line") from error
        if not isinstance(row, dict):
            raise ValueError(f"{name}: line {number}: a JSON {type(row).__name__}, not an object with named values")
        rows.append(row)
    if not rows:
        raise ValueError(f"{name}: has no rows")
    return rows


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """Rows of a JSON Lines (.jsonl, .json), CSV (.csv) or parquet file, each with these columns; .gz but for parquet.

    Raises:
        ValueError: The file, a row or a column is missing or cannot be read.
    """
    match path.suffixes[-2:]:
        case [*_, ".parquet"]:
            rows = _read_parquet(path, columns)
        case [*_, (".jsonl" | ".json")] | [(".jsonl" | ".json"), ".gz"]:
            rows = parse_json_lines(read_lines(path), str(path))
        case [*_, ".csv"] | [".csv", ".gz"]:
            rows = _read_csv(path)
        case _:
            raise ValueError(f"{path}: not .jsonl, .json, .csv (each also .gz) or .parquet; convert or rename it")
    for number, row in enumerate(rows, start=1):
        missing = [column for column in columns if column not in row]
        if missing:
            raise ValueError(
                f"{path}: row {number}: column {missing[0]!r} is missing; it has {', '.join(map(str, row))}"
            )
    return rows


def text_of(row: Row, column: str, name: str, number: int) -> str:
    """A cell as text; an absent value is an empty one.

    Raises:
        ValueError: It is something else than text.
    """
    value = row[column]
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name}: row {number}: column {column!r} is {value!r}, not text; is it the right column?")
    return value


def number_of(row: Row, column: str, name: str, number: int) -> float | None:
    """A cell as a number; None if it is absent.

    Raises:
        ValueError: It is something else than a number.
    """
    value = row[column]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name}: row {number}: column {column!r} is {value!r}, not a number; is it the right column?")
    return None if math.isnan(value) else float(value)


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise ValueError(f"{path}: no such file; docs/data.md says how to get the data")
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
                content = file.read(MOST_BYTES + 1)
            if len(content) > MOST_BYTES:
                raise ValueError(f"{path}: has more than {MOST_BYTES:,} bytes unpacked; unpack and check it by hand")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{path}: not a complete gzip file ({error}); download it again") from error
    return content


def _read_parquet(path: Path, columns: Sequence[str]) -> list[Row]:
    if not path.is_file():
        raise ValueError(f"{path}: no such file; docs/data.md says how to get the data")
    try:
        available = pq.read_schema(path).names
        table = pq.read_table(path, columns=[column for column in columns if column in available])
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not a parquet file that can be read ({error}); download it again") from error
    missing = [column for column in columns if column not in available]
    if missing:
        raise ValueError(f"{path}: column {missing[0]!r} is missing; it has {', '.join(available)}")
    rows: list[Row] = table.to_pylist()
    if not rows:
        raise ValueError(f"{path}: has no rows")
    return rows


def _read_csv(path: Path) -> list[Row]:
    reader = csv.DictReader(io.StringIO("\n".join(read_lines(path)), newline=""), strict=True)
    rows: list[Row] = []
    try:
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(
                    f"{path}: line {reader.line_num}: the header has {len(reader.fieldnames or [])} cells; "
                    "quote cells that hold a comma or a line end"
                )
            rows.append(row)
    except csv.Error as error:
        raise ValueError(f"{path}: line {reader.reader.line_num}: not valid CSV ({error})") from error
    if not rows:
        raise ValueError(f"{path}: has no rows")
    return rows
