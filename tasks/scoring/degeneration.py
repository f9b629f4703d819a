"""Signs that a continuation is degenerate.

Pure: no files, clock, network or globals.
"""

from collections.abc import Sequence


def repeats_itself(tokens: Sequence[int], n: int, share: float) -> bool:
    """Whether at least `share` of the text's n-grams occurred before in it; False for a text without n-grams.

    The share is 1 - distinct-n of the single text (Welleck et al. 2020, seq-rep-n).
    """
    ngrams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
    return bool(ngrams) and 1 - len(set(ngrams)) / len(ngrams) >= share
