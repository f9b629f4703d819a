"""What changing neurons does to a mean over prompts, beside controls.

Shapes: C conditions, P prompts, L languages, B bootstrap replicates, K draws of a control.

Pure: no files, clock, network or globals.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value with its percentile interval; NaN where undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Means:
    """Mean of each condition over prompts, per language and over languages, with bootstrap replicates.

    The same prompts are drawn for all conditions and languages, which keeps comparisons paired.

    Attributes:
        names: Conditions, C.
        languages: The L languages; the last column of the tables is their unweighted mean.
        point_CL: Means, (C, L + 1).
        replicates_BCL: Of each replicate.
    """

    names: list[str]
    languages: list[str]
    point_CL: Floats
    replicates_BCL: Floats

    def of(self, name: str) -> tuple[Floats, Floats]:
        """Means of one condition, (L + 1,) and (B, L + 1)."""
        row = self.names.index(name)
        return self.point_CL[row], self.replicates_BCL[:, row]

    def of_draws(self, names: list[str], rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Mean over several draws of a control, which each replicate draws anew with replacement."""
        rows = [self.names.index(name) for name in names]
        picked_BK = rng.integers(len(rows), size=(len(self.replicates_BCL), len(rows)))
        weight_BK = np.stack([(picked_BK == number).mean(axis=1) for number in range(len(rows))], axis=1)
        drawn_BL = np.einsum("bkl,bk->bl", self.replicates_BCL[:, rows], weight_BK)
        return self.point_CL[rows].mean(axis=0), drawn_BL


def resampled_means(
    values_CPL: Floats, names: list[str], languages: list[str], resamples: int, rng: np.random.Generator
) -> Means:
    """Means of conditions, over prompts drawn with replacement.

    Raises:
        ValueError: Fewer than two prompts, or a value that is not finite.
    """
    if values_CPL.shape[1] < 2:
        raise ValueError(f"{values_CPL.shape[1]} prompts: an interval over prompts needs at least two")
    if not np.isfinite(values_CPL).all():
        raise ValueError(f"{int((~np.isfinite(values_CPL)).sum())} values are not finite")
    prompts = values_CPL.shape[1]
    counts_BP = rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=resamples)
    point_CL = values_CPL.mean(axis=1)
    replicates_BCL = np.einsum("bp,cpl->bcl", counts_BP / prompts, values_CPL, optimize=True)
    return Means(
        names,
        languages,
        np.concatenate([point_CL, point_CL.mean(axis=-1, keepdims=True)], axis=-1),
        np.concatenate([replicates_BCL, replicates_BCL.mean(axis=-1, keepdims=True)], axis=-1),
    )


def difference(one: tuple[Floats, Floats], other: tuple[Floats, Floats], confidence: float) -> list[Estimate]:
    """Difference of two means, per language and for their mean."""
    return _estimates(one[0] - other[0], one[1] - other[1], confidence)


def share(
    changed: tuple[Floats, Floats], start: tuple[Floats, Floats], end: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """(start - changed) / (start - end): how much of the way from start to end a change goes.

    Undefined (NaN) where start equals end: nothing is there to be explained.
    """
    return _ratio(start[0] - changed[0], start[0] - end[0]), _ratio(start[1] - changed[1], start[1] - end[1])


def estimates(value: tuple[Floats, Floats], confidence: float) -> list[Estimate]:
    """Values with intervals, per language and for their mean."""
    return _estimates(*value, confidence)


def _ratio(over: Floats, under: Floats) -> Floats:
    return np.divide(over, under, out=np.full_like(over, np.nan), where=np.abs(under) > 1e-12)


def _estimates(point_L: Floats, replicates_BL: Floats, confidence: float) -> list[Estimate]:
    """A replicate that is undefined makes its language's interval undefined: leaving it out would bias it."""
    low_L, high_L = np.quantile(replicates_BL, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return [Estimate(float(p), float(a), float(b)) for p, a, b in zip(point_L, low_L, high_L, strict=True)]
