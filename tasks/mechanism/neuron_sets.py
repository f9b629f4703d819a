"""Which neurons a claim is about, and which others it must be compared with.

A neuron is a (layer, index) pair; tables over all neurons have shape (L, F): layers, neurons of a layer.

Pure: no files, clock, network or globals.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Neuron = tuple[int, int]
# Name of the sources of toxicity (the active candidates) in files, as a set and as a column. Records keep it; code and
# prose say sources.
SOURCES = "actual"
GROUPS = ("TP-", "TN+", "AP+", "AN-")


def cosines(values_LFD: Floats, direction_D: Floats) -> Floats:
    """Cosine of every value vector with a direction; 0 for a vector of length 0."""
    lengths_LF = np.linalg.norm(values_LFD, axis=-1) * np.linalg.norm(direction_D)
    products_LF = values_LFD @ direction_D
    return np.asarray(np.divide(products_LF, lengths_LF, out=np.zeros_like(products_LF), where=lengths_LF > 0))


def highest(table_LF: Floats, count: int) -> list[Neuron]:
    """The neurons with the highest values, highest first; ties in order of layer and index."""
    if not 0 < count <= table_LF.size:
        raise ValueError(f"{count} neurons of {table_LF.size}")
    order = np.argsort(-table_LF, axis=None, kind="stable")[:count]
    return [(int(layer), int(index)) for layer, index in zip(*np.unravel_index(order, table_LF.shape), strict=True)]


def random_neurons(shape: tuple[int, int], count: int, without: set[Neuron], rng: np.random.Generator) -> list[Neuron]:
    """As many neurons drawn from all others."""
    others = [(layer, index) for layer in range(shape[0]) for index in range(shape[1]) if (layer, index) not in without]
    if count > len(others):
        raise ValueError(f"{count} control neurons of {len(others)} others: select fewer candidates")
    return [others[number] for number in sorted(rng.choice(len(others), count, replace=False))]


def matched_neurons(
    chosen: list[Neuron], norms_LF: Floats, activations_LF: Floats, nearest: int, rng: np.random.Generator
) -> list[Neuron]:
    """For each chosen neuron another of like value-vector norm and mean activation, each used once.

    Likeness is the distance of the two in units of their standard deviation over all neurons; one of the `nearest`
    that are left is drawn, so that several draws differ.
    """
    features = np.stack([norms_LF.ravel(), activations_LF.ravel()], axis=1)
    spread = features.std(axis=0)
    features = features / np.where(spread > 0, spread, 1)
    width = norms_LF.shape[1]
    flat = [layer * width + index for layer, index in chosen]
    taken = np.zeros(len(features), dtype=bool)
    taken[flat] = True
    found = []
    for neuron in rng.permutation(flat):
        distance = np.linalg.norm(features - features[neuron], axis=1)
        distance[taken] = np.inf
        order = np.argsort(distance, kind="stable")[: min(nearest, int((~taken).sum()))]
        if len(order) == 0:
            raise ValueError(f"{len(chosen)} neurons cannot be matched among the others: select fewer candidates")
        pick = int(rng.choice(order))
        taken[pick] = True
        found.append((pick // width, pick % width))
    return sorted(found)


def groups(cosines_LF: Floats, before_LF: Floats, after_LF: Floats) -> dict[str, list[Neuron]]:
    """The four groups of neurons whose shift lowers toxicity (Yang et al. 2025, https://arxiv.org/abs/2411.06424).

    T are aligned with toxicity (cosine above 0) and A against it; P were active above 0 before tuning and N below;
    the sign says whether the activation's size fell or rose. TP- and TN+ promote toxicity less than before, AP+ and
    AN- oppose it more.
    """
    toxic, positive, falls = cosines_LF > 0, before_LF > 0, after_LF < before_LF
    rises = after_LF > before_LF
    masks = {
        "TP-": toxic & positive & falls,
        "TN+": toxic & ~positive & falls,
        "AP+": ~toxic & positive & rises,
        "AN-": ~toxic & ~positive & rises,
    }
    return {name: [(int(layer), int(index)) for layer, index in np.argwhere(mask)] for name, mask in masks.items()}


def of_length(length: float, size: int, rng: np.random.Generator) -> Floats:
    """A vector of this length in a random direction."""
    vector_D = rng.normal(size=size)
    return np.asarray(vector_D * (length / np.linalg.norm(vector_D)))
