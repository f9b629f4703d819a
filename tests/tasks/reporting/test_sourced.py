"""Numbers carry the key of the place that they were read from."""

import math

import pandas as pd

from tasks.reporting.sourced import Measured, Sheet, derived, key_of, record_of_json

FRAME = pd.DataFrame(
    {"measure": ["a", "a", "c"], "layers": ["best", "mean", math.nan], "n": [1, 2, 3], "note": [math.nan, "x", "y"]}
)
SHEET = Sheet("m/t.csv", ("measure", "layers"), FRAME)


def test_a_cell_is_named_by_what_tells_its_row_apart() -> None:
    """File, the row's key and the column; a key column that is empty in the row is not part of the filter."""
    rows = SHEET.rows()
    assert [row["n"] for row in rows] == [1, 2, 3]
    assert [key_of(row["n"]) for row in rows] == [
        "m/t.csv:measure=a,layers=best:n", "m/t.csv:measure=a,layers=mean:n", "m/t.csv:measure=c:n",
    ]  # fmt: skip
    assert rows[1]["note"] == "x" and math.isnan(rows[0]["note"])


def test_rows_are_chosen_by_their_values() -> None:
    """Only the row that has both values is left, with the key that it has in the whole table."""
    assert [key_of(row["n"]) for row in SHEET.where(measure="a", layers="mean").rows()] == [
        "m/t.csv:measure=a,layers=mean:n"
    ]


def test_a_value_of_json_is_named_by_dots() -> None:
    """Nested objects join their names; null is a missing number; a truth value is no number."""
    record = record_of_json("d/run.json", {"loss": {"best": 0.5, "last": None}, "done": True, "id": "x"})
    assert record["loss"]["best"] == 0.5 and key_of(record["loss"]["best"]) == "d/run.json:loss.best"
    assert math.isnan(record["loss"]["last"])
    assert record["done"] is True and record["id"] == "x" and record.key("id") == "d/run.json:id"
    assert list(record) == ["loss", "done", "id"] and record.get("absent", 7) == 7


def test_a_computed_number_is_of_the_file() -> None:
    """A mean of two cells of one file is in no cell; a sum over two files, or of plain numbers, has no key."""
    first, second = Measured(1, "a.csv:x=1:y"), Measured(3, "a.csv:x=2:y")
    assert key_of(first + second) == ""
    assert derived(2.0, first, second) == 2 and key_of(derived(2.0, first, second)) == "a.csv"
    assert key_of(derived(2.0, first, Measured(3, "b.json:y"))) == ""
    assert key_of(derived(2.0, first, 3.0)) == ""
    assert key_of(SHEET.total(3)) == "m/t.csv"
