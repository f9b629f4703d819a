"""Bilingual sentence retrieval: how well a translation is found by its embedding.

Shapes: N sentences, D dimensions, L layers, K languages. Row i of the source and row i of the
target are translations of each other. In a similarity matrix rows are source sentences and columns
target sentences.

Pure: no files, clock, network or globals.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Similarities closer than this are tied. BLAS rounds a dot product by its place in the matrix, so
# that equal sentences would else differ in the last bits; float64 leaves about 1e-15 on unit
# vectors.
TIE = 1e-12


def cosine_similarity(source_ND: ArrayLike, target_ND: ArrayLike) -> Floats:
    """Cosine of every source sentence with every target sentence.

    Args:
        source_ND: Source embeddings.
        target_ND: Target embeddings, row-aligned with the source.

    Returns:
        Shape (N, N), in [-1, 1], float64.

    Raises:
        ValueError: The shapes disagree, a value is not finite, or an embedding is zero.
    """
    source_ND, target_ND = _unit_rows(source_ND, "source"), _unit_rows(target_ND, "target")
    if source_ND.shape != target_ND.shape:
        raise ValueError(f"source {source_ND.shape} and target {target_ND.shape} are not aligned")
    cosine_NN: Floats = np.clip(source_ND @ target_ND.T, -1.0, 1.0)
    return cosine_NN


def top1_hits(similarity_NN: ArrayLike) -> Floats:
    """Chance that each row's nearest column is its own, with ties broken at random.

    Args:
        similarity_NN: Similarities of the order of 1 (cosine or CSLS).

    Returns:
        Shape (N,): 1/m where the diagonal is among the m maxima of its row, else 0. The mean is
        P@1; embeddings that are all equal give 1/N.

    Raises:
        ValueError: Not a square matrix of finite numbers.
    """
    similarity_NN = _square(similarity_NN)
    maximal_NN = similarity_NN >= similarity_NN.max(axis=1, keepdims=True) - TIE
    hits_N: Floats = np.diag(maximal_NN) / maximal_NN.sum(axis=1)
    return hits_N


def csls(similarity_NN: ArrayLike, neighbours: int = 10) -> Floats:
    """Cross-domain similarity local scaling: 2 cos(x, y) - r_T(x) - r_S(y).

    r_T(x) is the mean cosine of a source sentence with its nearest targets, r_S(y) that of a target
    with its nearest sources (Conneau et al. 2018, sec. 2.3, https://arxiv.org/abs/1710.04087).

    Args:
        similarity_NN: Cosine similarities.
        neighbours: Sentences in each neighbourhood, at least 1; at most N are used.

    Returns:
        Shape (N, N).

    Raises:
        ValueError: Not a square matrix of finite numbers, or neighbours below 1.
    """
    if neighbours < 1:
        raise ValueError(f"neighbours is {neighbours}, must be at least 1")
    similarity_NN = _square(similarity_NN)
    nearest = min(neighbours, len(similarity_NN))
    ascending_rows_NN = np.sort(similarity_NN, axis=1)
    ascending_columns_NN = np.sort(similarity_NN, axis=0)
    source_density_N = ascending_rows_NN[:, -nearest:].mean(axis=1)
    target_density_N = ascending_columns_NN[-nearest:, :].mean(axis=0)
    scaled_NN: Floats = 2 * similarity_NN - source_density_N[:, None] - target_density_N[None, :]
    return scaled_NN


def mutual_nearest_neighbour_hits(similarity_NN: ArrayLike) -> Floats:
    """Whether each pair is strictly closer than either sentence is to any other.

    The mean is MEXA's alignment score (Kargaran et al. 2024, https://arxiv.org/abs/2410.05873).

    Args:
        similarity_NN: Cosine similarities.

    Returns:
        Shape (N,): 1.0 if the diagonal exceeds every other entry of its row and of its column, else
        0.0; a tie is a miss.

    Raises:
        ValueError: Not a square matrix of finite numbers.
    """
    similarity_NN = _square(similarity_NN)
    others_NN = similarity_NN.copy()
    np.fill_diagonal(others_NN, -np.inf)
    rival_N = np.maximum(others_NN.max(axis=1), others_NN.max(axis=0))
    hits_N: Floats = (np.diag(similarity_NN) > rival_N + TIE).astype(np.float64)
    return hits_N


def mean_aligned_cosine(similarity_NN: ArrayLike) -> float:
    """Mean similarity of translations: the mean of the diagonal.

    Args:
        similarity_NN: Cosine similarities.

    Raises:
        ValueError: Not a square matrix of finite numbers.
    """
    return float(np.diag(_square(similarity_NN)).mean())


def cosine_gap(similarity_NN: ArrayLike) -> float:
    """Mean similarity of translations minus that of all other pairs.

    Args:
        similarity_NN: Cosine similarities, N at least 2.

    Raises:
        ValueError: Not a square matrix of finite numbers, or N below 2.
    """
    return float(_gaps(_square(similarity_NN)).mean())


def retrieval_measures(source_ND: ArrayLike, target_ND: ArrayLike) -> dict[str, Floats]:
    """Values per sentence whose means are the retrieval measures of one language pair and layer.

    Args:
        source_ND: Source embeddings, N at least 2.
        target_ND: Target embeddings, row-aligned with the source.

    Returns:
        Arrays of shape (N,): p_at_1_forward (source to target), p_at_1_backward, p_at_1 (mean of
        both), csls_p_at_1 (mean of both directions, 10 neighbours), mean_cosine, cosine_gap (the
        diagonal minus the mean of all other entries of its row and column), mutual_nn.

    Raises:
        ValueError: As `cosine_similarity`, or N below 2.
    """
    cosine_NN = cosine_similarity(source_ND, target_ND)
    csls_NN = csls(cosine_NN)
    forward_N, backward_N = top1_hits(cosine_NN), top1_hits(cosine_NN.T)
    return {
        "p_at_1_forward": forward_N,
        "p_at_1_backward": backward_N,
        "p_at_1": (forward_N + backward_N) / 2,
        "csls_p_at_1": (top1_hits(csls_NN) + top1_hits(csls_NN.T)) / 2,
        "mean_cosine": np.diag(cosine_NN).copy(),
        "cosine_gap": _gaps(cosine_NN),
        "mutual_nn": mutual_nearest_neighbour_hits(cosine_NN),
    }


def choose_layer_leaving_one_out(measure_LK: ArrayLike) -> NDArray[np.intp]:
    """For each language, the layer that is best on average over the other languages.

    A language never chooses its own layer, so that its measure there is not a maximum over layers.

    Args:
        measure_LK: A retrieval measure per layer and language, higher is better, K at least 2.

    Returns:
        Shape (K,): index of the layer, the first one where several are best.

    Raises:
        ValueError: Not a finite matrix with at least one layer and two languages.
    """
    measure_LK = np.asarray(measure_LK, dtype=np.float64)
    if measure_LK.ndim != 2 or measure_LK.shape[0] < 1 or measure_LK.shape[1] < 2:
        raise ValueError(f"measure is {measure_LK.shape}, not (layers, at least two languages)")
    _refuse_non_finite(measure_LK, "measure")
    # total minus own would let the own value move the others' mean by rounding, and so break ties
    return np.array(
        [np.delete(measure_LK, language, axis=1).mean(axis=1).argmax() for language in range(measure_LK.shape[1])]
    )


def _gaps(similarity_NN: Floats) -> Floats:
    count = len(similarity_NN)
    if count < 2:
        raise ValueError("a gap needs at least two sentence pairs, got 1")
    diagonal_N = np.diag(similarity_NN)
    others_N = similarity_NN.sum(axis=0) + similarity_NN.sum(axis=1) - 2 * diagonal_N
    gaps_N: Floats = diagonal_N - others_N / (2 * (count - 1))
    return gaps_N


def _unit_rows(embeddings_ND: ArrayLike, name: str) -> Floats:
    rows_ND = np.asarray(embeddings_ND, dtype=np.float64)
    if rows_ND.ndim != 2 or rows_ND.size == 0:
        raise ValueError(f"{name} is {rows_ND.shape}, not a non-empty (N, D)")
    _refuse_non_finite(rows_ND, name)
    norms_N = np.linalg.norm(rows_ND, axis=1)
    if not norms_N.all():
        raise ValueError(f"{name} rows {np.flatnonzero(norms_N == 0).tolist()} are zero vectors")
    unit_ND: Floats = rows_ND / norms_N[:, None]
    return unit_ND


def _square(similarity_NN: ArrayLike) -> Floats:
    matrix_NN = np.asarray(similarity_NN, dtype=np.float64)
    if matrix_NN.ndim != 2 or matrix_NN.shape[0] != matrix_NN.shape[1] or matrix_NN.size == 0:
        raise ValueError(f"similarity is {matrix_NN.shape}, not a non-empty (N, N)")
    _refuse_non_finite(matrix_NN, "similarity")
    return matrix_NN


def _refuse_non_finite(matrix: Floats, name: str) -> None:
    rows = np.flatnonzero(~np.isfinite(matrix).all(axis=1)).tolist()
    if rows:
        raise ValueError(f"{name} rows {rows} hold values that are not finite")
