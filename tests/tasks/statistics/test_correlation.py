"""Correlations over languages, against scipy, statsmodels and enumeration."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import statsmodels.api as sm  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tasks.statistics.correlation import (
    Correlation,
    leave_one_out,
    partial_correlation,
    partial_correlation_test,
    pearson,
    spearman,
)

Correlate = Callable[..., Correlation]
BOTH = pytest.mark.parametrize(("ours", "theirs"), [(pearson, stats.pearsonr), (spearman, stats.spearmanr)])


def languages(seed: int, count: int = 16) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    control_N = rng.normal(size=count)
    x_N = control_N + rng.normal(size=count)
    return x_N, x_N + control_N + rng.normal(size=count), control_N


def near(exact: float, draws: int) -> float:
    """Four standard errors of a share, and the (b + 1) / (m + 1) of the p-value."""
    return 4 * math.sqrt(exact * (1 - exact) / draws) + 1 / draws


# --- pearson and spearman ---


@BOTH
def test_estimate_against_scipy(ours: Correlate, theirs: Callable[..., tuple[float, float]]) -> None:
    """The coefficient is scipy's, ties included."""
    x_N, y_N, _ = languages(0)
    y_N = np.round(y_N)
    result = ours(x_N, y_N, 10, 10, 0.95, 0)
    assert result.n == 16
    assert result.estimate == pytest.approx(theirs(x_N, y_N)[0])


@BOTH
def test_interval_against_scipy(ours: Correlate, theirs: Callable[..., tuple[float, float]]) -> None:
    """The interval is scipy's paired percentile bootstrap, up to the draws."""
    x_N, y_N, _ = languages(1)
    expected = stats.bootstrap(
        (x_N, y_N),
        lambda x, y: theirs(x, y)[0],
        paired=True,
        vectorized=False,
        method="percentile",
        n_resamples=2000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    result = ours(x_N, y_N, 20_000, 10, 0.95, 0)
    assert result.low == pytest.approx(expected.low, abs=0.05)
    assert result.high == pytest.approx(expected.high, abs=0.02)


@BOTH
def test_p_value_against_enumeration(ours: Correlate, theirs: Callable[..., tuple[float, float]]) -> None:
    """All 720 orders of six languages, with ties, give the exact two-sided p."""
    x_N, y_N = np.array([[0.1, 0.4, 0.2, 0.9, 0.6, 0.5], [1, 2, 1, 2, 0, 3]])
    observed = abs(theirs(x_N, y_N)[0])
    null = [abs(theirs(x_N, order)[0]) for order in itertools.permutations(y_N)]
    exact = float(np.mean(np.array(null) >= observed - 1e-12))
    assert 0.01 < exact < 0.9
    result = ours(x_N, y_N, 10, 20_000, 0.95, 0)
    assert result.p_value == pytest.approx(exact, abs=near(exact, 20_000))


@BOTH
def test_p_value_is_never_zero(ours: Correlate, theirs: object) -> None:
    """A perfect line over 16 languages is matched by none of 99 orders: p is 1 / 100."""
    x_N = np.arange(16.0)
    result = ours(x_N, -x_N, 100, 99, 0.95, 0)
    assert result.estimate == pytest.approx(-1)
    assert result.p_value == 1 / 100


@BOTH
def test_constant_resamples_are_dropped_and_counted(ours: Correlate, theirs: object) -> None:
    """X = 0, 0, 1 is constant where language 2 is never or always drawn: (8 + 1) of 27 times."""
    result = ours([0, 0, 1], [1, 2, 3], 10_000, 10, 0.95, 0)
    assert result.degenerate_resamples / 10_000 == pytest.approx(9 / 27, abs=near(9 / 27, 10_000))
    assert not math.isnan(result.low)


def test_spearman_ranks_resamples_anew() -> None:
    """Spearman sees order only: exp(y) gives the same estimate, interval and p as y."""
    x_N, y_N, _ = languages(3)
    assert spearman(x_N, y_N, 500, 500, 0.95, 0) == spearman(x_N, np.exp(y_N), 500, 500, 0.95, 0)


@BOTH
def test_odd_inputs_are_refused(ours: Correlate, theirs: object) -> None:
    """The variable at fault is named."""
    with pytest.raises(ValueError, match="y is constant"):
        ours([1, 2, 3], [1, 1, 1], 10, 10, 0.95, 0)
    with pytest.raises(ValueError, match="x holds 1 non-finite"):
        ours([1, 2, np.nan], [1, 2, 3], 10, 10, 0.95, 0)
    with pytest.raises(ValueError, match=r"y is \(2,\)"):
        ours([1, 2, 3], [1, 2], 10, 10, 0.95, 0)
    with pytest.raises(ValueError, match="at least 3"):
        ours([1, 2], [1, 2], 10, 10, 0.95, 0)
    with pytest.raises(ValueError, match="confidence is 95"):
        ours([1, 2, 3], [1, 2, 4], 10, 10, 95, 0)
    with pytest.raises(ValueError, match="permutations is 0"):
        ours([1, 2, 3], [1, 2, 4], 10, 0, 0.95, 0)


# --- partial correlation ---


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_partial_correlation_against_ols_and_the_closed_form(seed: int) -> None:
    """Residuals by statsmodels, and (r_xy - r_xz r_yz) / sqrt((1 - r_xz^2)(1 - r_yz^2))."""
    x_N, y_N, control_N = languages(seed)
    design = sm.add_constant(control_N)
    residuals = [sm.OLS(values_N, design).fit().resid for values_N in (x_N, y_N)]
    r = np.corrcoef([x_N, y_N, control_N])
    closed = (r[0, 1] - r[0, 2] * r[1, 2]) / math.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    ours = partial_correlation(x_N, y_N, control_N)
    assert ours == pytest.approx(stats.pearsonr(*residuals)[0])
    assert ours == pytest.approx(closed)


def test_freedman_lane_against_enumeration_with_ols() -> None:
    """All 120 orders of five residuals; the t statistic of x in y* ~ z + x ranks them alike."""
    x_N, y_N, control_N = languages(4, count=5)
    reduced = sm.OLS(y_N, sm.add_constant(control_N)).fit()
    full = sm.add_constant(np.column_stack([control_N, x_N]))

    def t_of_x(y_N: np.ndarray) -> float:
        return abs(float(sm.OLS(y_N, full).fit().tvalues[2]))

    observed = t_of_x(y_N)
    null = [t_of_x(reduced.fittedvalues + np.array(order)) for order in itertools.permutations(reduced.resid)]
    exact = float(np.mean(np.array(null) >= observed * (1 - 1e-9)))
    assert 0.01 < exact < 0.9
    result = partial_correlation_test(x_N, y_N, control_N, 10, 20_000, 0.95, 0)
    assert result.p_value == pytest.approx(exact, abs=near(exact, 20_000))


def test_partial_interval_against_an_explicit_bootstrap() -> None:
    """Languages are drawn as triples; each resample is regressed anew."""
    x_N, y_N, control_N = languages(5)
    rng = np.random.default_rng(0)
    draws = rng.integers(16, size=(4000, 16))
    values = []
    for drawn in draws:
        r = np.corrcoef([x_N[drawn], y_N[drawn], control_N[drawn]])
        values.append((r[0, 1] - r[0, 2] * r[1, 2]) / math.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2)))
    result = partial_correlation_test(x_N, y_N, control_N, 20_000, 10, 0.95, 1)
    assert result.n == 16
    assert result.estimate == partial_correlation(x_N, y_N, control_N)
    assert result.low == pytest.approx(np.quantile(values, 0.025), abs=0.05)
    assert result.high == pytest.approx(np.quantile(values, 0.975), abs=0.02)


