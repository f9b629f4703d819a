"""What a vector of the residual stream says in words, and in how many languages it says it.

Shapes: N vectors, D dimensions, V tokens of the vocabulary, K top tokens, L languages, R permutations.

Pure: no files, clock, network or globals.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy
from torch import Tensor

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

CHUNK_VALUES = 1 << 26  # scores held at once: 256 MB
UNKNOWN = -1  # code of a token that belongs to no language


@dataclass(frozen=True)
class TopTokens:
    """Ids and scores (N, K) of the tokens that each vector promotes most, best first."""

    ids_NK: Tensor
    scores_NK: Tensor


@torch.inference_mode()
def top_tokens(vectors_ND: Tensor, unembedding_VD: Tensor, k: int) -> TopTokens:
    """The k tokens whose unembedding has the largest dot product with each vector (Geva et al. 2022).

    No final norm and no softmax comes between, as in Lee et al. 2024. Computed in fp32 at least, where the unembedding
    lies, results on the CPU; tokens with exactly equal scores are in no defined order.

    Raises:
        ValueError: The shapes disagree, k is not in 1..V, or a vector or a score is not finite.
    """
    if vectors_ND.ndim != 2 or unembedding_VD.ndim != 2 or vectors_ND.shape[1] != unembedding_VD.shape[1]:
        raise ValueError(
            f"vectors {tuple(vectors_ND.shape)} and unembedding {tuple(unembedding_VD.shape)} are not (N, D) and (V, D)"
        )
    size = unembedding_VD.shape[0]
    if not 0 < k <= size:
        raise ValueError(f"k is {k}; it must lie in 1..{size}, the size of the vocabulary")
    finite_N = vectors_ND.isfinite().all(dim=1)
    if not bool(finite_N.all()):
        raise ValueError(f"vector {int(finite_N.int().argmin())} is not finite")
    precision = torch.promote_types(unembedding_VD.dtype, torch.float32)
    tokens_DV = unembedding_VD.to(precision).T
    step = max(1, CHUNK_VALUES // size)
    ids = [torch.empty(0, k, dtype=torch.int64)]
    scores = [torch.empty(0, k, dtype=precision)]
    for start in range(0, len(vectors_ND), step):
        chunk_ND = vectors_ND[start : start + step]
        best = (chunk_ND.to(tokens_DV.device, precision) @ tokens_DV).topk(k, dim=1)
        if not bool(best.values.isfinite().all()):  # NaN counts as the largest, so it is seen here
            raise ValueError("the unembedding holds a value that is not finite, or a score overflows")
        ids.append(best.indices.cpu())
        scores.append(best.values.cpu())
    return TopTokens(torch.cat(ids), torch.cat(scores))


@dataclass(frozen=True)
class TokenLanguages:
    """Which language each token of a vocabulary belongs to.

    Attributes:
        languages: Their names, in the order of the codes.
        code_V: Index into `languages`, or UNKNOWN.
    """

    languages: tuple[str, ...]
    code_V: Counts

    def language(self, token: int) -> str | None:
        """The language of a token; None if it is not known."""
        code = int(self.code_V[token])
        return None if code == UNKNOWN else self.languages[code]


def token_languages(counts: Mapping[str, ArrayLike], dominance: float, min_count: int) -> TokenLanguages:
    """The language where a token mostly occurs, if there is one.

    Counts are divided by their language's total, so that a language that spells the same content with more tokens
    does not claim more of them. A token belongs to the language that has at least `dominance` of the sum of its rates.

    Args:
        counts: Language to occurrences of each token (V,) in texts of equal content.
        dominance: In (.5, 1], so that no two languages can have it.
        min_count: Tokens with fewer occurrences in all languages together are unknown.

    Raises:
        ValueError: No languages, a language without occurrences, a negative count, counts of different length, or a
            dominance or min_count out of range.
    """
    if not 0.5 < dominance <= 1:
        raise ValueError(f"dominance is {dominance}; it must lie in (0.5, 1]")
    if min_count < 1:
        raise ValueError(f"min_count is {min_count}; it must be at least 1")
    if not counts:
        raise ValueError("no language has counts")
    languages = tuple(counts)
    rows = {language: np.asarray(values, dtype=np.float64) for language, values in counts.items()}
    shape = rows[languages[0]].shape
    for language, row_V in rows.items():
        if row_V.ndim != 1 or row_V.shape != shape:
            raise ValueError(f"counts of {language} {row_V.shape} and of {languages[0]} {shape} are not both (V,)")
        if not (row_V >= 0).all():
            raise ValueError(f"counts of {language} hold a negative number or NaN")
        if not row_V.any():
            raise ValueError(f"{language} has no occurrence of any token")
    count_LV = np.stack(list(rows.values()))
    rate_LV = count_LV / count_LV.sum(axis=1, keepdims=True)
    total_V = rate_LV.sum(axis=0)
    # Rounding must not take 3/5 for less than .6.
    known_V = (rate_LV.max(axis=0) >= dominance * total_V * (1 - 1e-12)) & (count_LV.sum(axis=0) >= min_count)
    code_V = np.where(known_V, rate_LV.argmax(axis=0), UNKNOWN).astype(np.int64)
    return TokenLanguages(languages, code_V)


@dataclass(frozen=True)
class Multilinguality:
    """In how many languages vectors speak, one entry per vector; NaN where none of its top tokens is known.

    Attributes:
        known_N: Top tokens whose language is known.
        effective_N: Effective number of languages: exp of the Shannon entropy of the known tokens' languages (the
            Hill number of order 1, Hill 1973), from 1 to min(L, known).
        chance_N: Mean of that number for as many tokens with shuffled languages.
        low_N: Lower end of the interval that shuffled languages fall into.
        high_N: Its upper end.
        p_fewer_N: One-sided p of having so few languages by chance.
        p_more_N: One-sided p of having so many.
    """

    known_N: Counts
    effective_N: Floats
    chance_N: Floats
    low_N: Floats
    high_N: Floats
    p_fewer_N: Floats
    p_more_N: Floats


def multilinguality(
    ids_NK: ArrayLike, tokens: TokenLanguages, permutations: int, confidence: float, rng: np.random.Generator
) -> Multilinguality:
    """How many languages the top tokens of each vector come from, beside what chance would give.

    Chance: the languages of all known tokens of the vocabulary are shuffled among them. The n distinct known tokens of
    a vector then have the languages of a draw of n without replacement, which is drawn as such (multivariate
    hypergeometric) once for all vectors with the same n; so p-values of different vectors are not independent.
    p = (b + 1) / (permutations + 1), b the permutations at least as extreme (Phipson & Smyth 2010).

    Args:
        ids_NK: Token ids, distinct within a vector.
        tokens: Languages of the vocabulary.
        permutations: Of the languages.
        confidence: Of the interval by chance, in (0, 1).
        rng: Source of randomness.

    Raises:
        ValueError: Ids that are not (N, K), repeat within a vector, or lie outside the vocabulary; no permutation; or a
            confidence outside (0, 1).
    """
    ids_NK = np.asarray(ids_NK)
    if ids_NK.ndim != 2 or not np.issubdtype(ids_NK.dtype, np.integer):
        raise ValueError(f"token ids {ids_NK.dtype} {ids_NK.shape} are not integers (N, K)")
    if ids_NK.size and not (ids_NK.min() >= 0 and ids_NK.max() < len(tokens.code_V)):
        raise ValueError(f"token ids must lie in 0..{len(tokens.code_V) - 1}, the vocabulary")
    repeats_N = (np.diff(np.sort(ids_NK, axis=1), axis=1) == 0).any(axis=1)
    if repeats_N.any():
        raise ValueError(f"vector {int(repeats_N.argmax())} has a token twice among its top tokens")
    if permutations < 1 or not 0 < confidence < 1:
        raise ValueError(f"need permutations >= 1 and confidence in (0, 1), not {permutations} and {confidence}")
    count_NL = _language_counts(tokens.code_V[ids_NK], len(tokens.languages))
    known_N = count_NL.sum(axis=1)
    effective_N = _effective_number(count_NL)
    vocabulary_L = _language_counts(tokens.code_V[None, :], len(tokens.languages))[0]
    chance_N, low_N, high_N, fewer_N, more_N = (np.full(len(ids_NK), np.nan) for _ in range(5))
    tail = (1 - confidence) / 2
    for known in np.unique(known_N[known_N > 0]):
        drawn_R = _effective_number(rng.multivariate_hypergeometric(vocabulary_L, known, permutations))
        own_N = known_N == known
        chance_N[own_N] = drawn_R.mean()
        low_N[own_N], high_N[own_N] = np.quantile(drawn_R, [tail, 1 - tail])
        # The same counts in another order give the same number but for rounding.
        ahead_NR = drawn_R[None, :] - effective_N[own_N, None]
        fewer_N[own_N] = ((ahead_NR <= 1e-9).sum(axis=1) + 1) / (permutations + 1)
        more_N[own_N] = ((ahead_NR >= -1e-9).sum(axis=1) + 1) / (permutations + 1)
    return Multilinguality(known_N, effective_N, chance_N, low_N, high_N, fewer_N, more_N)


def _language_counts(code_NK: Counts, languages: int) -> Counts:
    """Tokens of each language per row, (N, L); unknown ones are left out."""
    rows = np.arange(len(code_NK))[:, None] * languages + code_NK
    flat = np.bincount(rows[code_NK != UNKNOWN], minlength=len(code_NK) * languages)
    return flat.reshape(len(code_NK), languages)


def _effective_number(count_RL: Counts) -> Floats:
    """Exp of the Shannon entropy of each row; NaN for a row of zeros."""
    total_R = count_RL.sum(axis=1, keepdims=True)
    share_RL = np.divide(count_RL, total_R, out=np.full(count_RL.shape, np.nan), where=total_R > 0)
    effective: Floats = np.exp(-xlogy(share_RL, share_RL).sum(axis=1))
    return effective
