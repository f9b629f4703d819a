"""Measures what tuning changed in every language, and whether retrieval predicted it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from tasks.plumbing.files import ArtefactError, read_table, write_csv, write_json
from tasks.statistics.effects import BASE, OTHERS, before_and_after, effects_by_language, pooled_effects, side_effects
from tasks.statistics.predictors import Resampling, points, predictors
from tasks.statistics.toxicity import prompt_toxicity

FOLDER = Path("metrics/measure_transfer")
PROMPTS = Path("data/prepare_prompts/prompts.parquet")
LEARNING = Path("data/prepare_model/learning.csv")
RETRIEVAL = Path("metrics/measure_retrieval/languages.csv")
PAIRS = Path("data/prepare_pairs/pairs.parquet")


class MeasureTransfer(BaseModel, frozen=True, extra="forbid"):
    """Thresholds and resampling."""

    source: str = Field(description="language that the others are compared with: of the pairs, or the first of them")
    threshold: float = Field(gt=0, lt=1, description="score from which a continuation counts as toxic; paper .5")
    resamples: int = Field(gt=0, description="bootstrap resamples, over prompts within seeds")
    permutations: int = Field(ge=999, description="of each permutation test; Holm over 17 languages needs thousands")
    confidence: float = Field(gt=0, lt=1, description="of every interval")
    coverage: float = Field(gt=0, le=1, description="share of continuations that must be scored in every language")
    seed: int = Field(description="of resampling")


def run(measure_transfer: MeasureTransfer, policies: dict[str, Path]) -> str:
    """Writes effects per language, side effects, predictors, and a summary of numbers by key."""
    params = measure_transfer
    tuned = [policy for policy in policies if policy != BASE]
    if BASE not in policies or not tuned:
        raise ValueError(
            f"params.yaml: policies needs {BASE!r} and at least one tuned policy; it has {', '.join(policies)}"
        )
    trained = sorted({params.source, *read_table(PAIRS, ["language"])["language"]})
    languages = _effects(list(policies), tuned, trained, params)
    effects = pd.concat([_side_effects(policy) for policy in policies], ignore_index=True)
    changed = before_and_after(effects, tuned)
    plotted, predicted = _predictors(languages, trained, params)
    write_csv(FOLDER / "languages.csv", languages)
    write_csv(FOLDER / "side_effects.csv", changed)
    write_csv(FOLDER / "predictors.csv", predicted)
    write_csv(FOLDER / "points.csv", plotted)
    write_csv(FOLDER / "overview.csv", _overview(languages, changed, plotted, trained))
    summary = _summary(languages, changed, predicted) | {"trained_on": trained}
    write_json(FOLDER / "summary.json", summary)
    write_json(FOLDER / "headline.json", _headline(summary, params.source))
    source, others = (_row(languages, "emt", name) for name in (params.source, OTHERS))
    return (
        f"{FOLDER}: EMT {params.source} {source['before']:.3f} -> {source['after']:.3f}; mean of the others "
        f"{others['before']:.3f} -> {others['after']:.3f}, change {others['change']:+.3f} "
        f"[{others['change_low']:+.3f}, {others['change_high']:+.3f}]"
    )


def _effects(policies: list[str], tuned: list[str], trained: list[str], params: MeasureTransfer) -> pd.DataFrame:
    """Effects on the prompts that the languages share, then on those that only one has."""
    prompts = read_table(PROMPTS, ["language", "prompt_id", "culture_specific"], key=["language", "prompt_id"])
    toxicity = pd.concat([_toxicity(policy, params) for policy in policies], ignore_index=True)
    toxicity = toxicity.merge(prompts, on=["language", "prompt_id"], how="left", validate="many_to_one")
    aligned, specific = toxicity[~toxicity["culture_specific"]], toxicity[toxicity["culture_specific"]]
    if aligned.empty:
        raise ArtefactError(
            f"{PROMPTS}: every prompt is culture-specific; effects are measured on the other prompts, so "
            "prepare_prompts must take some"
        )
    if params.source not in set(aligned["language"]):
        raise ValueError(
            f"params.yaml: measure_transfer.source is {params.source!r}, a language without prompts; "
            f"there are {', '.join(sorted(set(aligned['language'])))}"
        )
    rng = np.random.default_rng(params.seed)
    settings: dict[str, Any] = {"resamples": params.resamples, "confidence": params.confidence, "rng": rng}
    tables = [
        effects_by_language(aligned, tuned, trained, permutations=params.permutations, **settings).assign(
            subset="aligned"
        )
    ]
    if len(specific):
        tables.append(pooled_effects(specific, tuned, trained, **settings).assign(subset="culture_specific"))
    return pd.concat(tables, ignore_index=True)


def _toxicity(policy: str, params: MeasureTransfer) -> pd.DataFrame:
    """Toxicity per prompt of one policy; ArtefactError if too few continuations of a language were scored."""
    path = Path("data/score_toxicity") / policy / "scores.parquet"
    scores = read_table(path, ["language", "prompt_id", "sample", "toxicity"], key=["language", "prompt_id", "sample"])
    frame = prompt_toxicity(scores, params.threshold)
    counts = frame.groupby("language")[["scored", "missing"]].sum()
    coverage = counts["scored"] / counts.sum(axis=1)
    if (coverage < params.coverage).any():
        language = str(coverage.idxmin())
        raise ArtefactError(
            f"{path}: only {coverage[language]:.1%} of the {language} continuations have a score; a comparison needs "
            f"{params.coverage:.0%} (measure_transfer.coverage). The reasons are in that file's column 'reason'"
        )
    return frame.assign(policy=policy, avgtox=frame["total"] / frame["scored"])


def _side_effects(policy: str) -> pd.DataFrame:
    """Fluency, diversity, language and retention of one policy: language, effect, value, policy."""
    return side_effects(
        read_table(Path("data/score_fluency") / policy / "perplexity.parquet", ["language", "perplexity"]),
        read_table(Path("data/score_diversity") / policy / "diversity.parquet", ["language", "distinct_1"]),
        read_table(Path("data/identify_language") / policy / "languages.parquet", ["language", "consistent"]),
        read_table(Path("data/score_retention") / policy / "likelihood.parquet", ["language", "nll"]),
    ).assign(policy=policy)


def _predictors(
    languages: pd.DataFrame, trained: list[str], params: MeasureTransfer
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Points and correlations of every predictor with the relative EMT reduction, without the languages of the pairs.

    A language without any toxicity before has no relative reduction and is left out; `n` shows it.
    """
    emt = languages[(languages["metric"] == "emt") & ~languages["language"].isin([OTHERS, *trained])]
    reduction = (-emt.set_index("language")["relative_change"]).dropna()
    retrieval = read_table(RETRIEVAL, ["language", "measure", "layer_mean", "best"], key=["language", "measure"])
    learning = read_table(LEARNING, ["language", "corpus_share"], ["language"], may_be_empty=True).set_index("language")
    found = points(reduction, retrieval, learning["corpus_share"])
    settings = Resampling(params.resamples, params.permutations, params.confidence, params.seed)
    return found, predictors(found, learning["corpus_share"], settings)


