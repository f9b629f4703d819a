"""Diversity of the continuations of one prompt.

Pure: no files, clock, network or globals.
"""

from collections.abc import Sequence

import numpy as np
from sacrebleu.metrics.bleu import BLEU


def distinct_n(token_lists: Sequence[Sequence[int | str]], n: int) -> float:
    """Distinct n-grams divided by all n-grams (Li et al. 2016, https://arxiv.org/abs/1510.03055).

    N-grams are pooled over the continuations of one prompt and never cross from one continuation
    into the next.

    Args:
        token_lists: Tokens of each continuation of one prompt.
        n: Length of the n-grams in tokens, at least 1.

    Returns:
        A share in (0, 1]; NaN when no continuation has n tokens.

    Raises:
        ValueError: n is below 1, or a continuation is a text instead of a list of tokens.
    """
    if n < 1:
        raise ValueError(f"n is {n}, must be at least 1")
    # a str is a sequence of str, and would silently count characters
    if any(isinstance(tokens, str) for tokens in token_lists):
        raise ValueError("a continuation is a text, not a list of tokens")
    ngrams = [tuple(tokens[start : start + n]) for tokens in token_lists for start in range(len(tokens) - n + 1)]
    return len(set(ngrams)) / len(ngrams) if ngrams else float("nan")


def self_bleu(texts: Sequence[str]) -> float:
    """Mean sentence BLEU of each continuation against all others as references.

    Zhu et al. 2018, Texygen (https://arxiv.org/abs/1802.01886). BLEU is sacrebleu's with n-grams up
    to 4, exponential smoothing, the effective order, and no tokenisation. Higher is less diverse.

    Args:
        texts: Continuations of one prompt, each of space-separated tokens. Those without a token
            are left out, as hypotheses and as references.

    Returns:
        A mean in [0, 1]; NaN with fewer than two non-empty texts.
    """
    filled = [text for text in texts if text.strip()]
    if len(filled) < 2:
        return float("nan")
    bleu = BLEU(tokenize="none", effective_order=True)
    percents = [bleu.sentence_score(text, [*filled[:i], *filled[i + 1 :]]).score for i, text in enumerate(filled)]
    # sacrebleu's identity is 100.00000000000004
    return min(float(np.mean(percents)) / 100, 1.0)
