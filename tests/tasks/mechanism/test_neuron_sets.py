"""Sets of neurons and their controls, by hand and by property."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.mechanism.neuron_sets import cosines, groups, highest, matched_neurons, of_length, random_neurons


def test_cosines_by_hand() -> None:
    """Parallel 1, opposite -1, orthogonal 0, and 0 for a vector of length 0."""
    values = np.array([[[2.0, 0.0], [-3.0, 0.0]], [[0.0, 5.0], [0.0, 0.0]]])
    np.testing.assert_allclose(cosines(values, np.array([4.0, 0.0])), [[1, -1], [0, 0]])


def test_highest_are_ordered_and_ties_go_to_the_first() -> None:
    """(layer, index) pairs; more than there are is refused."""
    table = np.array([[0.1, 0.9], [0.9, 0.5]])
    assert highest(table, 3) == [(0, 1), (1, 0), (1, 1)]
    with pytest.raises(ValueError, match="5 neurons of 4"):
        highest(table, 5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_controls_are_others_and_distinct(seed: int) -> None:
    """Whatever is drawn."""
    rng = np.random.default_rng(seed)
    chosen = [(0, 1), (1, 2), (1, 3)]
    drawn = random_neurons((2, 6), 4, set(chosen), rng)
    assert len(set(drawn)) == 4 and not set(drawn) & set(chosen)
    matched = matched_neurons(chosen, rng.random((2, 6)), rng.random((2, 6)), 3, rng)
    assert len(set(matched)) == 3 and not set(matched) & set(chosen)


def test_a_match_is_the_most_alike() -> None:
    """With one nearest neighbour allowed: norm and activation of (0, 0) are nearest to those of (1, 1)."""
    norms = np.array([[1.0, 5.0], [9.0, 1.1]])
    activations = np.array([[0.5, 3.0], [-4.0, 0.6]])
    assert matched_neurons([(0, 0)], norms, activations, 1, np.random.default_rng(0)) == [(1, 1)]


def test_too_few_others_are_refused() -> None:
    """The message says what to lower."""
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="select fewer candidates"):
        random_neurons((1, 3), 2, {(0, 0), (0, 1)}, rng)
    with pytest.raises(ValueError, match="select fewer candidates"):
        matched_neurons([(0, 0), (0, 1)], np.ones((1, 3)), np.ones((1, 3)), 1, rng)


def test_groups_by_hand() -> None:
    """Aligned ones must fall and opposed ones rise; what moves the other way is in no group.

    The last four cross 0: their group is that of the sign before tuning.
    """
    cosine = np.array([[0.5, 0.5, -0.5, -0.5, 0.5, -0.5], [0.5, 0.5, -0.5, -0.5, 0.5, -0.5]])
    before = np.array([[1.0, -1.0, 1.0, -1.0, 1.0, 1.0], [1.0, -1.0, -1.0, 1.0, 0.5, 0.5]])
    after = np.array([[0.5, -2.0, 2.0, -0.5, 2.0, 0.5], [-1.0, 1.0, 1.0, -1.0, -0.5, -0.5]])
    assert groups(cosine, before, after) == {
        "TP-": [(0, 0), (1, 0), (1, 4)],
        "TN+": [(0, 1)],
        "AP+": [(0, 2)],
        "AN-": [(0, 3), (1, 2)],
    }


def test_likeness_is_in_units_of_the_spread() -> None:
    """Norms run to 1000, activations to 1.

    From (0, 0), with norm 500 and activation 0: (0, 1) differs by 1 in norm and 1 in activation, (0, 2) by 100 in norm
    alone. Unscaled (0, 1) is nearer; in standard deviations (about 350 and .4) it is (0, 2).
    """
    norms = np.array([[500.0, 501.0, 600.0, 0.0, 1000.0]])
    activations = np.array([[0.0, 1.0, 0.0, 0.0, 0.0]])
    assert matched_neurons([(0, 0)], norms, activations, 1, np.random.default_rng(0)) == [(0, 2)]


def test_a_random_direction_has_the_length_asked_for() -> None:
    """And another seed another direction."""
    one, two = (of_length(3.0, 16, np.random.default_rng(seed)) for seed in (1, 2))
    assert np.linalg.norm(one) == pytest.approx(3.0)
    assert not np.allclose(one, two)
