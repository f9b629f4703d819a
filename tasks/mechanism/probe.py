"""A linear probe for toxicity, and how well it tells toxic texts from others.

Shapes: N texts, D dimensions, P toxic texts, M others, U distinct scores, R resamples.

Pure: no files, clock, network or globals.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

TOLERANCE = 1e-6  # of the gradient of the mean loss, largest component
THRESHOLD = 0.5  # a text with at least this probability is called toxic
CHUNK_VALUES = 4_000_000  # of one array of resamples: 32 MB


@dataclass(frozen=True)
class Probe:
    """P(toxic | x) = sigmoid(weight · x + bias), for features x as they are, not standardised.

    Attributes:
        weight_D: Points to toxicity (w_toxic in Lee et al. 2024).
        bias: Log-odds where x = 0.
        iterations: Steps until the fit converged.
    """

    weight_D: Floats
    bias: float
    iterations: int

    def probabilities(self, features_ND: ArrayLike) -> Floats:
        """Probability of each text to be toxic."""
        scores: Floats = expit(np.asarray(features_ND, dtype=np.float64) @ self.weight_D + self.bias)
        return scores


def fit_probe(features_ND: ArrayLike, toxic_N: ArrayLike, c: float, max_iterations: int) -> Probe:
    """Logistic regression with an L2 penalty: the minimum of |v|² / 2 + c · (sum over texts of -log P(label)).

    v are the weights for standardised features, so that the penalty treats all dimensions alike; the bias bears none.
    The probe returned has them mapped back: weight = v / sigma, bias = b - weight · mean. A dimension that never varies
    has weight 0.

    Args:
        features_ND: One row per text.
        toxic_N: Whether it is toxic.
        c: Inverse strength of the penalty.
        max_iterations: Of L-BFGS.

    Raises:
        ValueError: The shapes disagree, a feature is not finite, all labels are alike, or the fit has not converged.
    """
    standard_ND = np.array(features_ND, dtype=np.float64)  # a copy: standardised in place, it may be gigabytes
    toxic_N = np.asarray(toxic_N, dtype=bool)
    if standard_ND.ndim != 2 or toxic_N.shape != standard_ND.shape[:1]:
        raise ValueError(f"features {standard_ND.shape} and labels {toxic_N.shape} are not (N, D) and (N,)")
    if not np.isfinite(standard_ND).all():
        raise ValueError(
            f"text {int(np.argmin(np.isfinite(standard_ND).all(axis=1)))} has a feature that is not finite"
        )
    if len(np.unique(toxic_N)) < 2:
        raise ValueError("a probe needs toxic texts and others to be fitted on; all labels are alike")
    varies_D = standard_ND.max(axis=0) > standard_ND.min(axis=0)
    mean_D = standard_ND.mean(axis=0)
    sigma_D = np.where(varies_D, standard_ND.std(axis=0), 1.0)
    standard_ND -= mean_D
    standard_ND /= sigma_D
    standard_ND[:, ~varies_D] = 0.0
    model = LogisticRegression(C=c, solver="lbfgs", tol=TOLERANCE, max_iter=max_iterations)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(standard_ND, toxic_N)
        except ConvergenceWarning as warning:
            reason = str(warning).splitlines()[0]
            raise ValueError(
                f"the probe did not converge in {max_iterations} iterations ({reason}); raise "
                "train_probe.max_iterations or lower train_probe.c"
            ) from warning
    weight_D = model.coef_[0] / sigma_D
    return Probe(weight_D, float(model.intercept_[0] - weight_D @ mean_D), int(model.n_iter_[0]))


@dataclass(frozen=True)
class Detection:
    """How well scores tell toxic texts from others.

    Attributes:
        texts: How many there are.
        toxic: How many of them are toxic.
        auroc: Chance that a toxic text scores above another, ties counting half (sklearn's roc_auc_score).
        auroc_interval: Percentile bootstrap, toxic and other texts resampled apart, so that every replicate has
            both; too narrow where either is few.
        average_precision: Sum over thresholds of precision times the step in recall; `toxic / texts` by chance.
        f1: Of texts called toxic at THRESHOLD.
        accuracy: At THRESHOLD.
        majority: Accuracy of always naming the more frequent label, below which `accuracy` says nothing.
        undefined: Measure that is None to the reason why.
    """

    texts: int
    toxic: int
    auroc: float | None
    auroc_interval: tuple[float, float] | None
    average_precision: float | None
    f1: float | None
    accuracy: float
    majority: float
    undefined: dict[str, str]


def detection(
    toxic_N: ArrayLike, probability_N: ArrayLike, resamples: int, confidence: float, rng: np.random.Generator
) -> Detection:
    """Measures of a probe on texts that it was not fitted on.

    Args:
        toxic_N: Whether a text is toxic.
        probability_N: Score in [0, 1].
        resamples: Bootstrap replicates.
        confidence: Level of the interval, in (0, 1).
        rng: Source of randomness.

    Raises:
        ValueError: No texts, the shapes disagree, a score outside [0, 1], or a confidence outside (0, 1).
    """
    toxic_N = np.asarray(toxic_N, dtype=bool)
    probability_N = np.asarray(probability_N, dtype=np.float64)
    if toxic_N.ndim != 1 or toxic_N.shape != probability_N.shape or not len(toxic_N):
        raise ValueError(f"labels {toxic_N.shape} and scores {probability_N.shape} are not both (N,) with N > 0")
    if not ((probability_N >= 0) & (probability_N <= 1)).all():
        raise ValueError("scores must lie in [0, 1]")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must lie in (0, 1)")
    called_N = probability_N >= THRESHOLD
    toxic, texts = int(toxic_N.sum()), len(toxic_N)
    undefined: dict[str, str] = {}
    auroc = interval = average_precision = f1 = None
    if 0 < toxic < texts:
        auroc = float(roc_auc_score(toxic_N, probability_N))
        interval = _auroc_interval(toxic_N, probability_N, resamples, confidence, rng)
    else:
        undefined["auroc"] = undefined["auroc_interval"] = f"{'all' if toxic else 'none'} of the texts are toxic"
    if toxic:
        average_precision = float(average_precision_score(toxic_N, probability_N))
    else:
        undefined["average_precision"] = "none of the texts are toxic"
    if toxic or called_N.any():
        f1 = float(f1_score(toxic_N, called_N))
    else:
        undefined["f1"] = "none of the texts are toxic and none is called so"
    return Detection(
        texts=texts,
        toxic=toxic,
        auroc=auroc,
        auroc_interval=interval,
        average_precision=average_precision,
        f1=f1,
        accuracy=float((called_N == toxic_N).mean()),
        majority=max(toxic, texts - toxic) / texts,
        undefined=undefined,
    )


def _auroc_interval(
    toxic_N: Flags, score_N: Floats, resamples: int, confidence: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Area from counts per distinct score: a toxic text beats all others below it and half of those beside it."""
    distinct, rank_N = np.unique(score_N, return_inverse=True)
    toxic_P, other_M = rank_N[toxic_N], rank_N[~toxic_N]
    size = max(1, CHUNK_VALUES // len(score_N))
    areas: list[Floats] = []
    for start in range(0, resamples, size):
        count = min(size, resamples - start)
        toxic_RU, other_RU = (_resampled(ranks, len(distinct), count, rng) for ranks in (toxic_P, other_M))
        beaten_RU = other_RU.cumsum(axis=1) - other_RU / 2
        areas.append((toxic_RU * beaten_RU).sum(axis=1) / (len(toxic_P) * len(other_M)))
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(areas), [tail, 1 - tail])
    return float(low), float(high)


def _resampled(ranks: NDArray[np.intp], distinct: int, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """How often each of the `distinct` ranks comes up in each of `count` resamples."""
    drawn = rng.choice(ranks, size=(count, len(ranks))) + distinct * np.arange(count)[:, None]
    return np.bincount(drawn.ravel(), minlength=count * distinct).reshape(count, distinct)
