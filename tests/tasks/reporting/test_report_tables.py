"""The report's tables say what the numbers say, in the right unit."""

import math

import pandas as pd

from tasks.reporting.published import MODELS
from tasks.reporting.record_tables import drop_table
from tasks.reporting.report_tables import Table, headline_table, predictor_table, side_effect_table
from tasks.reporting.sourced import Record, Sheet


def _side_effects(**values: tuple[float, float]) -> Sheet:
    rows = [(name, language, *pair) for name, pair in values.items() for language in ("de", "en")]
    frame = pd.DataFrame(rows, columns=["effect", "language", "before", "after"])
    relative_change = frame["after"] / frame["before"] - 1
    return Sheet("effects.csv", ("effect", "language"), frame.assign(relative_change=relative_change))


def _means(**values: tuple[float, float]) -> Record:
    return Record({name: {"before": before, "after": after} for name, (before, after) in values.items()}, "means.json:")


def _words(table: Table) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in table.rows]


def _keys(cell: object) -> list[str]:
    return [part.key for part in cell.parts if not isinstance(part, str)]


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


def test_predictor_without_estimate_is_a_dash() -> None:
    """A constant measure has a row, and no number in it."""
    rows = [
        {"measure": "p_at_1", "layers": "best", "method": method, "n": 16, "estimate": math.nan, "low": math.nan,
         "high": math.nan, "p_value": math.nan, "loo_error": math.nan, "loo_error_of_mean": math.nan}
        for method in ("pearson", "spearman")
    ]  # fmt: skip
    table = predictor_table(Sheet("predictors.csv", ("measure", "layers", "method"), pd.DataFrame(rows)))
    assert _words(table) == [["P@1, both directions", "best", "16", "–", "–", "–", "", "–", "–"]]
    assert _keys(table.rows[0][2]) == ["predictors.csv:measure=p_at_1,layers=best,method=pearson:n"]
    assert [_keys(cell) for cell in table.rows[0][3:6]] == [[], [], []]


def test_side_effects_end_with_the_mean_of_all() -> None:
    """Civil perplexity 10 to 15 in both languages is 50% more, on average, too."""
    names = (
        "perplexity_lower_quartile", "perplexity_median", "perplexity_upper_quartile", "civil_perplexity", "distinct_1",
        "distinct_2", "distinct_3", "self_bleu", "language_consistent", "language_unknown", "empty", "repetitive",
        "cut_off",
    )  # fmt: skip
    values = dict.fromkeys(names, (10.0, 15.0))
    table = side_effect_table(
        _side_effects(**values), _means(**values), ["de", "en"], "the base model", "held-out civil text"
    )
    assert [row[0] for row in table.rows] == ["de German", "en English", "mean of all"]
    assert _words(table)[-1][3:6] == ["10.0", "15.0", "+50%"]
    assert [_keys(cell) for cell in table.rows[0][3:6]] == [
        [f"effects.csv:effect=civil_perplexity,language=de:{name}"] for name in ("before", "after", "relative_change")
    ]
    assert _keys(table.rows[-1][5]) == ["means.json"]  # the change of a mean is in no file
    _assert_rectangular(table)


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


def _assert_rectangular(table: Table) -> None:
    assert {len(row) for row in table.rows} == {len(table.header)}
    assert not table.groups or sum(span for _, span in table.groups) == len(table.header)
