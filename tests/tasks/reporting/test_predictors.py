"""Sentences and table on what retrieval tells beforehand."""

import math

import pandas as pd
import pytest

from tasks.reporting.page import Table
from tasks.reporting.predictors import control_verdict, predictor_table, predictor_verdict
from tasks.reporting.sourced import Sheet
from tasks.reporting.study import Association


def association(estimate: float, half_width: float = 0.2, p_value: float = 0.01, error: float = 0.1) -> Association:
    return Association(16, estimate, estimate - half_width, estimate + half_width, p_value, error, 0.2)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (association(0.7), "guessing the mean of the others by 20.0: it has predictive value."),
        (
            association(0.7, error=0.3),
            "no better than the mean-only baseline, so it does not predict an unseen language.",
        ),
        (association(0.1), "no reliable relation"),
        (association(0.7, p_value=0.2), "no reliable relation"),
        (association(0.1, error=0.2), "no better than the mean-only baseline."),
        (association(-0.7), "the relation has the opposite sign"),
    ],
)
def test_predictor(found: Association, said: str) -> None:
    """A predictor needs an interval above 0, a small p, and less error than the mean; .2 against .2 is not less."""
    assert said in str(predictor_verdict("P@1", found, 0.95))


def test_predictor_without_estimate_says_why() -> None:
    """A constant measure correlates with nothing."""
    found = Association(16, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, "x is constant")
    assert str(predictor_verdict("P@1", found, 0.95)).endswith("is unknown: x is constant.")


def test_control_that_takes_the_relation_away() -> None:
    """An interval of the partial correlation that includes 0 is not called staying."""
    assert "is not shown to remain" in str(control_verdict("P@1", 0.2, -0.1, 0.5, 0.6))
    assert "with P@1 remains" in str(control_verdict("P@1", 0.6, 0.3, 0.8, 0.1))


def _keys(cell: object) -> list[str]:
    return [part.key for part in cell.parts if not isinstance(part, str)]


def _words(table: Table) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in table.rows]


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