def test_resamples_of_two_languages_have_no_partial_correlation() -> None:
    """Of 4 ** 4 draws of four languages 4 hold one and 6 * 14 hold two: 88 / 256 are collinear."""
    result = partial_correlation_test(
        [0.1, 0.9, 0.4, 0.3], [0.3, 0.2, 0.8, 0.7], [0.5, 0.1, 0.7, 0.2], 10_000, 10, 0.95, 0
    )
    share = result.degenerate_resamples / 10_000
    assert share == pytest.approx(88 / 256, abs=near(88 / 256, 10_000))


def test_partial_correlation_refuses_a_copy_of_the_control() -> None:
    """A variable that is the control on another scale has nothing left."""
    x_N, y_N, control_N = languages(6)
    with pytest.raises(ValueError, match="x is collinear with control"):
        partial_correlation(3 * control_N + 1, y_N, control_N)
    with pytest.raises(ValueError, match="y is collinear with control"):
        partial_correlation(x_N, -control_N, control_N)
    with pytest.raises(ValueError, match="control is constant"):
        partial_correlation(x_N, y_N, np.ones(16))


# --- leave one out ---


def test_leave_one_out_against_a_loop() -> None:
    """Each language is predicted by a fit that never saw it."""
    x_N, y_N, _ = languages(7)
    model, mean = [], []
    for i in range(16):
        rest = np.arange(16) != i
        fit = sm.OLS(y_N[rest], sm.add_constant(x_N[rest])).fit()
        model.append(y_N[i] - (fit.params[0] + fit.params[1] * x_N[i]))
        mean.append(y_N[i] - y_N[rest].mean())
    result = leave_one_out(x_N, y_N)
    assert result.mae_model == pytest.approx(np.abs(model).mean())
    assert result.mae_mean == pytest.approx(np.abs(mean).mean())
    assert result.r2 == pytest.approx(1 - np.square(model).sum() / np.square(mean).sum())


def test_leave_one_out_by_hand() -> None:
    """X = 0 1 2, y = 0 0 1.

    Lines through two points predict -1, 0.5, 0: errors 1, -0.5, 1, SSE 2.25. Means 0.5, 0.5, 0:
    errors -0.5, -0.5, 1, SSE 1.5. r2 = 1 - 1.5 = -0.5.
    """
    result = leave_one_out([0, 1, 2], [0, 0, 1])
    assert result.mae_model == pytest.approx(2.5 / 3)
    assert result.mae_mean == pytest.approx(2 / 3)
    assert result.r2 == pytest.approx(-0.5)


def test_leave_one_out_needs_variation_without_each_language() -> None:
    """With x = 0 0 0 1 no slope can be had without language 3."""
    with pytest.raises(ValueError, match="x is constant without language 3"):
        leave_one_out([0, 0, 0, 1], [1, 2, 3, 4])
