"""How results are named, and what is answered to a wrong name."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.audit import targets
from tasks.audit.__main__ import main
from tasks.audit.chain import chain

SUMMARY = "metrics/measure_retrieval/summary.json"
TABLE = "metrics/measure_retrieval/languages.csv"
# The words abba, banana, cab, 50 times: 50 * 6 a's and 50 * 4 b's. `train 1` drops the first letter, an a; `train 2`
# drops the b after it as well.
HITS = (50 * 6 - 1 + 50 * 4) + (50 * 6 - 1 + 50 * 4 - 1)


@pytest.mark.parametrize(
    ("target", "value"),
    [
        (f"{SUMMARY}:hits.ar", HITS),
        (f"{SUMMARY}:note", "toy"),
        (f"{SUMMARY}:hits", {"ar": HITS, "de": 0.5}),
        (f"{TABLE}:language=de,metric=hits:value", 0.5),
        (f"{TABLE}:language=ar:value", HITS),
        (f"{TABLE}:language=de,metric=misses", {"language": "de", "metric": "misses", "value": 1}),
        (SUMMARY, None),
        ("data/report/figures/languages.svg", None),
        ("models/train/1", None),
        ("./models/train/1/weights.bin", None),
        ("models/train", None),
    ],
)
def test_the_value_and_its_chain(toy: Any, target: str, value: Any) -> None:
    """A target is a key, a cell, a row, a file, a folder, or a file in one; its chain begins at the model."""
    found = chain(toy.root, target)
    assert found.value == value
    assert found.stages[0].name == "prepare_model"
    assert found.altered == []


@pytest.mark.parametrize(
    ("target", "nearest"),
    [
        (f"{SUMMARY}:hits.arr", "hits.ar"),
        (f"{TABLE}:language=dee:value", "de"),
        (f"{TABLE}:langage=de:value", "language"),
        (f"{TABLE}:language=ar:vlaue", "value"),
        ("metrics/measure_retrieval/sumary.json:hits.ar", SUMMARY),
        ("models/train/3", "models/train/1"),
        ("models/train/1/weight.bin", "models/train/1/weights.bin"),
        ("data/words/lexikon.csv", "data/words/lexicon.csv"),
        (f"{TABLE}:language=de:value", "metric: hits, misses"),
        (f"{TABLE}:language", "COLUMN=VALUE"),
        ("README.md", "made nor read"),
        ("/elsewhere/file.json", "not inside the project"),
    ],
)
def test_what_does_not_exist_is_answered_with_the_nearest(
    toy: Any, target: str, nearest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong path, key, row or column gives exit status 2 and a hint, also where a filter leaves several rows."""
    assert main(["why", target]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert nearest in printed.err


def test_cells_of_parquet(tmp_path: Path) -> None:
    """A parquet table is asked like a CSV table; integers, floats and lists come as plain values."""
    pd.DataFrame({"language": ["ar", "de"], "n": [1, 2], "x": [0.5, float("nan")], "v": [[1, 2], [3]]}).to_parquet(
        tmp_path / "t.parquet"
    )
    rows = targets.table("t.parquet", (tmp_path / "t.parquet").read_bytes())
    assert [targets.number(rows[0][name]) for name in ("language", "n", "x", "v")] == ["ar", 1, 0.5, [1, 2]]
    assert targets.number(rows[1]["x"]) is None


def test_key_columns_are_the_fewest_that_tell_rows_apart() -> None:
    """Language alone repeats and value has fractions: language and metric together are the key."""
    rows = [
        {"language": "ar", "metric": "hits", "value": "0.5", "n": "1"},
        {"language": "ar", "metric": "misses", "value": "0.25", "n": "1"},
        {"language": "de", "metric": "hits", "value": "0.5", "n": "1"},
    ]
    assert targets.key_columns([rows]) == ["language", "metric"]
    assert targets.key_columns([[*rows, rows[0]]]) == []
