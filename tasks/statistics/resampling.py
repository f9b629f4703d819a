"""Shared by all intervals and tests by resampling: chunks of bounded memory, percentiles, argument checks.

Shapes: B bootstrap replicates.

Pure: no files, clock, network or globals.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Numbers in one chunk of resamples: 32 MB an array, of which about three exist at once.
CHUNK_VALUES = 4_000_000


@dataclass(frozen=True)
class Interval:
    """A confidence interval, both ends in the unit of the estimate; NaN where undefined."""

    low: float
    high: float


def chunks(resamples: int, values_each: int) -> Iterator[int]:
    """Sizes of the chunks that `resamples` split into, if each resample holds `values_each` numbers."""
    size = max(1, CHUNK_VALUES // values_each)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def percentile_interval(replicates_B: Floats, confidence: float) -> Interval:
    """Percentile bootstrap interval (Efron 1979)."""
    low, high = np.quantile(replicates_B, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def finite(values: ArrayLike, name: str, *, dimensions: int) -> Floats:
    """The values as float64; ValueError names what is empty, has other axes, or is not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != dimensions or array.size == 0:
        raise ValueError(f"{name} is {array.shape}, not a non-empty array of {dimensions} axes")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds {np.count_nonzero(~np.isfinite(array))} non-finite values")
    return array


def refuse_confidence(confidence: float) -> None:
    """ValueError for a level outside (0, 1)."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}, outside (0, 1)")


def refuse_resamples(resamples: int) -> None:
    """ValueError for fewer than one resample."""
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}, must be at least 1")
