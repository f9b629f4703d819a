"""Measures what tuning changed in every language, and whether retrieval predicted it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from tasks.plumbing.files import ArtefactError, read_table, write_csv, write_json
from tasks.statistics.correlation import Correlation, leave_one_out, partial_correlation_test, pearson, spearman
from tasks.statistics.toxicity import prompt_toxicity
from tasks.statistics.uncertainty import (
    PairedEffect,
    holm,
    mcnemar_p,
    mean_effect_over_languages,
    paired_effect,
    sign_flip_p,
)

FOLDER = Path("metrics/measure_transfer")
PROMPTS = Path("data/prepare_prompts/prompts.parquet")
LEARNING = Path("data/prepare_model/learning.csv")
RETRIEVAL = Path("metrics/measure_retrieval/languages.csv")
PAIRS = Path("data/prepare_pairs/pairs.parquet")
BASE = "base"
OTHERS = "others"  # the row of the unweighted mean over every language but those of the pairs
SHARE = "log_corpus_share"  # the rival predictor: how much of a language the model has read
UNKNOWN = "no corpus share is known"
TOXICITY = ("emt", "toxprob", "avgtox")
PREDICTOR_COLUMNS = [
    *("measure", "layers", "method", "n", "estimate", "low", "high", "p_value"),
    *("loo_error", "loo_error_of_mean", "loo_r2", "note"),
]


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
    tuned = [policy for policy in policies if policy != BASE]
    if BASE not in policies or not tuned:
        raise ValueError(
            f"params.yaml: policies needs {BASE!r} and at least one tuned policy; it has {', '.join(policies)}"
        )
    trained = sorted({measure_transfer.source, *read_table(PAIRS, ["language"])["language"]})
    prompts = read_table(PROMPTS, ["language", "prompt_id", "culture_specific"], key=["language", "prompt_id"])
    toxicity = pd.concat([_toxicity(policy, measure_transfer) for policy in policies], ignore_index=True)
    toxicity = toxicity.merge(prompts, on=["language", "prompt_id"], how="left", validate="many_to_one")
    rng = np.random.default_rng(measure_transfer.seed)
    aligned = toxicity[~toxicity["culture_specific"]]
    if aligned.empty:
        raise ArtefactError(
            f"{PROMPTS}: every prompt is culture-specific; a language's change is measured on the others, so "
            "prepare_prompts must take some"
        )
    languages = _effects(aligned, tuned, trained, measure_transfer, rng)
    specific = toxicity[toxicity["culture_specific"]]
    if len(specific):
        languages = pd.concat(
            [languages, _pooled_effects(specific, tuned, trained, measure_transfer, rng)], ignore_index=True
        )
    effects = pd.concat([_side_effects(policy) for policy in policies], ignore_index=True)
    side_effects = _before_after(effects, tuned)
    predictors, points = _predictors(languages, trained, measure_transfer)
    write_csv(FOLDER / "languages.csv", languages)
    write_csv(FOLDER / "side_effects.csv", side_effects)
    write_csv(FOLDER / "predictors.csv", predictors)
    write_csv(FOLDER / "points.csv", points)
    write_csv(FOLDER / "overview.csv", _overview(languages, side_effects, points, trained))
    summary = _summary(languages, side_effects, predictors) | {"trained_on": trained}
    write_json(FOLDER / "summary.json", summary)
    write_json(FOLDER / "headline.json", _headline(summary, measure_transfer.source))
    source, others = (_row(languages, "emt", name) for name in (measure_transfer.source, OTHERS))
    return (
        f"{FOLDER}: EMT {measure_transfer.source} {source['before']:.3f} -> {source['after']:.3f}; mean of the others "
        f"{others['before']:.3f} -> {others['after']:.3f}, change {others['change']:+.3f} "
        f"[{others['change_low']:+.3f}, {others['change_high']:+.3f}]"
    )


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


def _arrays(frame: pd.DataFrame, metric: str, tuned: list[str]) -> tuple[Any, Any, list[str]]:
    """Before (P,), after (seeds, P) and prompt ids of one language; prompts without a score anywhere are left out."""
    table = frame.pivot(index="prompt_id", columns="policy", values=metric)[[BASE, *tuned]].dropna()
    return table[BASE].to_numpy(float), table[tuned].to_numpy(float).T, [str(name) for name in table.index]


def _effects(
    frame: pd.DataFrame, tuned: list[str], trained: list[str], params: MeasureTransfer, rng: np.random.Generator
) -> pd.DataFrame:
    rows = []
    for metric in TOXICITY:
        p_values: dict[str, float] = {}
        group_rows = []
        for language, group in frame.groupby("language"):
            before, after, ids = _arrays(group, metric, tuned)
            effect = paired_effect(before, after, params.resamples, params.confidence, rng)
            p_values[str(language)] = sign_flip_p(after.mean(axis=0) - before, params.permutations, rng)
            row = _effect_row(str(language), metric, effect, len(ids))
            row["p_value"] = p_values[str(language)]
            if metric == "toxprob":
                # The largest p over the seeds: small only if every policy shows the change.
                row["p_mcnemar"] = max(mcnemar_p(before, seed) for seed in after)
            group_rows.append(row)
        adjusted = holm(p_values)
        rows += [{**row, "p_holm": adjusted[row["language"]]} for row in group_rows]
    return pd.concat([pd.DataFrame(rows), _mean_effects(frame, tuned, trained, params, rng)], ignore_index=True).assign(
        subset="aligned"
    )


def _mean_effects(
    frame: pd.DataFrame, tuned: list[str], trained: list[str], params: MeasureTransfer, rng: np.random.Generator
) -> pd.DataFrame:
    rows = []
    others = frame[~frame["language"].isin(trained)]
    for metric in TOXICITY:
        before, after, ids = {}, {}, {}
        for language, group in others.groupby("language"):
            before[str(language)], after[str(language)], ids[str(language)] = _arrays(group, metric, tuned)
        effect = mean_effect_over_languages(before, after, ids, params.resamples, params.confidence, rng)
        rows.append(_effect_row(OTHERS, metric, effect, sum(map(len, ids.values()))))
    return pd.DataFrame(rows)


def _pooled_effects(
    frame: pd.DataFrame, tuned: list[str], trained: list[str], params: MeasureTransfer, rng: np.random.Generator
) -> pd.DataFrame:
    """Mean over the prompts that only one language has; they are too few per language to be told apart."""
    others = frame[~frame["language"].isin(trained)]
    own = others.assign(prompt_id=others["language"] + " " + others["prompt_id"])
    rows = []
    for metric in TOXICITY:
        before, after, ids = _arrays(own, metric, tuned)
        effect = paired_effect(before, after, params.resamples, params.confidence, rng)
        rows.append(_effect_row(OTHERS, metric, effect, len(ids)))
    return pd.DataFrame(rows).assign(subset="culture_specific")


def _effect_row(language: str, metric: str, effect: PairedEffect, prompts: int) -> dict[str, Any]:
    row: dict[str, Any] = {"language": language, "metric": metric, "prompts": prompts}
    for name in ("before", "after", "change", "relative_change"):
        interval = getattr(effect, f"{name}_interval")
        row |= {name: getattr(effect, name), f"{name}_low": interval.low, f"{name}_high": interval.high}
    return row | {"after_by_seed": " ".join(f"{value:.6g}" for value in effect.seed_after)}


def _side_effects(policy: str) -> pd.DataFrame:
    """Fluency, diversity, language and retention of one policy: language, effect, value."""
    fluency = read_table(Path("data/score_fluency") / policy / "perplexity.parquet", ["language", "perplexity"])
    diversity = read_table(Path("data/score_diversity") / policy / "diversity.parquet", ["language", "distinct_1"])
    identity = read_table(Path("data/identify_language") / policy / "languages.parquet", ["language", "consistent"])
    retention = read_table(Path("data/score_retention") / policy / "likelihood.parquet", ["language", "nll"])
    perplexity = fluency.groupby("language")["perplexity"]
    known = retention.groupby("language")[["nll", "tokens"]].sum()
    columns = {
        "perplexity_median": perplexity.median(),
        "perplexity_lower_quartile": perplexity.quantile(0.25),
        "perplexity_upper_quartile": perplexity.quantile(0.75),
        "perplexity_dropped": fluency["perplexity"].isna().groupby(fluency["language"]).sum(),
        "civil_perplexity": np.exp(known["nll"] / known["tokens"]),
        **{
            name: diversity.groupby("language")[name].mean()
            for name in ("distinct_1", "distinct_2", "distinct_3", "self_bleu")
        },
        "language_consistent": identity.groupby("language")["consistent"].mean(),
        "language_unknown": identity["identified"].isna().groupby(identity["language"]).mean(),
        **{name: identity.groupby("language")[name].mean() for name in ("empty", "repetitive", "cut_off")},
    }
    table = pd.DataFrame(columns).rename_axis("language").reset_index()
    return table.melt("language", var_name="effect", value_name="value").astype({"value": float}).assign(policy=policy)


def _before_after(effects: pd.DataFrame, tuned: list[str]) -> pd.DataFrame:
    """One row per effect and language: the base model, the mean over tuned policies, and each of them."""
    table = effects.pivot(index=["effect", "language"], columns="policy", values="value")
    frame = pd.DataFrame({"before": table[BASE], "after": table[tuned].mean(axis=1)})
    frame["change"] = frame["after"] - frame["before"]
    frame["relative_change"] = frame["change"] / frame["before"].where(frame["before"] != 0)
    return frame.join(table[tuned].add_prefix("after_")).reset_index()


def _predictors(
    languages: pd.DataFrame, trained: list[str], params: MeasureTransfer
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every retrieval measure against the relative EMT reduction, over languages but those of the pairs.

    A language without any toxicity before has no relative reduction and is left out; `n` tells. What holds the corpus
    share fixed, or correlates it, has only the languages whose share is known.
    """
    emt = languages[(languages["metric"] == "emt") & ~languages["language"].isin([OTHERS, *trained])]
    reduction = (-emt.set_index("language")["relative_change"]).dropna().rename("emt_reduction")
    retrieval = read_table(RETRIEVAL, ["language", "measure", "layer_mean", "best"], key=["language", "measure"])
    learning = read_table(LEARNING, ["language", "corpus_share"], ["language"], may_be_empty=True).set_index("language")
    share = learning["corpus_share"].astype(float).reindex(reduction.index).map(np.log)
    points = retrieval.melt(
        ["language", "measure"], ["layer_mean", "best"], var_name="layers", value_name="value"
    ).merge(reduction.reset_index(), on="language")
    control = pd.DataFrame({"measure": SHARE, "layers": "", "value": share}).rename_axis("language").reset_index()
    control = control.dropna().merge(reduction.reset_index(), on="language")
    points = pd.concat([points, control], ignore_index=True) if len(control) else points
    rows: list[dict[str, Any]] = []
    for name in points[["measure", "layers"]].drop_duplicates().itertuples(index=False):
        group = points[(points["measure"] == name.measure) & (points["layers"] == name.layers)]
        x, y = group["value"].to_numpy(float), group["emt_reduction"].to_numpy(float)
        rows += _correlations(
            str(name.measure), str(name.layers), x, y, share[group["language"]].to_numpy(float), params
        )
    if control.empty:
        rows += [
            {"measure": SHARE, "layers": "", "method": method, "n": 0, "note": UNKNOWN}
            for method in ("pearson", "spearman")
        ]
    return pd.DataFrame(rows, columns=PREDICTOR_COLUMNS), points


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


