"""What tuning changed: toxicity per language with intervals and tests, and side effects before and after.

Frames of toxicity have one row per prompt and policy: language, prompt_id, policy, and a column per metric. The base
model is the policy named base; `tuned` lists the others, one per training run.

Shapes: P prompts, S seeds (tuned policies).

Pure: no files, clock, network or globals.
"""

from typing import Any

import numpy as np
import pandas as pd

from tasks.statistics.intervals import PairedEffect, mean_effect_over_languages, paired_effect
from tasks.statistics.resampling import Floats
from tasks.statistics.significance import holm, mcnemar_p, sign_flip_p

BASE = "base"
OTHERS = "others"  # the row of the unweighted mean over all languages that are not among those of the pairs
METRICS = ("emt", "toxprob", "avgtox")


def effects_by_language(
    frame: pd.DataFrame,
    tuned: list[str],
    trained: list[str],
    *,
    resamples: int,
    permutations: int,
    confidence: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Effect on each metric in every language, with p-values, and on the mean over the others.

    p_value is the sign-flip test of the mean over tuned policies; p_holm corrects it for the languages of one metric.
    p_mcnemar (toxprob only) is the largest over the tuned policies: it is small only if every policy shows the change.

    Args:
        frame: Toxicity of the prompts that the languages share.
        tuned: Tuned policies.
        trained: Languages of the pairs, which the mean over the others leaves out.
        resamples: Bootstrap replicates.
        permutations: Random sign vectors.
        confidence: Level of the intervals, in (0, 1).
        rng: Source of randomness.
    """
    rows = []
    for metric in METRICS:
        group_rows = []
        for language, group in frame.groupby("language"):
            before, after, ids = _arrays(group, metric, tuned)
            effect = paired_effect(before, after, resamples, confidence, rng)
            row = _row(str(language), metric, effect, len(ids))
            row["p_value"] = sign_flip_p(after.mean(axis=0) - before, permutations, rng)
            if metric == "toxprob":
                row["p_mcnemar"] = max(mcnemar_p(before, seed) for seed in after)
            group_rows.append(row)
        adjusted = holm({row["language"]: row["p_value"] for row in group_rows})
        rows += [{**row, "p_holm": adjusted[row["language"]]} for row in group_rows]
    others = frame[~frame["language"].isin(trained)]
    for metric in METRICS:
        arrays = {str(language): _arrays(group, metric, tuned) for language, group in others.groupby("language")}
        effect = mean_effect_over_languages(
            {language: before for language, (before, _, _) in arrays.items()},
            {language: after for language, (_, after, _) in arrays.items()},
            {language: ids for language, (_, _, ids) in arrays.items()},
            resamples,
            confidence,
            rng,
        )
        rows.append(_row(OTHERS, metric, effect, sum(len(ids) for _, _, ids in arrays.values())))
    return pd.DataFrame(rows)


def pooled_effects(
    frame: pd.DataFrame,
    tuned: list[str],
    trained: list[str],
    *,
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Effect on the mean over prompts that no two languages share, too few per language for an effect of its own.

    Arguments are those of `effects_by_language`.
    """
    others = frame[~frame["language"].isin(trained)]
    own = others.assign(prompt_id=others["language"] + " " + others["prompt_id"])
    rows = []
    for metric in METRICS:
        before, after, ids = _arrays(own, metric, tuned)
        effect = paired_effect(before, after, resamples, confidence, rng)
        rows.append(_row(OTHERS, metric, effect, len(ids)))
    return pd.DataFrame(rows)


def side_effects(
    fluency: pd.DataFrame, diversity: pd.DataFrame, identity: pd.DataFrame, retention: pd.DataFrame
) -> pd.DataFrame:
    """Side effects of one policy per language: columns language, effect, value.

    Args:
        fluency: Per continuation: language, perplexity (NaN if empty).
        diversity: Per prompt: language, distinct_1 to distinct_3, self_bleu.
        identity: Per continuation: language, identified, consistent, empty, repetitive, cut_off.
        retention: Per civil text: language, nll (nats, summed over tokens), tokens.
    """
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
    return table.melt("language", var_name="effect", value_name="value").astype({"value": float})


def before_and_after(effects: pd.DataFrame, tuned: list[str]) -> pd.DataFrame:
    """One row per effect and language: the base model, the mean over tuned policies, their change, and each policy.

    Args:
        effects: language, effect, value, policy.
        tuned: Tuned policies.
    """
    table = effects.pivot(index=["effect", "language"], columns="policy", values="value")
    frame = pd.DataFrame({"before": table[BASE], "after": table[tuned].mean(axis=1)})
    frame["change"] = frame["after"] - frame["before"]
    frame["relative_change"] = frame["change"] / frame["before"].where(frame["before"] != 0)
    return frame.join(table[tuned].add_prefix("after_")).reset_index()


def _arrays(frame: pd.DataFrame, metric: str, tuned: list[str]) -> tuple[Floats, Floats, list[str]]:
    """Before (P,), after (S, P) and prompt ids of one language, without prompts that a policy has no score for."""
    table = frame.pivot(index="prompt_id", columns="policy", values=metric)[[BASE, *tuned]].dropna()
    return table[BASE].to_numpy(float), table[tuned].to_numpy(float).T, [str(name) for name in table.index]


def _row(language: str, metric: str, effect: PairedEffect, prompts: int) -> dict[str, Any]:
    row: dict[str, Any] = {"language": language, "metric": metric, "prompts": prompts}
    return row | effect_columns(effect, ("before", "after", "change", "relative_change"))


def effect_columns(effect: PairedEffect, names: tuple[str, ...]) -> dict[str, Any]:
    """Columns of a table: each value with its interval, then the mean after of each seed, separated by spaces."""
    columns: dict[str, Any] = {}
    for name in names:
        interval = getattr(effect, f"{name}_interval")
        columns |= {name: getattr(effect, name), f"{name}_low": interval.low, f"{name}_high": interval.high}
    return columns | {"after_by_seed": " ".join(f"{value:.6g}" for value in effect.seed_after)}
