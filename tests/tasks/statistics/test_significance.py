"""Tests, against enumeration, scipy and hand calculation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tasks.statistics.significance import holm, mcnemar_p, sign_flip_p


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- sign flips ---


def test_sign_flip_against_enumeration() -> None:
    """All 512 sign vectors give the exact p; 20,000 random ones come to 4 standard errors."""
    differences_P = generator(10).normal(0.4, 1, size=9)
    means = [abs(np.dot(signs, differences_P)) / 9 for signs in itertools.product((-1, 1), repeat=9)]
    exact = np.mean(np.array(means) >= abs(differences_P.mean()) - 1e-12)
    assert 0.01 < exact < 0.9
    estimate = sign_flip_p(differences_P, 20_000, generator(11))
    assert estimate == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 20_000))


def test_sign_flip_counts_ties_in_spite_of_rounding() -> None:
    """Tenths tie as their integers do: the share of 256 signed sums that reach 19.

    In floating point 6 of the 48 fall short by a rounding.
    """
    integers = np.array([3, -1, 4, 1, -5, 9, 2, 6])
    sums = [abs(np.dot(signs, integers)) for signs in itertools.product((-1, 1), repeat=8)]
    exact = float(np.mean(np.array(sums) >= 19))
    estimate = sign_flip_p(integers / 10, 20_000, generator())
    assert estimate == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 20_000))


def test_sign_flip_of_no_difference_is_one() -> None:
    """A mean of 0 is matched by every sign vector, rounded or not."""
    assert sign_flip_p([0.1, 0.2, -0.3], 200, generator()) == 1.0
    assert sign_flip_p(np.zeros(5), 200, generator()) == 1.0


def test_sign_flip_is_never_zero() -> None:
    """1,000 equal differences are never matched in 99 flips: p is 1 / 100."""
    assert sign_flip_p(np.ones(1000), 99, generator()) == 1 / 100


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8), st.integers(0, 99))
def test_sign_flip_is_two_sided(differences: list[float], seed: int) -> None:
    """Exchanging before and after changes nothing."""
    one = sign_flip_p(differences, 50, generator(seed))
    other = sign_flip_p([-value for value in differences], 50, generator(seed))
    assert one == other


def test_sign_flip_refuses_nan() -> None:
    """A hole in the pairs is an error."""
    with pytest.raises(ValueError, match="differences holds 1 non-finite"):
        sign_flip_p([0.1, np.nan], 10, generator())


# --- McNemar and Holm ---


@settings(deadline=None)
@given(st.integers(0, 15), st.integers(0, 15), st.integers(0, 5), st.integers(0, 5))
def test_mcnemar_is_a_binomial_test_of_the_changed(risen: int, fallen: int, low: int, high: int) -> None:
    """Prompts that stay do not matter; those that change are heads and tails of a fair coin."""
    pairs = [(0, 1)] * risen + [(1, 0)] * fallen + [(0, 0)] * (low + 1) + [(1, 1)] * high
    before_P, after_P = np.array(pairs).T
    changed = risen + fallen
    expected = stats.binomtest(risen, changed, 0.5).pvalue if changed else 1.0
    assert mcnemar_p(before_P, after_P) == pytest.approx(expected)


def test_mcnemar_refuses_scores_and_misaligned_prompts() -> None:
    """A probability is not an outcome."""
    with pytest.raises(ValueError, match="after holds values other than 0 and 1"):
        mcnemar_p([0, 1], [0, 0.7])
    with pytest.raises(ValueError, match="not aligned"):
        mcnemar_p([0, 1], [0])


def test_holm_by_hand() -> None:
    """0.01 * 4; 0.02 * 3; 0.03 * 2 ties with it; 0.9 * 1; in the order given."""
    adjusted = holm({"fr": 0.9, "en": 0.01, "es": 0.03, "de": 0.02})
    assert list(adjusted) == ["fr", "en", "es", "de"]
    assert adjusted == pytest.approx({"fr": 0.9, "en": 0.04, "es": 0.06, "de": 0.06})


def test_holm_is_monotone_and_at_most_one() -> None:
    """0.5 * 2 is 1; 0.4 * 3 caps at 1 and takes the larger ones along."""
    assert holm({"a": 0.4, "b": 0.5, "c": 0.6}) == {"a": 1.0, "b": 1.0, "c": 1.0}


def test_holm_refuses_nan_and_an_empty_family() -> None:
    """A test that could not be made must not shrink the family unseen."""
    with pytest.raises(ValueError, match="'es' is nan"):
        holm({"en": 0.1, "es": float("nan")})
    with pytest.raises(ValueError, match="no test"):
        holm({})