def _correlations(
    measure: str, layers: str, x: np.ndarray, y: np.ndarray, share: np.ndarray, params: MeasureTransfer
) -> list[dict[str, Any]]:
    settings = (params.resamples, params.permutations, params.confidence, params.seed)
    tests: dict[str, tuple[int, Callable[[], Correlation]]] = {
        "pearson": (len(x), lambda: pearson(x, y, *settings)),
        "spearman": (len(x), lambda: spearman(x, y, *settings)),
    }
    if measure != SHARE:
        known = np.isfinite(share)
        tests[f"pearson_given_{SHARE}"] = (
            int(known.sum()),
            lambda: partial_correlation_test(x[known], y[known], share[known], *settings),
        )
    rows = []
    for method, (languages, test) in tests.items():
        row: dict[str, Any] = {"measure": measure, "layers": layers, "method": method, "n": languages}
        if languages == 0:
            rows.append(row | {"note": UNKNOWN})
            continue
        if languages < len(x):
            row["note"] = f"the corpus share is known in {languages} of {len(x)} languages"
        try:
            found = test()
            row |= {"estimate": found.estimate, "low": found.low, "high": found.high, "p_value": found.p_value}
            if method == "pearson":
                left_out = leave_one_out(x, y)
                row |= {"loo_error": left_out.mae_model, "loo_error_of_mean": left_out.mae_mean, "loo_r2": left_out.r2}
        except ValueError as error:  # too few languages, or a constant predictor, which correlates with nothing
            row["note"] = "; ".join(filter(None, (row.get("note"), str(error))))
        rows.append(row)
    return rows


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
