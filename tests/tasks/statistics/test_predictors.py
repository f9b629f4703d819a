"""Predictors of the reduction, by hand."""

import numpy as np
import pandas as pd
import pytest

from tasks.statistics.predictors import Resampling, points, predictors

SETTINGS = Resampling(resamples=200, permutations=199, confidence=0.9, seed=1)
RETRIEVAL = pd.DataFrame(
    {"language": ["de", "es", "fr"], "measure": "p_at_1", "layer_mean": [0.0, 1.0, 2.0], "best": [0.9, 0.8, 0.2]}
)


def test_points_have_both_layers_and_the_log_of_the_share() -> None:
    """A language without a reduction has none; one without a share lacks only that."""
    found = points(pd.Series({"de": 0.4, "es": 0.2}), RETRIEVAL, pd.Series({"de": 0.1, "fr": 0.9}))
    assert sorted(map(tuple, found.to_numpy().tolist())) == [
        ("de", "log_corpus_share", "", pytest.approx(np.log(0.1)), 0.4),
        ("de", "p_at_1", "best", 0.9, 0.4),
        ("de", "p_at_1", "layer_mean", 0.0, 0.4),
        ("es", "p_at_1", "best", 0.8, 0.2),
        ("es", "p_at_1", "layer_mean", 1.0, 0.2),
    ]


def test_correlations_and_errors_by_hand() -> None:
    """Layer means 0 1 2 against reductions 0 0 3.

    Pearson: 3 / sqrt(2 * 6) = .866. Leaving out each in turn, the line through the other two errs by 3, 1.5 and 3
    (mean 2.5), their mean by 1.5, 1.5 and 3 (mean 2): R2 = 1 - 20.25 / 13.5 = -.5. Shares .01 .1 1 have logs on a
    line, so their correlation is that of 0 1 2 too.
    """
    share = pd.Series({"de": 0.01, "es": 0.1, "fr": 1.0})
    reduction = pd.Series({"de": 0.0, "es": 0.0, "fr": 3.0})
    rows = predictors(points(reduction, RETRIEVAL, share), share, SETTINGS)
    rows = rows.set_index(["measure", "layers", "method"])
    row = rows.loc[("p_at_1", "layer_mean", "pearson")]
    assert row["estimate"] == pytest.approx(np.sqrt(3) / 2)
    assert (row["loo_error"], row["loo_error_of_mean"], row["loo_r2"]) == pytest.approx((2.5, 2, -0.5))
    assert rows.loc[("log_corpus_share", "", "pearson"), "estimate"] == pytest.approx(np.sqrt(3) / 2)
    # best 0.9 0.8 0.2: deviations 8/30, 5/30, -13/30 with -1 -1 2: -39/30 / sqrt(258/900 * 6)
    expected = -1.3 / np.sqrt(258 / 900 * 6)
    assert rows.loc[("p_at_1", "best", "pearson"), "estimate"] == pytest.approx(expected)
    given = rows.loc[("p_at_1", "best", "pearson_given_log_corpus_share")]
    assert given["n"] == 3 and "at least 4" in given["note"]


def test_the_share_is_held_fixed_where_it_is_known() -> None:
    """The reduction is 2 log share + retrieval, which itself differs from the share: given it, r = 1.

    A fifth language without a share is part of the plain correlation only.
    """
    languages = ["ar", "de", "es", "fr", "it"]
    value = np.array([0.0, 3.0, 1.0, 2.0, 9.0])
    log_share = np.array([-1.0, -2.0, -3.0, -4.0])
    retrieval = pd.DataFrame({"language": languages, "measure": "p_at_1", "layer_mean": value, "best": value})
    reduction = pd.Series([*(2 * log_share + value[:4]), 5.0], index=languages)
    share = pd.Series(np.exp(log_share), index=languages[:4])
    rows = predictors(points(reduction, retrieval, share), share, SETTINGS)
    rows = rows[rows["layers"] == "best"].set_index("method")
    given = rows.loc["pearson_given_log_corpus_share"]
    assert (given["n"], given["estimate"]) == (4, pytest.approx(1))
    assert given["note"] == "the corpus share is known in 4 of 5 languages"
    assert rows.loc["pearson", "n"] == 5 and rows.loc["pearson", "estimate"] < 0.99


def test_without_any_share_the_rows_say_so() -> None:
    """Nothing is estimated, and nothing is left out silently."""
    nothing = pd.Series(dtype=float)
    rows = predictors(points(pd.Series({"de": 0.1, "es": 0.3, "fr": 0.2}), RETRIEVAL, nothing), nothing, SETTINGS)
    unknown = rows[(rows["measure"] == "log_corpus_share") | (rows["method"] == "pearson_given_log_corpus_share")]
    assert len(unknown) == 4
    assert (unknown["n"] == 0).all() and (unknown["note"] == "no corpus share is known").all()
    assert unknown["estimate"].isna().all()
