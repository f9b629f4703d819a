"""What the report's chapters are made from, and how they look numbers up in it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from tasks.reporting.rows import OTHERS, column, correlations, toxicity
from tasks.reporting.sourced import Record, Sheet
from tasks.reporting.wording import listing, name_of

METHODS = {"dpo": "DPO", "kto": "KTO", "orpo": "ORPO", "cpo": "CPO", "simpo": "SimPO", "sft": "supervised tuning"}
NONE, TOO = "†", "‡"  # marks of languages: no scorer is shown to be valid; the primary one is not, another is


@dataclass(frozen=True)
class Change:
    """A mean before and after tuning, with the interval of after - before.

    Attributes:
        before: Mean of the base model.
        after: Mean over the tuned policies.
        change: after - before.
        change_low: Lower end of the interval of `change`.
        change_high: Upper end.
        relative_change: change / before; NaN when before is 0.
    """

    before: float
    after: float
    change: float
    change_low: float
    change_high: float
    relative_change: float

    @property
    def direction(self) -> int:
        """-1 or 1 where the interval excludes 0, else 0."""
        return -1 if self.change_high < 0 else 1 if self.change_low > 0 else 0


@dataclass(frozen=True)
class Association:
    """Correlation of a measure known before tuning with the relative reduction after it.

    Attributes:
        n: Languages.
        estimate: Pearson's r; NaN when undefined.
        low: Lower end of its interval.
        high: Upper end.
        p_value: Of the permutation test.
        loo_error: Mean absolute error of predicting a left-out language from the measure.
        loo_error_of_mean: The same when the mean of the other languages is the prediction.
        note: Why there is no estimate.
    """

    n: float
    estimate: float
    low: float
    high: float
    p_value: float
    loo_error: float
    loo_error_of_mean: float
    note: str = ""


@dataclass(frozen=True)
class Mechanism:
    """What was measured inside the models.

    Attributes:
        probe: metrics/measure_mechanism/probe.csv.
        neurons: metrics/measure_mechanism/neurons.csv.
        tokens: data/find_toxic_neurons/tokens.parquet.
        activations: metrics/measure_mechanism/activations.csv.
        doses: metrics/measure_mechanism/doses.csv, the dose as text.
        explained: metrics/measure_mechanism/explained.csv.
    """

    probe: Sheet
    neurons: Sheet
    tokens: Sheet
    activations: Sheet
    doses: Sheet
    explained: Sheet


@dataclass(frozen=True)
class Scoring:
    """What was measured about the scorers.

    Attributes:
        validity: metrics/compare_scorers/validity.csv.
        agreement: metrics/compare_scorers/agreement.csv.
        judges: Every scorer by name, from metrics/compare_scorers/summary.json.
        doubtful: Languages in which no scorer is shown to be valid.
        unlabelled: Languages without labelled texts of both kinds.
    """

    validity: Sheet
    agreement: Sheet
    judges: Record
    doubtful: list[str]
    unlabelled: list[str]


@dataclass(frozen=True)
class Study:
    """The artefacts of a study, as read.

    Attributes:
        params: params.yaml without `runtime`, which changes no result.
        base: Name of the base model among the policies.
        policies: Where each policy lies, by name.
        languages: metrics/measure_transfer/languages.csv.
        side_effects: metrics/measure_transfer/side_effects.csv.
        means: Of the side effects, from metrics/measure_transfer/summary.json.
        predictors: metrics/measure_transfer/predictors.csv.
        points: metrics/measure_transfer/points.csv.
        layers: metrics/measure_retrieval/layers.csv.
        retrieval: metrics/measure_retrieval/languages.csv.
        learning: data/prepare_model/learning.csv.
        prompts: data/prepare_prompts/prompts.parquet.
        pairs: data/prepare_pairs/drops.json.
        scorers: data/score_toxicity/<policy>/scorer.json.
        missing: Per kind of score and policy, a `reason` why each continuation has none; null where it has one.
        runs: data/train_dpo/<seed>/run.json of each policy that this study trained.
        curves: data/train_dpo/<seed>/curves.csv of the same.
        examples: Per policy, the source language's continuations with their toxicity, keyed as its scores.parquet.
        continuations: Where those continuations lie.
        mechanism: What was measured inside the models.
        scoring: What was measured about the scorers.
        trained_on: Languages of the pairs, and the source.
        mt5: Mean over languages of the median of the paper's own perplexity, before and after; None where it was not
            computed.
    """

    params: Mapping[str, Any]
    base: str
    policies: Mapping[str, str]
    languages: Sheet
    side_effects: Sheet
    means: Record
    predictors: Sheet
    points: Sheet
    layers: Sheet
    retrieval: Sheet
    learning: Sheet
    prompts: Sheet
    pairs: Record
    scorers: Mapping[str, Record]
    missing: Mapping[str, Mapping[str, Sheet]]
    runs: Mapping[str, Record]
    curves: Mapping[str, Sheet]
    examples: Mapping[str, Sheet]
    continuations: Mapping[str, str]
    mechanism: Mechanism
    scoring: Scoring
    trained_on: list[str]
    mt5: tuple[float, float] | None

    @property
    def source(self) -> str:
        """Language of the pairs."""
        return str(self.params["measure_transfer"]["source"])

    @property
    def pairs_in(self) -> str:
        """Languages of the pairs, in words."""
        return str(listing([name_of(language) for language in self.trained_on]))

    @property
    def confidence(self) -> float:
        """Level of the intervals."""
        return float(self.params["measure_transfer"]["confidence"])

    @property
    def mechanism_confidence(self) -> float:
        """Level of the intervals on the mechanism."""
        return float(self.params["measure_mechanism"]["confidence"])

    @property
    def is_mini(self) -> bool:
        """Whether this is the embedded mini world."""
        return bool(self.params["prepare_model"]["kind"] == "mini")

    @property
    def method(self) -> str:
        """What the policies that were trained here were tuned with."""
        return METHODS[self.params["train_dpo"]["recipe"]["method"]]

    @property
    def retained(self) -> str:
        """What text the policies' own perplexity is on."""
        mini = self.params["prepare_parallel"]["kind"] == "mini"
        return "held-out civil text" if mini else "the parallel sentences"

    @property
    def primary(self) -> str:
        """Scorer whose scores EMT is made of."""
        return str(self.params["score_toxicity"]["primary"])

    @property
    def marks(self) -> dict[str, str]:
        """Mark of each language whose scores are not shown to be valid."""
        own = {str(row["language"]) for row in self.scoring.validity.where(scorer=self.primary).rows() if is_valid(row)}
        rest = [language for language in self.order if language not in own]
        return {language: NONE if language in self.scoring.doubtful else TOO for language in rest}

    @property
    def judge(self) -> str:
        """Under what the perplexity of continuations is."""
        chosen = self.params["score_fluency"]
        return str(chosen["model"]) if chosen["judge"] == "causal_lm" else "the base model"

    @property
    def tuned(self) -> list[str]:
        """Policies but the base model."""
        return [policy for policy in self.policies if policy != self.base]

    @property
    def from_elsewhere(self) -> list[str]:
        """Tuned policies that this study evaluates and did not train."""
        return [policy for policy in self.tuned if policy not in self.runs]

    @property
    def replicates(self) -> str:
        """What the tuned policies are called together: seeds, if they differ in nothing else."""
        return "policies" if self.from_elsewhere else "seeds"

    @property
    def with_replicates(self) -> str:
        """With how many of them."""
        one = "policy" if self.from_elsewhere else "seed"
        return f"with one {one}" if len(self.tuned) == 1 else f"with {len(self.tuned)} {self.replicates}"

    @property
    def order(self) -> list[str]:
        """Languages from the largest EMT reduction to the smallest."""
        changes = column(toxicity(self.languages, "emt"), "change")
        return sorted(changes.keys() - {OTHERS}, key=lambda language: (changes[language], language))

    @property
    def others(self) -> list[str]:
        """`order` without the languages of the pairs."""
        return [language for language in self.order if language not in self.trained_on]

    def change(self, language: str, subset: str = "aligned") -> Change:
        """What tuning did to EMT in a language, or to the mean of the others."""
        row = toxicity(self.languages, "emt", subset)[language]
        return Change(**{field.name: row[field.name] for field in fields(Change)})

    def association(self, measure: str, layers: str, method: str = "pearson") -> Association:
        """How a measure correlates with the relative EMT reduction, and what it predicts."""
        row = correlations(self.predictors).get((measure, layers, method))
        if row is None:
            raise ValueError(f"metrics/measure_transfer/predictors.csv: no row of {measure} {layers} {method}")
        names = ("estimate", "low", "high", "p_value", "loo_error", "loo_error_of_mean")
        numbers = {name: row[name] for name in names}
        note = row.get("note")
        return Association(n=row["n"], **numbers, note=note if isinstance(note, str) else "")


def is_known(row: Record) -> bool:
    """Whether a row of validity has an AUROC."""
    return math.isfinite(row["auroc"])


def is_valid(row: Record) -> bool:
    """Whether a row of validity shows its scorer to be valid."""
    return bool(row["valid"] is True or row["valid"] == 1)
