"""How well a measure of a language predicts the reduction of its toxicity.

A *predictor* is a retrieval measure, as the mean over layers or at the best layer, or the logarithm of the language's
share of the pretraining corpus.

Pure: no files, clock, network or globals.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tasks.statistics.correlation import Correlation, leave_one_out, partial_correlation_test, pearson, spearman
from tasks.statistics.resampling import Floats

SHARE = "log_corpus_share"  # the rival predictor: how much of a language the model has read
UNKNOWN = "no corpus share is known"
COLUMNS = [
    *("measure", "layers", "method", "n", "estimate", "low", "high", "p_value"),
    *("loo_error", "loo_error_of_mean", "loo_r2", "note"),
]


@dataclass(frozen=True)
class Resampling:
    """Settings of the intervals and tests of a correlation; see `pearson`."""

    resamples: int
    permutations: int
    confidence: float
    seed: int


def points(reduction: pd.Series, retrieval: pd.DataFrame, corpus_share: pd.Series) -> pd.DataFrame:
    """One row per predictor and language: language, measure, layers, value, emt_reduction.

    Args:
        reduction: By language, the relative reduction of EMT (positive: less toxic). Only its languages appear.
        retrieval: language, measure, layer_mean, best.
        corpus_share: By language; languages without one have no row for the corpus share.
    """
    reduced = reduction.rename("emt_reduction").rename_axis("language").reset_index()
    measured = retrieval.melt(["language", "measure"], ["layer_mean", "best"], var_name="layers", value_name="value")
    found = measured.merge(reduced, on="language")
    share = _log_share(corpus_share, reduction.index)
    control = pd.DataFrame({"measure": SHARE, "layers": "", "value": share}).rename_axis("language").reset_index()
    control = control.dropna().merge(reduced, on="language")
    return pd.concat([found, control], ignore_index=True) if len(control) else found


def predictors(points: pd.DataFrame, corpus_share: pd.Series, settings: Resampling) -> pd.DataFrame:
    """Every predictor against the reduction of EMT: Pearson, Spearman, and Pearson given the corpus share.

    Pearson's row also has the errors of predicting each language from the others. A row without an estimate says why
    in `note`. The correlation given the corpus share has only the languages whose share is known.

    Args:
        points: As `points` returns them.
        corpus_share: By language.
        settings: Of the intervals and tests.
    """
    rows: list[dict[str, Any]] = []
    for name in points[["measure", "layers"]].drop_duplicates().itertuples(index=False):
        group = points[(points["measure"] == name.measure) & (points["layers"] == name.layers)]
        share = _log_share(corpus_share, group["language"]).to_numpy(float)
        x, y = group["value"].to_numpy(float), group["emt_reduction"].to_numpy(float)
        rows += _correlations(str(name.measure), str(name.layers), x, y, share, settings)
    if not (points["measure"] == SHARE).any():
        unknown = {"measure": SHARE, "layers": "", "n": 0, "note": UNKNOWN}
        rows += [unknown | {"method": method} for method in ("pearson", "spearman")]
    return pd.DataFrame(rows, columns=COLUMNS)


def _log_share(corpus_share: pd.Series, languages: Any) -> pd.Series:
    return corpus_share.astype(float).reindex(languages).map(np.log)


def _correlations(
    measure: str, layers: str, x: Floats, y: Floats, share: Floats, settings: Resampling
) -> list[dict[str, Any]]:
    how = (settings.resamples, settings.permutations, settings.confidence, settings.seed)
    tests: dict[str, tuple[int, Callable[[], Correlation]]] = {
        "pearson": (len(x), lambda: pearson(x, y, *how)),
        "spearman": (len(x), lambda: spearman(x, y, *how)),
    }
    if measure != SHARE:
        known = np.isfinite(share)
        tests[f"pearson_given_{SHARE}"] = (
            int(known.sum()),
            lambda: partial_correlation_test(x[known], y[known], share[known], *how),
        )
    rows = []
    for method, (languages, test) in tests.items():
        row: dict[str, Any] = {"measure": measure, "layers": layers, "method": method, "n": languages}
        if languages == 0:
            rows.append(row | {"note": UNKNOWN})
            continue
        if languages < len(x):
            row["note"] = f"the corpus share is known in {languages} of {len(x)} languages"
        try:
            found = test()
            row |= {"estimate": found.estimate, "low": found.low, "high": found.high, "p_value": found.p_value}
            if method == "pearson":
                left_out = leave_one_out(x, y)
                row |= {"loo_error": left_out.mae_model, "loo_error_of_mean": left_out.mae_mean, "loo_r2": left_out.r2}
        except ValueError as error:  # too few languages, or a constant predictor
            row["note"] = "; ".join(filter(None, (row.get("note"), str(error))))
        rows.append(row)
    return rows
