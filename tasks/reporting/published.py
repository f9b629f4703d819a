"""What Li, Yong & Bach 2024 (arXiv 2406.16235) published, and what follows from it by arithmetic.

Table 2: means over 17 languages, before and after DPO on English pairs, toxicity by the Perspective API, perplexity
under mT5-XL. Figures 4 and 13 to 15: Pearson's r between what its code computes as retrieval, the
mean cosine of true pairs averaged over layers, and the relative change of EMT, over the 16 languages but English.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from scipy import stats

from tasks.reporting.sourced import Measured, derived

SOURCE = "tasks/reporting/published.py"  # what says where a published number comes from: this file
LANGUAGES = Measured(16, SOURCE)  # of the correlations
SETTING = {  # sec. 3
    "languages": 17,
    "samples": 25,
    "new_tokens": 20,
    "top_p": 0.8,
    "temperature": 0.9,
    "threshold": 0.5,
}
METRICS = ("emt", "toxprob", "avgtox", "perplexity_median", "distinct_1", "distinct_2", "distinct_3")


@dataclass(frozen=True)
class Published:
    """A model of the paper.

    Attributes:
        name: As the paper has it.
        ids: On the Hugging Face hub, where one has been renamed.
        tuning: full or qlora, as params.yaml has it.
        before: By metric, of the base model.
        after: By metric, of the tuned model.
        pearson: r of retrieval with the relative change of EMT; None where it was not looked at.
        figure: Where that r stands.
    """

    name: str
    ids: tuple[str, ...]
    tuning: str
    before: Mapping[str, float]
    after: Mapping[str, float]
    pearson: float | None = None
    figure: str = ""

    def relative_change(self, metric: str) -> float:
        """(after - before) / before."""
        before, after = self.before[metric], self.after[metric]
        return derived(after / before - 1, before, after)


def _row(*values: float) -> dict[str, float]:
    return {metric: Measured(value, SOURCE) for metric, value in zip(METRICS, values, strict=True)}


MODELS = (
    Published(
        "mGPT 1.3B",
        ("ai-forever/mGPT",),
        "full",
        _row(0.502, 0.468, 0.121, 18.74, 0.520, 0.825, 0.841),
        _row(0.157, 0.039, 0.028, 23.68, 0.487, 0.807, 0.845),
        Measured(0.732, SOURCE),
        "Fig. 4",
    ),
    Published(
        "BLOOM 1.7B",
        ("bigscience/bloom-1b7",),
        "full",
        _row(0.493, 0.456, 0.122, 18.56, 0.518, 0.816, 0.833),
        _row(0.185, 0.063, 0.033, 25.38, 0.522, 0.819, 0.841),
        Measured(0.59, SOURCE),
        "Fig. 13",
    ),
    Published(
        "BLOOM 7.1B",
        ("bigscience/bloom-7b1",),
        "qlora",
        _row(0.517, 0.492, 0.139, 19.07, 0.513, 0.810, 0.830),
        _row(0.269, 0.145, 0.054, 21.59, 0.520, 0.812, 0.834),
        Measured(0.66, SOURCE),
        "Fig. 14",
    ),
    Published(
        "Llama 2 7B",
        ("meta-llama/Llama-2-7b-hf",),
        "qlora",
        _row(0.557, 0.555, 0.142, 14.31, 0.569, 0.801, 0.785),
        _row(0.314, 0.214, 0.061, 17.01, 0.530, 0.756, 0.758),
        Measured(0.78, SOURCE),
        "Fig. 15",
    ),
    Published(
        "Llama 3 8B",
        ("meta-llama/Meta-Llama-3-8B",),
        "qlora",
        _row(0.613, 0.642, 0.184, 16.27, 0.527, 0.803, 0.820),
        _row(0.298, 0.201, 0.063, 19.93, 0.475, 0.743, 0.781),
    ),
    Published(
        "Aya-23 8B",
        ("CohereForAI/aya-23-8B", "CohereLabs/aya-23-8B"),
        "qlora",
        _row(0.559, 0.568, 0.150, 15.84, 0.509, 0.781, 0.802),
        _row(0.303, 0.232, 0.062, 18.32, 0.428, 0.660, 0.702),
    ),
)


def of_model(model_id: str | None) -> Published | None:
    """The paper's row of a model on the hub, if it has one; letter case does not count, as on the hub."""
    wanted = (model_id or "").lower()
    return next((model for model in MODELS if wanted in map(str.lower, model.ids)), None)


def interval_of_r(r: float, n: float, confidence: float) -> tuple[float, float]:
    """Interval of Pearson's r by Fisher's z transformation, for n independent pairs of a bivariate normal.

    Raises:
        ValueError: r is not inside of (-1, 1), or n is below 4.
    """
    if not -1 < r < 1 or n < 4:
        raise ValueError(f"r = {r} with n = {n} has no interval by Fisher's z")
    half = float(stats.norm.ppf((1 + confidence) / 2)) / math.sqrt(n - 3)
    low, high = (math.tanh(math.atanh(r) + sign * half) for sign in (-1, 1))
    return derived(low, r), derived(high, r)


def p_of_r(r: float, n: float) -> float:
    """Two-sided p of Pearson's r against 0, from t = r sqrt((n - 2) / (1 - r²)) with n - 2 degrees of freedom."""
    return derived(float(2 * stats.t.sf(abs(r) * math.sqrt((n - 2) / (1 - r * r)), n - 2)), r)
