"""Reads the mini world's hand-written lexicon and grammars."""

import csv
import hashlib
from pathlib import Path

from tasks.science.lexicon import INSULT, Lexicon
from tasks.science.pidgin import Grammar

FOLDER = Path("data/mini_world")


def load(folder: Path = FOLDER) -> tuple[Lexicon, dict[str, Grammar]]:
    """Lexicon and grammar of every language.

    Raises:
        ValueError: A cell is empty, a word repeats within a language, or an insult has no severity; the message names
            file, row and column.
    """
    grammars = {row["language"]: _grammar(row) for row in _rows(folder / "grammars.csv")}
    path = folder / "lexicon.csv"
    rows = _rows(path)
    words: dict[str, dict[str, str]] = {language: {} for language in grammars}
    severities = {}
    for line, row in enumerate(rows, start=2):
        for language in grammars:
            if not row.get(language):
                raise ValueError(f"{path}: line {line}: no {language} word for {row['concept']!r}")
            words[language][row["concept"]] = row[language]
        if row["category"] == INSULT:
            if not row["severity"]:
                raise ValueError(f"{path}: line {line}: insult {row['concept']!r} needs a severity in (0, 1]")
            severities[row["concept"]] = float(row["severity"])
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


def _grammar(row: dict[str, str]) -> Grammar:
    order, adjective, adposition, degree, negation = (
        row[name] for name in ("order", "adjective", "adposition", "degree", "negation")
    )
    return Grammar(
        order=order,  # type: ignore[arg-type]  # Grammar's literals are checked by test_mini_world_source
        adjective=adjective,  # type: ignore[arg-type]
        adposition=adposition,  # type: ignore[arg-type]
        degree=degree,  # type: ignore[arg-type]
        negation=negation,  # type: ignore[arg-type]
        copula=row["copula"] == "true",
        spaces=row["spaces"] == "true",
        stop=row["stop"],
        question=row["question"],
    )
