"""The probe and the vectors nearest to it: sentences, tables, redaction."""

import math
import re

import pandas as pd

from tasks.reporting.page import Table
from tasks.reporting.sourced import Measured, Sheet
from tasks.reporting.toxic_vectors import probe_table, probe_verdict, sources_table, sources_verdict, tokens_table

NAN = math.nan
NEURONS = Sheet(
    "neurons.csv",
    ("layer", "neuron"),
    pd.DataFrame(
        [
            {"layer": 3, "neuron": 7, "actual": True, "cosine": 0.3, "activation": 0.1, "languages": 2.5,
             "languages_by_chance": 4.0, "chance_low": 3.0, "chance_high": 5.0, "p_fewer": 0.002},
            {"layer": 1, "neuron": 2, "actual": False, "cosine": 0.2, "activation": -0.1, "languages": NAN,
             "languages_by_chance": NAN, "chance_low": NAN, "chance_high": NAN, "p_fewer": NAN},
        ]
    ),
)  # fmt: skip


def _keys(cell: object) -> list[str]:
    return [part.key for part in cell.parts if not isinstance(part, str)]


def _words(table: Table) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in table.rows]


def test_only_sources_are_in_their_table() -> None:
    """One of two candidates is active; its numbers name their row."""
    table = sources_table(NEURONS)
    assert _words(table) == [["layer 3, neuron 7", "0.300", "0.100", "2.5", "4.0 [3.0, 5.0]", "0.0020"]]
    assert _keys(table.rows[0][1]) == ["neurons.csv:layer=3,neuron=7:cosine"]


TOKENS = Sheet(
    "tokens.parquet",
    ("layer", "neuron", "place"),
    pd.DataFrame(
        [
            (3, 7, 2, " idiot", "en"),
            (3, 7, 1, "fool", "en"),
            (3, 7, 3, "tonto", "es"),
            (3, 7, 4, "x1", None),
            (1, 2, 1, "liar", "en"),
        ],
        columns=["layer", "neuron", "place", "text", "language"],
    ),
)


def test_tokens_are_redacted_unless_asked_for() -> None:
    """Languages by number of tokens, unknown ones last; letters and digits are blocks, of which the count stays."""
    table = tokens_table(NEURONS, TOKENS, show_text=False)
    assert _words(table) == [["layer 3, neuron 7", "en 2: ████ █████; es 1: █████; unknown 1: ██"]]
    assert _keys(table.rows[0][1]) == ["tokens.parquet"] * 3
    shown = tokens_table(NEURONS, TOKENS, show_text=True)
    assert _words(shown)[0][1] == "en 2: fool idiot; es 1: tonto; unknown 1: x1"
    assert "block" in str(table.caption) and "block" not in str(shown.caption)


def test_probe_table_without_interval() -> None:
    """A language whose AUROC is undefined has dashes, beside what is defined."""
    row = {
        "texts": 9, "toxic": 0, "auroc": NAN, "auroc_low": NAN, "auroc_high": NAN, "average_precision": NAN,
        "f1": 0.0, "accuracy": 1.0, "majority": 1.0,
    }  # fmt: skip
    assert _words(probe_table({"de": row})) == [["de German", "9", "0", "–", "–", "–", "0.000", "100.0%", "100.0%"]]


def test_probe_says_where_it_fails() -> None:
    """German is above .5 as a whole, Hindi's interval includes .5; only English beats always naming one class."""
    rows = {
        "en": {"auroc_low": 0.9, "accuracy": 0.9, "majority": 0.6},
        "de": {"auroc_low": 0.6, "accuracy": 0.4, "majority": 0.6},
        "hi": {"auroc_low": 0.45, "accuracy": 0.6, "majority": 0.6},
    }
    sentence = str(probe_verdict("en", rows))
    assert "better than chance in 2 of 3 languages; not shown in Hindi." in sentence
    assert sentence.endswith("predicting the majority class in 1 of 3.")


def test_sources_are_counted_apart_from_candidates() -> None:
    """Of three candidates two are active; p is below .05 for one of those, and undefined for another candidate."""
    rows = [
        {"actual": True, "cosine": Measured(0.3, "n.csv:a"), "p_fewer": 0.01, "p_more": 0.99},
        {"actual": True, "cosine": Measured(0.2, "n.csv:b"), "p_fewer": 0.5, "p_more": 0.5},
        {"actual": False, "cosine": Measured(0.1, "n.csv:c"), "p_fewer": NAN, "p_more": NAN},
    ]
    sentence = sources_verdict("en", rows, 0.05)
    assert str(sentence).startswith("2 of 3 candidates")
    assert "top tokens of 1 sources and of 1 candidates belong to fewer" in str(sentence)
    assert {part.key for part in sentence.parts if not isinstance(part, str)} == {"n.csv"}


def test_fewer_and_more_are_not_mixed_up() -> None:
    """Two of three sources have fewer languages than drawn tokens, none more; of five candidates one has more."""
    rows = [
        {"actual": actual, "cosine": 0.1, "p_fewer": fewer, "p_more": more}
        for actual, fewer, more in (
            (True, 0.01, 0.99), (True, 0.02, 0.98), (True, 0.5, 0.5), (False, 0.99, 0.01), (False, 0.05, 0.95),
        )
    ]  # fmt: skip
    numbers = re.findall(r"\b\d\b(?= )", str(sources_verdict("en", rows, 0.05)).partition("(")[0])
    assert numbers == ["3", "5", "2", "2", "0", "1"]
