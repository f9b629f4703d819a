"""Reads train.csv of the Jigsaw Toxic Comment Classification Challenge, as Kaggle publishes it."""

import csv
import gzip
import html
import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

MEMBER = "train.csv"
MOST_BYTES = 1_000_000_000  # of train.csv in a .zip, unpacked
COLUMNS = ("id", "comment_text", "toxic")


@dataclass(frozen=True)
class Comment:
    """One comment, HTML entities unescaped, without space around it."""

    id: str
    text: str
    toxic: bool


@dataclass(frozen=True)
class Comments:
    """What is left of a file.

    Attributes:
        kept: In file order, no two with the same text.
        read: Rows of the file.
        dropped: Reason to rows: `empty`; `duplicate`, the text was there before with the same label;
            `contradictory`, the text is there with both labels, and all its rows are dropped.
        unescaped: Rows whose text held HTML entities.
    """

    kept: tuple[Comment, ...]
    read: int
    dropped: dict[str, int]
    unescaped: int


def read(path: Path) -> Comments:
    """Comments of a .csv, .csv.gz, or .zip that holds a train.csv; `toxic` is the column of that name.

    Raises:
        ValueError: The file is not there, cannot be decoded, lacks a column, or has a row that is broken, without a
            label, or with an id that was there before; the message names file and row (the header is row 1).
    """
    texts: dict[str, str] = {}
    labels: dict[str, bool] = {}
    unescaped = 0
    for number, row in _rows(path):
        if row["id"] in texts:
            raise ValueError(f"{path}: row {number}: id {row['id']!r} is there already")
        if row["toxic"] not in ("0", "1"):
            raise ValueError(f"{path}: row {number}: toxic is {row['toxic']!r}; it must be 0 or 1 (take {MEMBER})")
        text = html.unescape(row["comment_text"])
        unescaped += text != row["comment_text"]
        texts[row["id"]] = text.strip()
        labels[row["id"]] = row["toxic"] == "1"
    if not texts:
        raise ValueError(f"{path}: has no rows")
    told = {(text, labels[name]) for name, text in texts.items()}
    seen: set[str] = set()
    dropped = Counter({"empty": 0, "duplicate": 0, "contradictory": 0})
    kept = []
    for name, text in texts.items():
        if not text:
            dropped["empty"] += 1
        elif (text, not labels[name]) in told:
            dropped["contradictory"] += 1
        elif text in seen:
            dropped["duplicate"] += 1
        else:
            seen.add(text)
            kept.append(Comment(name, text, labels[name]))
    return Comments(tuple(kept), len(texts), dict(dropped), unescaped)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    number = 0
    try:
        with _opened(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header: list[str] = []
            for number, cells in enumerate(reader, start=1):
                if not header:
                    header = cells
                    missing = [column for column in COLUMNS if column not in header]
                    if missing:
                        raise ValueError(
                            f"{path}: column {missing[0]!r} is missing; it has {', '.join(header)} (take {MEMBER})"
                        )
                elif len(cells) != len(header):
                    raise ValueError(
                        f"{path}: row {number} (ends at line {reader.line_num}): {len(cells)} cells under "
                        f"{len(header)} columns; download it again"
                    )
                else:
                    yield number, dict(zip(header, cells, strict=True))
    except FileNotFoundError as error:
        raise ValueError(
            f"{path}: not there; download {MEMBER} of kaggle.com/c/jigsaw-toxic-comment-classification-challenge"
        ) from error
    except (csv.Error, EOFError, OSError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: after row {number}: {error}; download it again") from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes] | gzip.GzipFile]:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            if MEMBER not in archive.namelist():
                raise ValueError(f"{path}: holds no {MEMBER}; it has {', '.join(sorted(archive.namelist()))}")
            if (size := archive.getinfo(MEMBER).file_size) > MOST_BYTES:
                raise ValueError(
                    f"{path}: {MEMBER} says that it has {size:,} bytes unpacked, and Jigsaw's has 69 million; "
                    "download it again"
                )
            with archive.open(MEMBER) as raw:
                yield raw
    elif path.suffix == ".gz":
        with gzip.open(path, "rb") as raw:
            yield raw
    else:
        with path.open("rb") as raw:
            yield raw
