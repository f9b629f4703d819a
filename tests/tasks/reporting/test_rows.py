"""Rows are found by what the report calls them, and keep their keys."""

import math

import pandas as pd

from tasks.reporting.rows import column, correlations, effects, mean_over_all, toxicity
from tasks.reporting.sourced import Sheet, key_of

LANGUAGES = Sheet(
    "l.csv",
    ("language", "metric", "subset"),
    pd.DataFrame(
        [
            ("de", "emt", "aligned", 0.2), ("en", "emt", "aligned", 0.4), ("others", "emt", "aligned", 0.9),
            ("de", "emt", "culture_specific", 0.7), ("de", "toxprob", "aligned", 0.1),
        ],
        columns=["language", "metric", "subset", "before"],
    ),
)  # fmt: skip


def test_a_metric_is_of_one_subset() -> None:
    """The prompts of one language alone are asked for by name."""
    assert column(toxicity(LANGUAGES, "emt"), "before") == {"de": 0.2, "en": 0.4, "others": 0.9}
    assert column(toxicity(LANGUAGES, "emt", "culture_specific"), "before") == {"de": 0.7}


def test_the_mean_over_all_leaves_the_mean_of_the_others_out() -> None:
    """(.2 + .4) / 2, which stands in no cell, so that its key is the file."""
    mean = mean_over_all(toxicity(LANGUAGES, "emt"), "before")
    assert math.isclose(mean, 0.3) and key_of(mean) == "l.csv"


def test_an_effect_and_a_correlation_are_found() -> None:
    """The control has no layers: its name for them is empty."""
    frame = pd.DataFrame({"effect": ["empty", "cut_off"], "language": ["de", "de"], "before": [0.1, 0.2]})
    assert effects(Sheet("e.csv", ("effect", "language"), frame), "cut_off")["de"]["before"] == 0.2
    frame = pd.DataFrame(
        {
            "measure": ["p_at_1", "share"],
            "layers": ["best", math.nan],
            "method": ["pearson"] * 2,
            "estimate": [0.5, 0.6],
        }
    )
    found = correlations(Sheet("p.csv", ("measure", "layers", "method"), frame))
    assert found["p_at_1", "best", "pearson"]["estimate"] == 0.5 and found["share", "", "pearson"]["estimate"] == 0.6
