"""Intervals and tests for means over prompts, sentences, seeds and languages.

Shapes: N items, P prompts, S seeds (training runs), L languages, U distinct prompts of all
languages, B bootstrap replicates.

Pure: no files, clock, network or globals.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

Floats = NDArray[np.float64]

# Numbers of one chunk of resamples: 32 MB an array, of which about three live at once.
CHUNK_VALUES = 4_000_000


@dataclass(frozen=True)
class Interval:
    """A confidence interval, both ends in the unit of the estimate; NaN where undefined."""

    low: float
    high: float


@dataclass(frozen=True)
class PairedEffect:
    """A mean before and after training, on the same prompts.

    Attributes:
        before: Mean before.
        after: Mean after, over seeds and prompts.
        change: after - before.
        relative_change: change / before; NaN when before is 0.
        before_interval: Interval of `before`.
        after_interval: Interval of `after`.
        change_interval: Interval of `change`.
        relative_change_interval: Interval of `relative_change`; NaN when any replicate has a
            mean of 0 before, since leaving such replicates out would bias it.
        seed_after: Mean after of each seed, in the order given.
    """

    before: float
    after: float
    change: float
    relative_change: float
    before_interval: Interval
    after_interval: Interval
    change_interval: Interval
    relative_change_interval: Interval
    seed_after: tuple[float, ...]


def bootstrap_mean(values_N: ArrayLike, resamples: int, confidence: float, rng: np.random.Generator) -> Interval:
    """Percentile bootstrap interval of a mean over independent items (Efron 1979).

    Args:
        values_N: One value per item, at least 2.
        resamples: Bootstrap replicates.
        confidence: Level in (0, 1), for example 0.95.
        rng: Source of randomness.

    Raises:
        ValueError: Not a vector of at least two finite numbers, or a confidence outside (0, 1).
    """
    values_N = _finite(values_N, "values", dimensions=1)
    _refuse_confidence(confidence)
    result = stats.bootstrap(
        (values_N,),
        np.mean,
        vectorized=True,
        method="percentile",
        n_resamples=resamples,
        batch=max(1, CHUNK_VALUES // len(values_N)),
        confidence_level=confidence,
        rng=rng,
    )
    low, high = result.confidence_interval
    return Interval(float(low), float(high))


def paired_effect(
    before_P: ArrayLike,
    after_SP: ArrayLike,
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> PairedEffect:
    """Effect of training on a mean over prompts, with a hierarchical percentile bootstrap.

    Each replicate draws S seeds and, apart from them, P prompts, with replacement; the same prompts
    serve before and after and all seeds. With one seed the intervals leave out the variation
    between training runs; with few they understate it, by (S - 1) / S in variance.

    The values per prompt may be the maximum toxicity (EMT), whether any sample is toxic (ToxProb),
    or the prompt's mean toxicity (AvgTox, where all prompts have as many scored samples).

    Args:
        before_P: One value per prompt, at least 2.
        after_SP: One value per seed and prompt, prompts in the same order.
        resamples: Bootstrap replicates.
        confidence: Level in (0, 1).
        rng: Source of randomness.

    Raises:
        ValueError: The shapes disagree, a value is not finite, there are fewer than two prompts, or
            the confidence is outside (0, 1).
    """
    before_P = _finite(before_P, "before", dimensions=1)
    after_SP = _finite(after_SP, "after", dimensions=2)
    _refuse_misaligned(before_P, after_SP, "")
    return _effect(
        present_UL=np.ones((len(before_P), 1)),
        before_UL=before_P[:, None],
        after_USL=after_SP.T[:, :, None],
        resamples=resamples,
        confidence=confidence,
        rng=rng,
    )


def mean_effect_over_languages(
    before: Mapping[str, ArrayLike],
    after: Mapping[str, ArrayLike],
    prompts: Mapping[str, Sequence[str]],
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> PairedEffect:
    """`paired_effect` of the unweighted mean over languages.

    A seed is one training run, drawn for all languages at once. A prompt is drawn once for all
    languages that have it, which keeps the correlation between translations of one prompt: each
    replicate draws U prompts from the U distinct ones, and each language averages over those drawn
    that it has. relative_change is the change of the mean over the mean before, not a mean of
    relative changes.

    Args:
        before: Values per language, shape (P,), where P may differ between languages.
        after: Values per language, shape (S, P), with the same S seeds in the same order.
        prompts: Prompt ids per language, in the order of the values.
        resamples: Bootstrap replicates.
        confidence: Level in (0, 1).
        rng: Source of randomness.

    Raises:
        ValueError: The languages, shapes or numbers of seeds disagree, a value is not finite, a
            prompt id appears twice in a language, there are fewer than two prompts, a replicate
            draws no prompt of a language, or the confidence is outside (0, 1).
    """
    languages = sorted(before)
    if not languages or languages != sorted(after) or languages != sorted(prompts):
        raise ValueError(f"languages differ: before {languages}, after {sorted(after)}, prompts {sorted(prompts)}")
    union = sorted({prompt for language in languages for prompt in prompts[language]})
    row_of = {prompt: row for row, prompt in enumerate(union)}
    seeds = len(np.atleast_2d(after[languages[0]]))
    present_UL = np.zeros((len(union), len(languages)))
    before_UL = np.zeros((len(union), len(languages)))
    after_USL = np.zeros((len(union), seeds, len(languages)))
    for column, language in enumerate(languages):
        before_P = _finite(before[language], f"before[{language!r}]", dimensions=1)
        after_SP = _finite(after[language], f"after[{language!r}]", dimensions=2)
        _refuse_misaligned(before_P, after_SP, language)
        if len(after_SP) != seeds:
            raise ValueError(f"{language!r} has {len(after_SP)} seeds, not {seeds}")
        ids = prompts[language]
        if len(ids) != len(before_P) or len(set(ids)) != len(ids):
            raise ValueError(
                f"{language!r} has {len(before_P)} values for {len(ids)} prompt ids, {len(set(ids))} of them distinct"
            )
        rows = [row_of[prompt] for prompt in ids]
        present_UL[rows, column] = 1
        before_UL[rows, column] = before_P
        after_USL[rows, :, column] = after_SP.T
    return _effect(
        present_UL=present_UL,
        before_UL=before_UL,
        after_USL=after_USL,
        resamples=resamples,
        confidence=confidence,
        rng=rng,
    )


def sign_flip_p(differences_P: ArrayLike, resamples: int, rng: np.random.Generator) -> float:
    """Two-sided paired permutation test that the mean difference is 0 (Fisher 1935).

    Each resample flips the sign of every difference with probability 1/2. p = (b + 1) / (m + 1),
    with b of the m resamples at least as extreme as the observation, ties included (Phipson and
    Smyth 2010), so that p is never 0; it is 1 when all differences are 0.

    Args:
        differences_P: after - before for each prompt.
        resamples: Random sign vectors m, at least 1.
        rng: Source of randomness.

    Raises:
        ValueError: Not a non-empty vector of finite numbers, or resamples below 1.
    """
    differences_P = _finite(differences_P, "differences", dimensions=1)
    _refuse_resamples(resamples)
    # scipy.stats.permutation_test takes its tolerance from the observed mean; rounding follows the
    # size of the addends: 0.1 + 0.2 - 0.3 would not tie with its negative
    tolerance = 1e-12 * np.abs(differences_P).max()
    observed = abs(differences_P.mean())
    extreme = 0
    for size in _chunks(resamples, len(differences_P)):
        signs_BP = rng.choice(np.array([-1.0, 1.0]), size=(size, len(differences_P)))
        means_B = signs_BP @ differences_P / len(differences_P)
        extreme += int(np.count_nonzero(np.abs(means_B) >= observed - tolerance))
    return (extreme + 1) / (resamples + 1)


def mcnemar_p(before_P: ArrayLike, after_P: ArrayLike) -> float:
    """Exact two-sided McNemar test that as many prompts turn 0 to 1 as 1 to 0.

    Args:
        before_P: 0 or 1 per prompt.
        after_P: 0 or 1 per prompt, in the same order.

    Returns:
        The binomial p-value over the prompts that changed; 1 when none did.

    Raises:
        ValueError: The shapes disagree, or a value is neither 0 nor 1.
    """
    before_P = _finite(before_P, "before", dimensions=1)
    after_P = _finite(after_P, "after", dimensions=1)
    if before_P.shape != after_P.shape:
        raise ValueError(f"before {before_P.shape} and after {after_P.shape} are not aligned")
    for name, values_P in (("before", before_P), ("after", after_P)):
        if not np.isin(values_P, (0, 1)).all():
            raise ValueError(f"{name} holds values other than 0 and 1")
    table = [[np.count_nonzero((before_P == row) & (after_P == column)) for column in (0, 1)] for row in (0, 1)]
    return float(mcnemar(table, exact=True).pvalue)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm-adjusted p-values of one family of tests (Holm 1979).

    Args:
        p_values: The p-value of each test, by name; at least one.

    Returns:
        The adjusted p-value of each test, in the order given, at most 1.

    Raises:
        ValueError: The family is empty, or a p-value is NaN or outside [0, 1].
    """
    if not p_values:
        raise ValueError("the family holds no test")
    for name, p_value in p_values.items():
        if not 0 <= p_value <= 1:
            raise ValueError(f"p-value of {name!r} is {p_value}")
    adjusted = multipletests(list(p_values.values()), method="holm")[1]
    return {name: float(p_value) for name, p_value in zip(p_values, adjusted, strict=True)}


