"""Mixes languages by shares.

Pure: no files, clock, network or globals.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

from tasks.sources.cleaning import draw

T = TypeVar("T")


def by_largest_remainder(total: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Whole numbers that sum to `total`, each its share rounded down or up; ties go to the language named first."""
    exact = {language: total * share for language, share in shares.items()}
    counts = {language: math.floor(value + 1e-9) for language, value in exact.items()}
    order = sorted(shares, key=lambda language: counts[language] - exact[language])
    for language in order[: total - sum(counts.values())]:
        counts[language] += 1
    return counts


def mix(rows: Mapping[str, Sequence[T]], shares: Mapping[str, float], total: int | None, seed: str) -> list[T]:
    """A random sample of each language's rows, as many as its share, language by language.

    Args:
        rows: By language; those of a language are sampled without regard to the others.
        shares: By language; sum 1.
        total: Rows to take; None for the most that the shares allow.
        seed: Of the samples.

    Raises:
        ValueError: A language has fewer rows than its share, or would have none.
    """
    if total is None:
        total = min(math.floor(len(rows[language]) / share + 1e-9) for language, share in shares.items())
    kept: list[T] = []
    for language, count in by_largest_remainder(total, shares).items():
        own = rows[language]
        if not 0 < count <= len(own):
            raise ValueError(f"{count} of {total} would be {language}, of which there are {len(own)}")
        numbers = draw([str(number) for number in range(len(own))], count, f"{language} {seed}")
        kept += [own[int(number)] for number in numbers]
    return kept
