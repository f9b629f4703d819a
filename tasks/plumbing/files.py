"""Reads and writes artefacts: whole files only, renamed into place when complete."""

import json
import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

SIGNIFICANT_DIGITS = 6  # of numbers in JSON and CSV metrics: enough to see any change, short enough to read


class ArtefactError(ValueError):
    """A file that is missing or not as it should be; the message names it, the row or key, and what to do."""


@contextmanager
def writing(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` that replaces it, file or folder, if the block ends without an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    _remove(part)
    yield part
    if not part.exists():
        raise FileNotFoundError(f"{target}: nothing was written")
    _remove(target)
    part.rename(target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def require(path: Path) -> Path:
    """The path if it exists, else ArtefactError naming the stage to run."""
    if not path.exists():
        raise ArtefactError(f"{path}: not there; make it with `dvc repro {stage_of(path)}`")
    return path


def stage_of(path: Path) -> str:
    """Stage that makes an artefact: data|models|metrics/<stage>/[<item>/]..."""
    parts = path.parts
    if len(parts) > 1 and parts[0] in ("data", "models", "metrics"):
        item = parts[2] if len(parts) > 2 and "." not in parts[2] else None
        return parts[1] + (f"@{item}" if item else "")
    return str(path)


def read_table(path: Path, columns: Sequence[str], key: Sequence[str] = (), may_be_empty: bool = False) -> pd.DataFrame:
    """A parquet or CSV table with these columns at least, rows unique by `key`; ArtefactError names what is wrong."""
    require(path)
    frame = (
        pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, keep_default_na=False, na_values=[""])
    )
    missing = [column for column in columns if column not in frame]
    if missing:
        raise ArtefactError(f"{path}: column {missing[0]!r} is missing; it has {', '.join(frame.columns)}")
    if frame.empty and not may_be_empty:
        raise ArtefactError(f"{path}: has no rows")
    if key:
        repeated = frame.duplicated(list(key))
        if repeated.any():
            first = frame.index[repeated][0]
            values = ", ".join(f"{name} {frame.at[first, name]!r}" for name in key)
            raise ArtefactError(f"{path}: row {first}: {values} appears twice")
    return frame


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Writes rows as parquet, without an index."""
    with writing(path) as part:
        frame.reset_index(drop=True).to_parquet(part, index=False)


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Writes a small table as CSV, numbers rounded to SIGNIFICANT_DIGITS."""
    with writing(path) as part:
        frame.to_csv(part, index=False, float_format=f"%.{SIGNIFICANT_DIGITS}g", lineterminator="\n")


def write_json(path: Path, value: Any) -> None:
    """Writes JSON that any parser reads: sorted as given, rounded, NaN and infinities as null."""
    with writing(path) as part:
        part.write_text(json.dumps(_plain(value), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Reads JSON; ArtefactError names the file if it is missing or broken."""
    try:
        return json.loads(require(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ArtefactError(f"{path}: not valid JSON: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
    return value
