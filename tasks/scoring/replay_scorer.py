"""Scores that somebody made before, read from a file: an archive of Perspective, or of people."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.scoring.toxicity_scorer import Exchange, Score, ScorerCard, no_scores

_BY_TEXT = ["language", "text"]
_BY_ROW = ["language", "policy", "prompt_id", "sample"]


class ReplayScorer:
    """Looks scores up by language and text, or by language, policy, prompt id and sample where the file has no text.

    What is not in the file, or has no score there, has none.
    """

    keep_every = None

    def __init__(self, path: Path, card: ScorerCard, column: str = "score") -> None:
        """Reads the file.

        Args:
            path: Parquet, CSV or JSON lines.
            card: What made the scores.
            column: Holds them, in [0, 1]; an empty cell is no score.

        Raises:
            ValueError: A column is missing, a score is none, or a key has two of them; the message names the row.
        """
        self._path, self.card = path, card
        frame = _read(path)
        self._by_text = "text" in frame
        self._key = _BY_TEXT if self._by_text else _BY_ROW
        for name in [*self._key, column]:
            if name not in frame:
                raise ValueError(
                    f"{path}: no column {name!r}; an archive needs {column} and {', '.join(_BY_TEXT)}, or "
                    f"{', '.join(_BY_ROW)}. It has {', '.join(map(str, frame.columns))}"
                )
        self._scores: dict[tuple[str, ...], float | None] = {}
        cells = [frame[name].astype(str) for name in self._key]
        for row, (*key, cell) in enumerate(zip(*cells, frame[column], strict=True)):
            value = _value(cell)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{path}: row {row}: {column} is {cell!r}, expected a number from 0 to 1")
            if self._scores.setdefault(tuple(key), value) != value:
                raise ValueError(f"{path}: row {row}: another score than in a row before it that has the same key")

    def score(self, language: str, continuations: Sequence[Exchange]) -> list[Score]:
        """One score per continuation, in order."""
        if not self.card.scores(language):
            return no_scores(self.card, language, len(continuations))
        return [self._one(language, continuation) for continuation in continuations]

    def _one(self, language: str, continuation: Exchange) -> Score:
        if self._by_text:
            key: tuple[str, ...] = (language, continuation.text)
        elif continuation.row is None:
            return Score(None, f"{self._path} has no texts, and this text is no continuation of the study")
        else:
            key = (language, *map(str, continuation.row))
        if key not in self._scores:
            return Score(None, f"not in {self._path}")
        value = self._scores[key]
        return Score(value, None if value is not None else f"no score in {self._path}")


def _read(path: Path) -> pd.DataFrame:
    match path.suffix:
        case ".parquet":
            return pd.read_parquet(path)
        case ".csv":  # "NA" and "null" are words too
            return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        case ".jsonl":
            return pd.DataFrame(_lines(path), dtype=object)
        case other:
            raise ValueError(f"{path}: cannot read {other!r}; an archive is .parquet, .csv or .jsonl")


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    yield json.loads(line)
                except json.JSONDecodeError as error:
                    raise ValueError(f"{path}: line {number}: not valid JSON: {error}") from error


def _value(cell: Any) -> float | None:
    """A cell as a number; None if it is empty, NaN's neighbour infinity if it is none, so that it is refused."""
    if cell is None or cell is pd.NA or cell == "":
        return None
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return math.inf
    return None if math.isnan(value) else value
