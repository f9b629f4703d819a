"""Association between two measures over languages.

Shapes: N languages, B resamples.

Pure: no files, clock, network or globals.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.tools.tools import add_constant

from tasks.statistics.resampling import Floats, percentile_interval, refuse_confidence, refuse_resamples

# Correlations closer than this are tied; rounding leaves about 1e-16.
TIE = 1e-12

# A residual below this share of its variable is rounding, not variation.
COLLINEAR = 1e-10


@dataclass(frozen=True)
class Correlation:
    """A correlation over languages.

    Attributes:
        n: Languages.
        estimate: The coefficient, in [-1, 1].
        low: Lower end of the percentile bootstrap interval over languages.
        high: Upper end.
        p_value: Two-sided permutation p-value, (b + 1) / (m + 1) and so never 0.
        degenerate_resamples: Bootstrap resamples left out, since the coefficient is undefined in
            them (a variable is constant, or collinear with the control).
    """

    n: int
    estimate: float
    low: float
    high: float
    p_value: float
    degenerate_resamples: int


@dataclass(frozen=True)
class LeaveOneOut:
    """Prediction of one language from the others.

    Attributes:
        mae_model: Mean absolute error of the regression, in the unit of y.
        mae_mean: Mean absolute error of predicting the other languages' mean, in the unit of y.
        r2: 1 - SSE of the regression / SSE of the mean; negative when the mean predicts better.
    """

    mae_model: float
    mae_mean: float
    r2: float


def pearson(
    x_N: ArrayLike,
    y_N: ArrayLike,
    resamples: int,
    permutations: int,
    confidence: float,
    seed: int,
) -> Correlation:
    """Pearson correlation, with a bootstrap interval over languages and a permutation p-value.

    Args:
        x_N: One value per language, at least 3.
        y_N: One value per language, in the same order.
        resamples: Bootstrap resamples.
        permutations: Random permutations of y.
        confidence: Level in (0, 1).
        seed: Seed of both.

    Raises:
        ValueError: The shapes disagree, a value is not finite, a variable is constant, or an
            argument is out of range.
    """
    return _unconditional(_pearson_rows, x_N, y_N, resamples, permutations, confidence, seed)


def spearman(
    x_N: ArrayLike,
    y_N: ArrayLike,
    resamples: int,
    permutations: int,
    confidence: float,
    seed: int,
) -> Correlation:
    """Spearman rank correlation; as `pearson` otherwise. Resamples are ranked anew.

    Args:
        x_N: One value per language, at least 3.
        y_N: One value per language, in the same order.
        resamples: Bootstrap resamples.
        permutations: Random permutations of y.
        confidence: Level in (0, 1).
        seed: Seed of both.

    Raises:
        ValueError: As `pearson`.
    """
    return _unconditional(_spearman_rows, x_N, y_N, resamples, permutations, confidence, seed)


def partial_correlation(x_N: ArrayLike, y_N: ArrayLike, control_N: ArrayLike) -> float:
    """Pearson correlation of the residuals of x and y after linear regression on the control.

    Args:
        x_N: One value per language, at least 4.
        y_N: One value per language, in the same order.
        control_N: One value per language, in the same order.

    Raises:
        ValueError: The shapes disagree, a value is not finite, a variable is constant, or x or y
            is collinear with the control.
    """
    x_N, y_N, control_N = _variables({"x": x_N, "y": y_N, "control": control_N}, at_least=4)
    for name, values_N in (("x", x_N), ("y", y_N)):
        if not _has_residual(values_N[None], control_N[None])[0]:
            raise ValueError(f"{name} is collinear with control")
    return float(_partial_rows(x_N[None], y_N[None], control_N[None])[0])


def partial_correlation_test(
    x_N: ArrayLike,
    y_N: ArrayLike,
    control_N: ArrayLike,
    resamples: int,
    permutations: int,
    confidence: float,
    seed: int,
) -> Correlation:
    """`partial_correlation`, with a bootstrap interval and the Freedman-Lane permutation test.

    Freedman and Lane 1983: the residuals of y given the control are permuted and added back to its
    fitted values, and the partial correlation is taken anew.

    Args:
        x_N: One value per language, at least 4.
        y_N: One value per language, in the same order.
        control_N: One value per language, in the same order.
        resamples: Bootstrap resamples.
        permutations: Random permutations of the residuals of y.
        confidence: Level in (0, 1).
        seed: Seed of both.

    Raises:
        ValueError: As `partial_correlation`, or an argument is out of range.
    """
    estimate = partial_correlation(x_N, y_N, control_N)
    x_N, y_N, control_N = _variables({"x": x_N, "y": y_N, "control": control_N}, at_least=4)
    rng = np.random.default_rng(seed)
    low, high, degenerate = _bootstrap(_partial_rows, (x_N, y_N, control_N), resamples, confidence, rng)
    residual_N = _residuals(y_N[None], control_N[None])[0]
    permuted_BN = (y_N - residual_N) + _permute(residual_N, permutations, rng)
    null_B = _partial_rows(
        np.broadcast_to(x_N, permuted_BN.shape),
        permuted_BN,
        np.broadcast_to(control_N, permuted_BN.shape),
    )
    return Correlation(len(x_N), estimate, low, high, _p_value(estimate, null_B), degenerate)


def leave_one_out(x_N: ArrayLike, y_N: ArrayLike) -> LeaveOneOut:
    """Simple linear regression of y on x, each language predicted by a fit to the others.

    The baseline predicts the mean of the others.

    Args:
        x_N: One value per language, at least 3.
        y_N: One value per language, in the same order.

    Raises:
        ValueError: The shapes disagree, a value is not finite, a variable is constant, or x is
            constant without one of the languages.
    """
    x_N, y_N = _variables({"x": x_N, "y": y_N}, at_least=3)
    for language in range(len(x_N)):
        if np.ptp(np.delete(x_N, language)) == 0:
            raise ValueError(f"x is constant without language {language}")
    # the PRESS residual e / (1 - h) is the error of the fit that leaves the observation out
    model_N = np.asarray(OLS(y_N, add_constant(x_N)).fit().get_influence().resid_press)
    mean_N = (y_N - y_N.mean()) * len(y_N) / (len(y_N) - 1)
    return LeaveOneOut(
        mae_model=float(np.abs(model_N).mean()),
        mae_mean=float(np.abs(mean_N).mean()),
        r2=float(1 - (model_N @ model_N) / (mean_N @ mean_N)),
    )


def _unconditional(
    statistic: Callable[..., Floats],
    x_N: ArrayLike,
    y_N: ArrayLike,
    resamples: int,
    permutations: int,
    confidence: float,
    seed: int,
) -> Correlation:
    x_N, y_N = _variables({"x": x_N, "y": y_N}, at_least=3)
    rng = np.random.default_rng(seed)
    estimate = float(statistic(x_N[None], y_N[None])[0])
    low, high, degenerate = _bootstrap(statistic, (x_N, y_N), resamples, confidence, rng)
    permuted_BN = _permute(y_N, permutations, rng)
    null_B = statistic(np.broadcast_to(x_N, permuted_BN.shape), permuted_BN)
    return Correlation(len(x_N), estimate, low, high, _p_value(estimate, null_B), degenerate)


def _bootstrap(
    statistic: Callable[..., Floats],
    variables: tuple[Floats, ...],
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> tuple[float, float, int]:
    refuse_confidence(confidence)
    refuse_resamples(resamples)
    languages = len(variables[0])
    drawn_BN = rng.integers(languages, size=(resamples, languages))
    drawn = [values_N[drawn_BN] for values_N in variables]
    varying_B = np.all([np.ptp(values_BN, axis=1) > 0 for values_BN in drawn], axis=0)
    values_B = statistic(*(values_BN[varying_B] for values_BN in drawn))
    values_B = values_B[~np.isnan(values_B)]
    if not len(values_B):
        raise ValueError(f"all {resamples} resamples are degenerate")
    interval = percentile_interval(values_B, confidence)
    return interval.low, interval.high, resamples - len(values_B)


def _permute(values_N: Floats, permutations: int, rng: np.random.Generator) -> Floats:
    if permutations < 1:
        raise ValueError(f"permutations is {permutations}, must be at least 1")
    return rng.permuted(np.tile(values_N, (permutations, 1)), axis=1)


def _p_value(estimate: float, null_B: Floats) -> float:
    # an undefined coefficient (a permutation collinear with the control) counts as extreme
    less_extreme = int(np.count_nonzero(np.abs(null_B) < abs(estimate) - TIE))
    return (len(null_B) - less_extreme + 1) / (len(null_B) + 1)


def _pearson_rows(x_BN: Floats, y_BN: Floats) -> Floats:
    return np.asarray(stats.pearsonr(x_BN, y_BN, axis=1).statistic)


def _spearman_rows(x_BN: Floats, y_BN: Floats) -> Floats:
    return _pearson_rows(stats.rankdata(x_BN, axis=1), stats.rankdata(y_BN, axis=1))


def _partial_rows(x_BN: Floats, y_BN: Floats, control_BN: Floats) -> Floats:
    """Partial correlation of each row; NaN where x or y is collinear with the control."""
    defined_B = _has_residual(x_BN, control_BN) & _has_residual(y_BN, control_BN)
    values_B = np.full(len(x_BN), np.nan)
    values_B[defined_B] = _pearson_rows(
        _residuals(x_BN[defined_B], control_BN[defined_B]),
        _residuals(y_BN[defined_B], control_BN[defined_B]),
    )
    return values_B


def _residuals(values_BN: Floats, control_BN: Floats) -> Floats:
    """Residuals of the regression of each row on its control with an intercept."""
    centred_BN = values_BN - values_BN.mean(axis=1, keepdims=True)
    control_BN = control_BN - control_BN.mean(axis=1, keepdims=True)
    slope_B = (centred_BN * control_BN).sum(axis=1) / (control_BN**2).sum(axis=1)
    residual_BN: Floats = centred_BN - slope_B[:, None] * control_BN
    return residual_BN


def _has_residual(values_BN: Floats, control_BN: Floats) -> NDArray[np.bool_]:
    residual_B = _residuals(values_BN, control_BN).std(axis=1)
    defined_B: NDArray[np.bool_] = residual_B > COLLINEAR * values_BN.std(axis=1)
    return defined_B


def _variables(variables: dict[str, ArrayLike], at_least: int) -> list[Floats]:
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in variables.items()}
    languages = arrays["x"].shape
    for name, array in arrays.items():
        if array.shape != languages or array.ndim != 1:
            raise ValueError(f"{name} is {array.shape}, not a vector of the shape {languages} of x")
        if len(array) < at_least:
            raise ValueError(f"{name} has {len(array)} languages, at least {at_least} needed")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds {np.count_nonzero(~np.isfinite(array))} non-finite")
        if np.ptp(array) == 0:
            raise ValueError(f"{name} is constant")
    return list(arrays.values())
