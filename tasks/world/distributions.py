"""Discrete distributions with known log-probabilities, and random weights and splits to make worlds of.

Pure: no files, clock, network or globals.
"""

import math
import random
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")
P = TypeVar("P", bound=str)


class Choice(Generic[T]):
    """A discrete distribution that can be drawn from and asked for log-probabilities."""

    def __init__(self, weights: Mapping[T, float]) -> None:
        """Normalises the weights; zero-weight values are left out; ValueError if nothing remains."""
        total = sum(weights.values())
        if not total > 0:
            raise ValueError("a distribution needs at least one positive weight")
        kept = {value: weight / total for value, weight in weights.items() if weight > 0}
        self.values = list(kept)
        self.log = {value: math.log(weight) for value, weight in kept.items()}
        self._cumulative = list(accumulate(kept.values()))

    def draw(self, rng: random.Random) -> T:
        """One value at random."""
        return rng.choices(self.values, cum_weights=self._cumulative)[0]


def flag(rate: float) -> Choice[bool]:
    """True with probability `rate`."""
    return Choice({True: rate, False: 1 - rate})


def zipf(concepts: Sequence[str], rng: np.random.Generator, exponent: float = 0.7) -> dict[str, float]:
    """Zipf weights in random order: rank r has weight r ** -exponent."""
    ranks = rng.permutation(len(concepts)) + 1
    weights = ranks.astype(float) ** -exponent
    return dict(zip(concepts, (weights / weights.sum()).tolist(), strict=True))


def dirichlet(concepts: Sequence[str], rng: np.random.Generator, concentration: float = 0.3) -> dict[str, float]:
    """Weights from a symmetric Dirichlet distribution, none of them 0."""
    # The floor keeps every fact possible, so that each part of the split has facts of every kind.
    weights = rng.dirichlet([concentration] * len(concepts)) + 1e-3
    return dict(zip(concepts, (weights / weights.sum()).tolist(), strict=True))


def split(items: Sequence[T], shares: Mapping[P, float], rest: P, rng: np.random.Generator) -> dict[T, P]:
    """Assigns items to parts at random: to each part its share, at least one item, and to `rest` all others."""
    parts: list[P] = []
    for part, share in sorted(shares.items()):
        parts += [part] * max(1, round(share * len(items)))
    parts += [rest] * (len(items) - len(parts))
    order = rng.permutation(len(items)).tolist()
    return {items[index]: part for index, part in zip(order, parts, strict=True)}
