"""The head of the report."""

import pandas as pd

from tasks.reporting.findings import headline_table
from tasks.reporting.page import Table
from tasks.reporting.published import MODELS
from tasks.reporting.sourced import Record, Sheet


def _keys(cell: object) -> list[str]:
    return [part.key for part in cell.parts if not isinstance(part, str)]


def _means(**values: tuple[float, float]) -> Record:
    return Record({name: {"before": before, "after": after} for name, (before, after) in values.items()}, "means.json:")


def _words(table: Table) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in table.rows]


def test_headline_means_all_languages_but_not_the_mean_row() -> None:
    """.2 and .4 have the mean .3; the row `others` is itself a mean and must not enter; ToxProb is in per cent."""
    rows = [
        {"language": language, "metric": metric, "subset": "aligned", "before": value, "after": value / 2}
        for metric in ("emt", "toxprob", "avgtox")
        for language, value in (("de", 0.2), ("en", 0.4), ("others", 0.9))
    ]
    names = ("perplexity_median", "distinct_1", "distinct_2", "distinct_3")
    languages = Sheet("languages.csv", ("language", "metric", "subset"), pd.DataFrame(rows))
    table = headline_table(languages, _means(**dict.fromkeys(names, (10.0, 12.5))), MODELS[0])
    cells = {row[0]: row[1:] for row in _words(table)}
    assert cells["EMT"] == ["0.300", "0.150", "0.502", "0.157"]
    assert cells["ToxProb"] == ["30.0%", "15.0%", "46.8%", "3.9%"]
    assert cells["Perplexity"] == ["10.00", "12.50", "18.74", "23.68"]
    keys = {row[0]: [_keys(cell) for cell in row[1:]] for row in table.rows}
    # Of several cells; the paper's stand in a module.
    assert keys["EMT"] == [["languages.csv"]] * 2 + [["tasks/reporting/published.py"]] * 2
    assert keys["Perplexity"][0] == ["means.json:perplexity_median.before"]
