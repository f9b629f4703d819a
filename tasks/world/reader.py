"""Reads the mini world's hand-written lexicon and grammars."""

import csv
import hashlib
import math
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tasks.world.lexicon import INSULT, Lexicon
from tasks.world.pidgin import Grammar

FOLDER = Path("data/mini_world")


def load(folder: Path = FOLDER) -> tuple[Lexicon, dict[str, Grammar]]:
    """Lexicon and grammar of every language.

    Raises:
        ValueError: A cell is empty, a word repeats within a language, or an insult has no severity; the message names
            file, row and column.
    """
    grammars = _grammars(folder / "grammars.csv")
    path = folder / "lexicon.csv"
    rows = _rows(path)
    words: dict[str, dict[str, str]] = {language: {} for language in grammars}
    severities = {}
    for line, row in enumerate(rows, start=2):
        for language in grammars:
            if not row.get(language):
                raise ValueError(f"{path}: line {line}: no {language} word for {row['concept']!r}")
            if row["concept"] in words[language]:
                raise ValueError(f"{path}: line {line}: concept {row['concept']!r} is there already")
            words[language][row["concept"]] = row[language]
        if row["category"] == INSULT:
            try:
                severity = float(row["severity"])
            except ValueError:
                severity = math.nan
            if not 0 < severity <= 1:
                raise ValueError(f"{path}: line {line}: insult {row['concept']!r} needs a severity in (0, 1]")
            severities[row["concept"]] = severity
    for language, vocabulary in words.items():
        seen: dict[str, str] = {}
        for concept, word in vocabulary.items():
            other = seen.setdefault(word.casefold(), concept)
            if other != concept:
                raise ValueError(f"{path}: {language} word {word!r} stands for both {other!r} and {concept!r}")
    unspaced = frozenset(language for language, grammar in grammars.items() if not grammar.spaces)
    categories = {row["concept"]: row["category"] for row in rows}
    return Lexicon(categories, severities, words, unspaced), grammars


def revision(folder: Path = FOLDER) -> str:
    """Digest of the lexicon's content."""
    return hashlib.sha256((folder / "lexicon.csv").read_bytes()).hexdigest()[:12]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise ValueError(f"{path}: has no rows")
    return rows


def _grammars(path: Path) -> dict[str, Grammar]:
    kind = TypeAdapter(Grammar)
    grammars = {}
    for line, row in enumerate(_rows(path), start=2):
        language = row.pop("language")
        if not all(row.values()):
            raise ValueError(f"{path}: line {line}: a cell of {language!r} is empty")
        try:
            grammars[language] = kind.validate_python(row)
        except ValidationError as error:
            raise ValueError(f"{path}: line {line}: {error}") from error
    return grammars
