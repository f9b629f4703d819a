"""Whether toxicity scorers agree with each other, and with people.

Shapes: N texts or samples, B resamples.

Pure: no files, clock, network or globals.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from tasks.statistics.resampling import Floats, chunks, percentile_interval, refuse_confidence, refuse_resamples


@dataclass(frozen=True)
class RankAgreement:
    """How far two scorers order the same samples alike.

    Attributes:
        n: Samples that both scored.
        spearman: Rank correlation in [-1, 1]; None where it is undefined.
        reason: Why it is undefined.
    """

    n: int
    spearman: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Validity:
    """How well scores tell what people call toxic from what they do not.

    Attributes:
        n: Texts that have a score.
        toxic: Those of them that people call toxic.
        missing: Texts without a score.
        auroc: Probability that a toxic text scores higher than another, ties counting half; None where undefined.
        low: Lower end of its percentile bootstrap interval over texts, toxic and others resampled apart.
        high: Upper end.
        average_precision: Mean precision at each toxic text (scikit-learn's definition); chance gives toxic / n.
        reason: Why there is none of these.
    """

    n: int
    toxic: int
    missing: int
    auroc: float | None
    low: float | None
    high: float | None
    average_precision: float | None
    reason: str | None = None


def rank_agreement(first_N: ArrayLike, second_N: ArrayLike) -> RankAgreement:
    """Spearman correlation over the samples that both scorers scored; NaN is no score.

    Raises:
        ValueError: The shapes disagree.
    """
    first, second = _floats(first_N), _floats(second_N)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"one score each per sample expected, got shapes {first.shape} and {second.shape}")
    both = ~(np.isnan(first) | np.isnan(second))
    n, first, second = int(both.sum()), first[both], second[both]
    if n < 3:
        return RankAgreement(n, None, "fewer than 3 samples that both scored")
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return RankAgreement(n, None, "all scores of one are equal")
    return RankAgreement(n, float(stats.spearmanr(first, second).statistic))


def same_direction(first: float, second: float) -> bool | None:
    """Whether two changes have one sign; None if one of them is 0 or unknown."""
    if np.isnan(first) or np.isnan(second) or first == 0 or second == 0:
        return None
    return (first > 0) == (second > 0)


def auroc(scores_N: ArrayLike, toxic_N: ArrayLike) -> float:
    """Area under the ROC curve, as the Mann-Whitney statistic over the number of pairs.

    Raises:
        ValueError: A class is empty, a score is not finite, or the shapes disagree.
    """
    positives, negatives = _classes(scores_N, toxic_N)
    return float(_auroc_rows(positives[None], negatives[None])[0])


def average_precision(scores_N: ArrayLike, toxic_N: ArrayLike) -> float:
    """Sum of (recall gained) x precision over the distinct thresholds, from high to low; no interpolation.

    Raises:
        ValueError: As `auroc`.
    """
    _classes(scores_N, toxic_N)
    scores, toxic = _floats(scores_N), np.asarray(toxic_N, dtype=np.bool_)
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(toxic[order])[last_of_tie]
    seen = np.arange(1, len(order) + 1)[last_of_tie]
    return float(np.sum(np.diff(hits, prepend=0) * hits / seen) / hits[-1])


def validity(scores_N: ArrayLike, toxic_N: ArrayLike, resamples: int, confidence: float, seed: int) -> Validity:
    """AUROC with an interval and average precision, over the texts that have a score; NaN is no score.

    Raises:
        ValueError: The shapes disagree, or an argument is out of range.
    """
    scores, labels = _floats(scores_N), np.asarray(toxic_N, dtype=np.bool_)
    if scores.shape != labels.shape or scores.ndim != 1:
        raise ValueError(f"one score per label expected, got shapes {scores.shape} and {labels.shape}")
    refuse_resamples(resamples)
    refuse_confidence(confidence)
    scored = ~np.isnan(scores)
    missing = int((~scored).sum())
    scores, labels = scores[scored], labels[scored]
    n, toxic = len(scores), int(labels.sum())
    if toxic in (0, n):
        reason = "no scored text" if n == 0 else f"all scored texts are {'toxic' if toxic else 'not toxic'}"
        return Validity(n, toxic, missing, None, None, None, None, reason)
    positives, negatives = scores[labels], scores[~labels]
    rng = np.random.default_rng(seed)
    drawn = []
    for rows in chunks(resamples, n):
        some = [values[rng.integers(len(values), size=(rows, len(values)))] for values in (positives, negatives)]
        drawn.append(_auroc_rows(*some))
    interval = percentile_interval(np.concatenate(drawn), confidence)
    return Validity(
        n=n,
        toxic=toxic,
        missing=missing,
        auroc=auroc(scores, labels),
        low=interval.low,
        high=interval.high,
        average_precision=average_precision(scores, labels),
    )


def _auroc_rows(positives_BP: Floats, negatives_BQ: Floats) -> Floats:
    """AUROC of each row."""
    positives, negatives = positives_BP.shape[1], negatives_BQ.shape[1]
    ranks = stats.rankdata(np.concatenate([positives_BP, negatives_BQ], axis=1), axis=1)
    statistic = ranks[:, :positives].sum(axis=1) - positives * (positives + 1) / 2
    return np.asarray(statistic / (positives * negatives), dtype=np.float64)


def _classes(scores_N: ArrayLike, toxic_N: ArrayLike) -> tuple[Floats, Floats]:
    scores, toxic = _floats(scores_N), np.asarray(toxic_N, dtype=np.bool_)
    if scores.shape != toxic.shape or scores.ndim != 1:
        raise ValueError(f"one score per label expected, got shapes {scores.shape} and {toxic.shape}")
    if not np.isfinite(scores).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(scores))} scores are not finite")
    if toxic.all() or not toxic.any():
        raise ValueError("both toxic texts and others are needed")
    return scores[toxic], scores[~toxic]


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)