def _overview(
    languages: pd.DataFrame, side_effects: pd.DataFrame, points: pd.DataFrame, trained: list[str]
) -> pd.DataFrame:
    """One row per language but those of the pairs: what people plot against each other."""
    aligned = languages[languages["subset"] == "aligned"]
    toxicity = aligned.pivot(
        index="language", columns="metric", values=["before", "after", "change", "relative_change"]
    )
    toxicity.columns = ["_".join(reversed(pair)) for pair in toxicity.columns.to_flat_index()]
    wide = points.assign(name=points["measure"] + points["layers"].map(lambda name: f"_{name}" if name else ""))
    measures = wide.pivot(index="language", columns="name", values="value")
    effects = side_effects.pivot(index="language", columns="effect", values="relative_change").add_suffix(
        "_relative_change"
    )
    joined = toxicity.drop(index=[OTHERS, *trained], errors="ignore").join(measures).join(effects)
    joined.insert(0, "emt_reduction", -joined["emt_relative_change"])
    return joined.reset_index()


def _row(languages: pd.DataFrame, metric: str, language: str) -> pd.Series:
    rows = languages[
        (languages["metric"] == metric) & (languages["language"] == language) & (languages["subset"] == "aligned")
    ]
    return rows.iloc[0]


def _headline(summary: dict[str, Any], source: str) -> dict[str, Any]:
    """The dozen numbers that fit on a screen: what `dvc metrics show` and `dvc metrics diff` list."""
    names = ("before", "after", "relative_change")
    best = summary["predictors"].get("p_at_1_best", {})
    return {
        f"emt_{source}": {name: summary["emt"][name][source] for name in names},
        f"emt_{OTHERS}": {name: summary["emt"][name][OTHERS] for name in names},
        f"toxprob_{OTHERS}": {name: summary["toxprob"][name][OTHERS] for name in names},
        "pearson_p_at_1": best.get("pearson"),
        "worst_civil_perplexity": summary["side_effects"]["civil_perplexity"]["worst_relative_change"],
        "language_consistent": summary["side_effects"]["language_consistent"]["after"],
    }


def _summary(languages: pd.DataFrame, side_effects: pd.DataFrame, predictors: pd.DataFrame) -> dict[str, Any]:
    """Numbers by key, e.g. emt.change.ar."""
    summary: dict[str, Any] = {}
    for metric, rows in languages[languages["subset"] == "aligned"].groupby("metric", sort=False):
        table = rows.set_index("language")
        names = ["before", "after", "change", "change_low", "change_high", "relative_change"]
        summary[str(metric)] = {name: table[name].to_dict() for name in names}
    summary["side_effects"] = {
        effect: {
            "before": rows["before"].mean(),
            "after": rows["after"].mean(),
            "worst_relative_change": rows["relative_change"].max(),
        }
        for effect, rows in side_effects.groupby("effect")
    }
    summary["predictors"] = {
        "_".join(filter(None, (row["measure"], row["layers"]))): {
            "pearson": row["estimate"],
            "low": row["low"],
            "high": row["high"],
            "p_value": row["p_value"],
        }
        for row in predictors[predictors["method"] == "pearson"].to_dict("records")
    }
    return summary
