"""The report's tables say what the numbers say, in the right unit."""

import math

import pandas as pd

from tasks.science.record_tables import drop_table
from tasks.science.report_tables import Table, headline_table, predictor_table, side_effect_table


def _side_effects(**values: tuple[float, float]) -> pd.DataFrame:
    rows = [(name, language, *pair) for name, pair in values.items() for language in ("de", "en")]
    return pd.DataFrame(rows, columns=["effect", "language", "before", "after"])


def test_headline_means_all_languages_but_not_the_mean_row() -> None:
    """.2 and .4 have the mean .3; the row `others` is itself a mean and must not enter; ToxProb is in per cent."""
    rows = [
        {"language": language, "metric": metric, "subset": "aligned", "before": value, "after": value / 2}
        for metric in ("emt", "toxprob", "avgtox")
        for language, value in (("de", 0.2), ("en", 0.4), ("others", 0.9))
    ]
    names = ("perplexity_median", "distinct_1", "distinct_2", "distinct_3")
    table = headline_table(pd.DataFrame(rows), _side_effects(**dict.fromkeys(names, (10.0, 12.5))))
    cells = {row[0]: list(row[1:]) for row in table.rows}
    assert cells["EMT"] == ["0.300", "0.150", "0.502", "0.157"]
    assert cells["ToxProb"] == ["30.0%", "15.0%", "46.8%", "3.9%"]
    assert cells["Perplexity"] == ["10.00", "12.50", "18.74", "23.68"]


def test_predictor_without_estimate_is_a_dash() -> None:
    """A constant measure has a row, and no number in it."""
    rows = [
        {"measure": "p_at_1", "layers": "best", "method": method, "n": 16, "estimate": math.nan, "low": math.nan,
         "high": math.nan, "p_value": math.nan, "loo_error": math.nan, "loo_error_of_mean": math.nan}
        for method in ("pearson", "spearman")
    ]  # fmt: skip
    assert predictor_table(pd.DataFrame(rows)).rows == [
        ["P@1, both directions", "best", "16", "–", "–", "–", "", "–", "–"]
    ]


def test_side_effects_end_with_the_mean_of_all() -> None:
    """Civil perplexity 10 to 15 in both languages is 50% more, on average, too."""
    names = (
        "perplexity_lower_quartile", "perplexity_median", "perplexity_upper_quartile", "civil_perplexity", "distinct_1",
        "distinct_2", "distinct_3", "self_bleu", "language_consistent", "language_unknown", "empty", "repetitive",
        "cut_off",
    )  # fmt: skip
    table = side_effect_table(_side_effects(**dict.fromkeys(names, (10.0, 15.0))), ["de", "en"])
    assert [row[0] for row in table.rows] == ["de German", "en English", "mean of all"]
    assert table.rows[-1][3:6] == ["10.0", "15.0", "+50%"]
    _assert_rectangular(table)


def test_every_reason_is_a_row() -> None:
    """One of four without a score is 25%; a policy without a gap says that it has none."""
    reasons = {"toxicity score": {"base": pd.Series([None, "too long", None, None]), "dpo-1": pd.Series([None, None])}}
    table = drop_table({"read": 5, "prompt_too_long": 1}, reasons)
    assert [list(row) for row in table.rows] == [
        ["preference pairs", "read", "5", ""],
        ["preference pairs", "prompt too long", "1", ""],
        ["continuations of base", "no toxicity score: too long", "1", "25.0% of 4"],
        ["continuations of dpo-1", "all have a toxicity score", "2", ""],
    ]
    _assert_rectangular(table)


def _assert_rectangular(table: Table) -> None:
    assert {len(row) for row in table.rows} == {len(table.header)}
    assert not table.groups or sum(span for _, span in table.groups) == len(table.header)