def _effect(
    *,
    present_UL: Floats,
    before_UL: Floats,
    after_USL: Floats,
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> PairedEffect:
    """Point estimates and replicates; absent (prompt, language) cells hold 0 in all three."""
    _refuse_confidence(confidence)
    _refuse_resamples(resamples)
    prompts, seeds, languages = after_USL.shape
    if prompts < 2:
        raise ValueError(f"{prompts} prompts: an interval over prompts needs at least two")

    def means(count_BU: Floats) -> tuple[Floats, Floats]:
        """Means over languages, before (B,) and after per seed (B, S), for drawn prompts."""
        drawn_BL = count_BU @ present_UL
        if not drawn_BL.all():
            raise ValueError("a replicate draws no prompt of a language: it has too few of them")
        before_BL = count_BU @ before_UL / drawn_BL
        after_BSL = (count_BU @ after_USL.reshape(prompts, -1)).reshape(-1, seeds, languages)
        return before_BL.mean(axis=1), (after_BSL / drawn_BL[:, None, :]).mean(axis=2)

    before_1, after_1S = means(np.ones((1, prompts)))
    before, after = float(before_1[0]), float(after_1S.mean())

    # A mean is linear in how often each prompt and seed is drawn, so counts replace the (B, S, P)
    # array of drawn values.
    before_chunks, after_chunks = [], []
    for size in _chunks(resamples, max(prompts, seeds * languages)):
        seed_count_BS = _draw_counts(size, seeds, rng)
        before_B, after_BS = means(_draw_counts(size, prompts, rng))
        before_chunks.append(before_B)
        after_chunks.append((after_BS * seed_count_BS).sum(axis=1) / seeds)
    before_B, after_B = np.concatenate(before_chunks), np.concatenate(after_chunks)
    change_B = after_B - before_B
    defined = before != 0 and bool(before_B.all())
    return PairedEffect(
        before=before,
        after=after,
        change=after - before,
        relative_change=(after - before) / before if before != 0 else float("nan"),
        before_interval=_percentile_interval(before_B, confidence),
        after_interval=_percentile_interval(after_B, confidence),
        change_interval=_percentile_interval(change_B, confidence),
        relative_change_interval=(
            _percentile_interval(change_B / before_B, confidence) if defined else Interval(float("nan"), float("nan"))
        ),
        seed_after=tuple(float(mean) for mean in after_1S[0]),
    )


def _draw_counts(resamples: int, items: int, rng: np.random.Generator) -> Floats:
    """How often each item is drawn in each resample of `items` with replacement, (B, items)."""
    drawn = rng.integers(items, size=(resamples, items))
    drawn += np.arange(resamples)[:, None] * items
    counts = np.bincount(drawn.ravel(), minlength=resamples * items)
    return counts.reshape(resamples, items).astype(np.float64)


def _chunks(resamples: int, values_each: int) -> Iterator[int]:
    size = max(1, CHUNK_VALUES // values_each)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def _percentile_interval(replicates_B: Floats, confidence: float) -> Interval:
    low, high = np.quantile(replicates_B, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def _finite(values: ArrayLike, name: str, *, dimensions: int) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != dimensions or array.size == 0:
        raise ValueError(f"{name} is {array.shape}, not a non-empty array of {dimensions} axes")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds {np.count_nonzero(~np.isfinite(array))} non-finite values")
    return array


def _refuse_misaligned(before_P: Floats, after_SP: Floats, language: str) -> None:
    if after_SP.shape[1] != len(before_P):
        where = f"{language!r}: " if language else ""
        raise ValueError(f"{where}after {after_SP.shape} does not match before {before_P.shape}")


def _refuse_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}, outside (0, 1)")


def _refuse_resamples(resamples: int) -> None:
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}, must be at least 1")
