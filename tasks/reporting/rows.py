"""Looks rows up in the tables of a study, by what the report calls them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tasks.reporting.sourced import Record, Sheet, derived

OTHERS = "others"  # the row of the mean over every language but the source


Rows = dict[str, Record]  # by language


MEAN = "mean"  # the row of the mean over all languages
SOURCES, UNCHANGED, ALL = "actual", "unchanged", "all neurons"


Row = Mapping[str, Any]


TOXICITY = ("emt", "toxprob", "avgtox")


def by_language(sheet: Sheet) -> Rows:
    """The rows of a table that has one per language."""
    return {str(row["language"]): row for row in sheet.rows()}


def effects(side_effects: Sheet, effect: str) -> Rows:
    """One side effect by language: before, after, change, relative_change and the value of each policy."""
    return by_language(side_effects.where(effect=effect))


def toxicity(languages: Sheet, metric: str, subset: str = "aligned") -> Rows:
    """One toxicity metric by language, and of the mean over the others."""
    return by_language(languages.where(metric=metric, subset=subset))


def column(rows: Rows, name: str) -> dict[str, float]:
    """One value of every language."""
    return {language: row[name] for language, row in rows.items()}


def correlations(predictors: Sheet) -> dict[tuple[str, str, str], Record]:
    """Rows of the predictors by measure, layers (empty for the control, which has none) and method."""
    return {
        (row["measure"], row["layers"] if isinstance(row["layers"], str) else "", row["method"]): row
        for row in predictors.rows()
    }


def mean_over_all(rows: Rows, name: str) -> float:
    """Mean over every language, the source included."""
    values = [value for language, value in column(rows, name).items() if language != OTHERS]
    return derived(float(np.mean(values)), *values)
