"""Means over prompts, sentences, seeds and languages with bootstrap intervals, and their change by training.

Shapes: N items, P prompts, S seeds (training runs), L languages, U distinct prompts of all languages, B bootstrap
replicates.

Pure: no files, clock, network or globals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from tasks.statistics.resampling import (
    CHUNK_VALUES,
    Floats,
    Interval,
    chunks,
    finite,
    percentile_interval,
    refuse_confidence,
    refuse_resamples,
)


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
    values_N = finite(values_N, "values", dimensions=1)
    refuse_confidence(confidence)
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
    before_P = finite(before_P, "before", dimensions=1)
    after_SP = finite(after_SP, "after", dimensions=2)
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
        before_P = finite(before[language], f"before[{language!r}]", dimensions=1)
        after_SP = finite(after[language], f"after[{language!r}]", dimensions=2)
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
    refuse_confidence(confidence)
    refuse_resamples(resamples)
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
    for size in chunks(resamples, max(prompts, seeds * languages)):
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
        before_interval=percentile_interval(before_B, confidence),
        after_interval=percentile_interval(after_B, confidence),
        change_interval=percentile_interval(change_B, confidence),
        relative_change_interval=(
            percentile_interval(change_B / before_B, confidence) if defined else Interval(float("nan"), float("nan"))
        ),
        seed_after=tuple(float(mean) for mean in after_1S[0]),
    )


def _draw_counts(resamples: int, items: int, rng: np.random.Generator) -> Floats:
    """How often each item is drawn in each resample of `items` with replacement, (B, items)."""
    drawn = rng.integers(items, size=(resamples, items))
    drawn += np.arange(resamples)[:, None] * items
    counts = np.bincount(drawn.ravel(), minlength=resamples * items)
    return counts.reshape(resamples, items).astype(np.float64)


def _refuse_misaligned(before_P: Floats, after_SP: Floats, language: str) -> None:
    if after_SP.shape[1] != len(before_P):
        where = f"{language!r}: " if language else ""
        raise ValueError(f"{where}after {after_SP.shape} does not match before {before_P.shape}")
