"""Nothing that was dropped goes unsaid."""

import pandas as pd

from tasks.reporting.missing import drop_table
from tasks.reporting.page import Table
from tasks.reporting.sourced import Record, Sheet


def _assert_rectangular(table: Table) -> None:
    assert {len(row) for row in table.rows} == {len(table.header)}
    assert not table.groups or sum(span for _, span in table.groups) == len(table.header)


def _keys(cell: object) -> list[str]:
    return [part.key for part in cell.parts if not isinstance(part, str)]


def _words(table: Table) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in table.rows]


def test_every_reason_is_a_row() -> None:
    """One of four without a score is 25%; a policy without a gap says that it has none."""
    sheets = {
        policy: Sheet(f"{policy}.parquet", (), pd.DataFrame({"reason": given}))
        for policy, given in (("base", [None, "too long", None, None]), ("dpo-1", [None, None]))
    }
    table = drop_table(Record({"read": 5, "prompt_too_long": 1}, "drops.json:"), {"toxicity score": sheets})
    assert _words(table) == [
        ["preference pairs", "read", "5", ""],
        ["preference pairs", "prompt too long", "1", ""],
        ["continuations of base", "no toxicity score: too long", "1", "25.0% of 4"],
        ["continuations of dpo-1", "all have a toxicity score", "2", ""],
    ]
    assert [_keys(row[2]) for row in table.rows] == [
        ["drops.json:read"], ["drops.json:prompt_too_long"], ["base.parquet"], ["dpo-1.parquet"],
    ]  # fmt: skip
    _assert_rectangular(table)
