"""Tests of paired differences over prompts, and the correction for many tests.

Shapes: P prompts, B resamples.

Pure: no files, clock, network or globals.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from tasks.statistics.resampling import chunks, finite, refuse_resamples


def sign_flip_p(differences_P: ArrayLike, resamples: int, rng: np.random.Generator) -> float:
    """Two-sided paired permutation test that the mean difference is 0 (Fisher 1935).

    Each resample flips the sign of every difference with probability 1/2. p = (b + 1) / (m + 1),
    with b of the m resamples at least as extreme as the observation, ties included (Phipson and
    Smyth 2010), so that p is never 0; it is 1 when all differences are 0.

    Args:
        differences_P: after - before for each prompt.
        resamples: Random sign vectors m, at least 1.
        rng: Source of randomness.

    Raises:
        ValueError: Not a non-empty vector of finite numbers, or resamples below 1.
    """
    differences_P = finite(differences_P, "differences", dimensions=1)
    refuse_resamples(resamples)
    # scipy.stats.permutation_test takes its tolerance from the observed mean; rounding follows the
    # size of the addends: 0.1 + 0.2 - 0.3 would not tie with its negative
    tolerance = 1e-12 * np.abs(differences_P).max()
    observed = abs(differences_P.mean())
    extreme = 0
    for size in chunks(resamples, len(differences_P)):
        signs_BP = rng.choice(np.array([-1.0, 1.0]), size=(size, len(differences_P)))
        means_B = signs_BP @ differences_P / len(differences_P)
        extreme += int(np.count_nonzero(np.abs(means_B) >= observed - tolerance))
    return (extreme + 1) / (resamples + 1)


def mcnemar_p(before_P: ArrayLike, after_P: ArrayLike) -> float:
    """Exact two-sided McNemar test that as many prompts turn 0 to 1 as 1 to 0.

    Args:
        before_P: 0 or 1 per prompt.
        after_P: 0 or 1 per prompt, in the same order.

    Returns:
        The binomial p-value over the prompts that changed; 1 when none did.

    Raises:
        ValueError: The shapes disagree, or a value is neither 0 nor 1.
    """
    before_P = finite(before_P, "before", dimensions=1)
    after_P = finite(after_P, "after", dimensions=1)
    if before_P.shape != after_P.shape:
        raise ValueError(f"before {before_P.shape} and after {after_P.shape} are not aligned")
    for name, values_P in (("before", before_P), ("after", after_P)):
        if not np.isin(values_P, (0, 1)).all():
            raise ValueError(f"{name} holds values other than 0 and 1")
    table = [[np.count_nonzero((before_P == row) & (after_P == column)) for column in (0, 1)] for row in (0, 1)]
    return float(mcnemar(table, exact=True).pvalue)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm-adjusted p-values of one family of tests (Holm 1979).

    Args:
        p_values: The p-value of each test, by name; at least one.

    Returns:
        The adjusted p-value of each test, in the order given, at most 1.

    Raises:
        ValueError: The family is empty, or a p-value is NaN or outside [0, 1].
    """
    if not p_values:
        raise ValueError("the family holds no test")
    for name, p_value in p_values.items():
        if not 0 <= p_value <= 1:
            raise ValueError(f"p-value of {name!r} is {p_value}")
    adjusted = multipletests(list(p_values.values()), method="holm")[1]
    return {name: float(p_value) for name, p_value in zip(p_values, adjusted, strict=True)}
