"""Retrieval measures, by hand and against scipy and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from tasks.retrieval.measures import (
    choose_layer_leaving_one_out,
    cosine_gap,
    cosine_similarity,
    csls,
    mean_aligned_cosine,
    mutual_nearest_neighbour_hits,
    retrieval_measures,
    top1_hits,
)


def embeddings(seed: int, sentences: int = 12, dimensions: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(2, sentences, dimensions))


def test_cosine_against_scipy() -> None:
    """Rows are source sentences, columns target sentences, also from float32."""
    source_ND, target_ND = embeddings(0).astype(np.float32)
    expected_NN = 1 - cdist(source_ND.astype(float), target_ND.astype(float), "cosine")
    np.testing.assert_allclose(cosine_similarity(source_ND, target_ND), expected_NN, atol=1e-12)


def test_zero_vector_and_odd_shapes_are_refused() -> None:
    """A zero vector has no direction; its row is named."""
    with pytest.raises(ValueError, match=r"target rows \[1\] are zero"):
        cosine_similarity(np.eye(2), np.diag([1, 0]))
    with pytest.raises(ValueError, match="not aligned"):
        cosine_similarity(np.eye(2), np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"source rows \[0\] hold"):
        cosine_similarity(np.diag([np.nan, 1]), np.eye(2))
    with pytest.raises(ValueError, match=r"not a non-empty \(N, N\)"):
        top1_hits(np.ones((2, 3)))


def test_top1_by_hand_with_ties() -> None:
    """Row 0: alone the best, 1. Row 1: one of two best, 1/2. Row 2: not among the best, 0."""
    similarity_NN = [[0.9, 0.1, 0.2], [0.7, 0.7, 0.1], [0.8, 0.8, 0.1]]
    assert top1_hits(similarity_NN).tolist() == [1.0, 0.5, 0.0]


@settings(deadline=None)
@given(st.integers(2, 70), st.integers(1, 130), st.integers(0, 1000))
def test_constant_embeddings_are_at_chance(sentences: int, dimensions: int, seed: int) -> None:
    """A model that maps all sentences to one point finds each translation with chance 1/N."""
    point_D = np.random.default_rng(seed).normal(size=dimensions)
    constant_ND = np.tile(point_D, (sentences, 1))
    measures = retrieval_measures(constant_ND, constant_ND)
    for name in ("p_at_1_forward", "p_at_1_backward", "p_at_1", "csls_p_at_1"):
        assert measures[name].mean() == pytest.approx(1 / sentences), name
    assert measures["mutual_nn"].sum() == 0
    assert np.abs(measures["cosine_gap"]).max() < 1e-12


def test_csls_by_hand() -> None:
    """Cosines 0.8 0.6 / 0.9 0.2.

    One neighbour: row maxima 0.8 0.9, column maxima 0.9 0.6. Both: row means 0.7 0.55, column means
    0.85 0.4. Ten neighbours are capped at the two there are.
    """
    cosine_NN = [[0.8, 0.6], [0.9, 0.2]]
    np.testing.assert_allclose(csls(cosine_NN, 1), [[-0.1, -0.2], [0.0, -1.1]], atol=1e-15)
    np.testing.assert_allclose(csls(cosine_NN), [[0.05, 0.1], [0.4, -0.55]], atol=1e-15)
    with pytest.raises(ValueError, match="neighbours is 0"):
        csls(cosine_NN, 0)


def test_csls_takes_a_hub_away() -> None:
    """Target 0 is near to all sources: by cosine it wins every row, by CSLS each row is right.

    With one neighbour, row 1 has 2 * 0.9 - 0.9 - 0.99 = -0.09 at the hub and 2 * 0.85 - 0.9 - 0.85
    = -0.05 at its own.
    """
    cosine_NN = np.array([[0.99, 0.1, 0.1], [0.9, 0.85, 0.1], [0.9, 0.1, 0.85]])
    assert top1_hits(cosine_NN).tolist() == [1.0, 0.0, 0.0]
    assert top1_hits(csls(cosine_NN, 1)).tolist() == [1.0, 1.0, 1.0]


def test_mutual_nearest_neighbours_by_hand() -> None:
    """Pair 0 wins row and column; pair 1 loses its column to row 2; pair 2 ties in its row."""
    similarity_NN = [[0.9, 0.1, 0.1], [0.2, 0.5, 0.3], [0.1, 0.6, 0.6]]
    assert mutual_nearest_neighbour_hits(similarity_NN).tolist() == [1.0, 0.0, 0.0]


def test_gap_and_aligned_cosine_by_hand() -> None:
    """Diagonal 0.9 0.5, others 0.1 0.3: mean 0.7, gap 0.7 - 0.2 = 0.5."""
    similarity_NN = [[0.9, 0.1], [0.3, 0.5]]
    assert mean_aligned_cosine(similarity_NN) == pytest.approx(0.7)
    assert cosine_gap(similarity_NN) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="at least two"):
        cosine_gap([[1.0]])


def test_gap_per_sentence_by_hand() -> None:
    """Sources e1, e2 and targets e1, (0.6, 0.8) have the cosines 1 0.6 / 0 0.8.

    Each sentence's row and column hold 0.6 and 0 besides: gaps 1 - 0.3 and 0.8 - 0.3.
    """
    measures = retrieval_measures(np.eye(2), [[1.0, 0.0], [0.6, 0.8]])
    np.testing.assert_allclose(measures["cosine_gap"], [0.7, 0.5])
    np.testing.assert_allclose(measures["mean_cosine"], [1.0, 0.8])


def test_measures_against_brute_force() -> None:
    """Every direction and mean, with explicit loops over sentences and ten nearest neighbours."""
    source_ND, target_ND = embeddings(1, sentences=25)
    target_ND = target_ND + source_ND
    cosine_NN = 1 - cdist(source_ND, target_ND, "cosine")
    count = len(cosine_NN)
    scaled_NN = np.array(
        [
            [
                2 * cosine_NN[i, j]
                - sum(sorted(cosine_NN[i, :], reverse=True)[:10]) / 10
                - sum(sorted(cosine_NN[:, j], reverse=True)[:10]) / 10
                for j in range(count)
            ]
            for i in range(count)
        ]
    )
    forward = [float(cosine_NN[i].argmax() == i) for i in range(count)]
    backward = [float(cosine_NN[:, i].argmax() == i) for i in range(count)]
    csls_both = [(float(scaled_NN[i].argmax() == i) + float(scaled_NN[:, i].argmax() == i)) / 2 for i in range(count)]
    off_NN = cosine_NN[~np.eye(count, dtype=bool)]

    measures = retrieval_measures(source_ND, target_ND)
    assert measures["p_at_1_forward"].tolist() == forward
    assert measures["p_at_1_backward"].tolist() == backward
    assert measures["p_at_1"].mean() == pytest.approx(np.mean(forward + backward))
    assert measures["csls_p_at_1"].tolist() == csls_both
    assert measures["mutual_nn"].tolist() == [a * b for a, b in zip(forward, backward, strict=True)]
    assert measures["cosine_gap"].mean() == pytest.approx(np.diag(cosine_NN).mean() - off_NN.mean())
    assert 0 < np.mean(forward) < 1, "the example should neither always hit nor always miss"


def test_direction_is_source_to_target() -> None:
    """Exchanging source and target exchanges forward and backward and keeps the rest."""
    source_ND, target_ND = embeddings(2)
    one, other = (
        retrieval_measures(source_ND, target_ND),
        retrieval_measures(target_ND, source_ND),
    )
    assert one["p_at_1_forward"].tolist() == other["p_at_1_backward"].tolist()
    for name in ("p_at_1", "csls_p_at_1", "mean_cosine", "cosine_gap", "mutual_nn"):
        np.testing.assert_allclose(one[name], other[name], atol=1e-12)


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_scale_does_not_matter(seed: int, scale: float) -> None:
    """Cosine measures ignore the length of embeddings."""
    source_ND, target_ND = embeddings(seed)
    one = retrieval_measures(source_ND, target_ND)
    other = retrieval_measures(source_ND * scale, target_ND)
    for name, values_N in one.items():
        np.testing.assert_allclose(values_N, other[name], atol=1e-12)


def test_layer_choice_by_hand() -> None:
    """Others' means: language 0 sees 0.5 and 0.4, languages 1 and 2 see 0.45 and 0.6."""
    measure_LK = [[0.4, 0.5, 0.5], [0.8, 0.4, 0.4]]
    assert choose_layer_leaving_one_out(measure_LK).tolist() == [0, 1, 1]


def test_first_layer_wins_a_tie() -> None:
    """Equal layers: the first one."""
    assert choose_layer_leaving_one_out(np.full((4, 3), 0.1)).tolist() == [0, 0, 0]


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(0, 4))
def test_a_language_never_moves_its_own_layer(seed: int, language: int) -> None:
    """Any change of a language's own values leaves its layer where it was."""
    rng = np.random.default_rng(seed)
    measure_LK = rng.integers(0, 4, size=(6, 5)) / 10
    changed_LK = measure_LK.copy()
    changed_LK[:, language] = rng.normal(size=6) * 1e6
    before_K = choose_layer_leaving_one_out(measure_LK)
    after_K = choose_layer_leaving_one_out(changed_LK)
    assert before_K[language] == after_K[language]


def test_layer_choice_needs_another_language() -> None:
    """One language has nobody to choose for it, and a hole in the table is refused."""
    with pytest.raises(ValueError, match="at least two languages"):
        choose_layer_leaving_one_out([[0.1], [0.2]])
    with pytest.raises(ValueError, match=r"measure rows \[1\]"):
        choose_layer_leaving_one_out([[0.1, 0.2], [np.nan, 0.2]])
