"""Measures the mechanism: the probe, activations, doses and the share of the effect explained, beside controls."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from tasks.mechanism.explained import Estimate, Means, difference, estimates, resampled_means, share
from tasks.mechanism.neuron_sets import SOURCES
from tasks.plumbing.files import ArtefactError, read_json, read_table, write_csv, write_json
from tasks.statistics.effects import BASE, OTHERS, effect_columns
from tasks.statistics.intervals import mean_effect_over_languages, paired_effect

PROBE = Path("data/train_probe/probe.json")
NEURONS = Path("data/find_toxic_neurons/neurons.csv")
SETS = Path("data/find_toxic_neurons/sets.json")
TRACES = Path("data/trace_activations")
SCORES = Path("data/score_interventions")
SIZES = Path("data/explain_effect")
FOLDER = Path("metrics/measure_mechanism")
ALL_LANGUAGES = "mean"
UNCHANGED = "unchanged"
CONTROLS = ("random", "matched", "direction")
GROUPS = "four groups"
GROUPS_CONTROL = f"random for {GROUPS}"


class MeasureMechanism(BaseModel, frozen=True, extra="forbid"):
    """Uncertainty."""

    source: str = Field(description="language of the pairs, apart from the mean over the others")
    resamples: int = Field(gt=0, description="bootstrap replicates over prompts and draws of controls")
    confidence: float = Field(gt=0, lt=1, description="level of the intervals")
    seed: int = Field(description="of the bootstrap")


def run(measure_mechanism: MeasureMechanism, policies: dict[str, Path]) -> str:
    """Publishes tables of each part, and a summary."""
    params = measure_mechanism
    rng = np.random.default_rng(params.seed)
    probe = _probe(read_json(PROBE)["test"])
    neurons = read_table(NEURONS, ["layer", "neuron", SOURCES, "languages"], key=["layer", "neuron"])
    activations = _activations([policy for policy in policies if policy != BASE], params, rng)
    doses = _doses(params, rng)
    explained = pd.concat(
        [_explained(path.stem, params, rng) for path in sorted(SCORES.glob("*.parquet")) if path.stem in policies],
        ignore_index=True,
    )
    for name, frame in (
        ("probe", probe),
        ("neurons", neurons),
        ("activations", activations),
        ("doses", doses),
        ("explained", explained),
    ):
        write_csv(FOLDER / f"{name}.csv", frame)
    summary = _summary(probe, neurons, activations, doses, explained, params)
    write_json(FOLDER / "summary.json", summary)
    told = summary["restored"]
    return (
        f"{FOLDER}: restoring {summary['sources']} sources undoes {told['share']:.1%} of the effect, "
        f"random neurons {told['control']:.1%}"
    )


def _probe(measures: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Quality of the probe per language, its accuracy beside that of always naming the larger class."""
    names = ["texts", "toxic", "auroc", "average_precision", "f1", "accuracy", "majority"]
    rows = []
    for language, found in measures.items():
        low, high = found["auroc_interval"] or (None, None)
        rows.append(
            {"language": language, **{name: found[name] for name in names}, "auroc_low": low, "auroc_high": high}
        )
    return pd.DataFrame(rows)


def _activations(tuned: list[str], params: MeasureMechanism, rng: np.random.Generator) -> pd.DataFrame:
    """Mean activation and key product of the sources, before and after, per language and over those but the source."""
    frames = {
        policy: read_table(TRACES / policy / "activations.parquet", ["decoding", "language", "prompt_id", "activation"])
        for policy in (BASE, *tuned)
    }
    joined = pd.concat([frame.assign(policy=policy) for policy, frame in frames.items()], ignore_index=True)
    settings = (params.resamples, params.confidence, rng)
    rows: list[dict[str, Any]] = []
    for decoding in joined["decoding"].unique():
        for measure in ("activation", "key_product"):
            table = joined[joined["decoding"] == decoding].pivot(
                index=["language", "prompt_id"], columns="policy", values=measure
            )
            if table.isna().to_numpy().any():
                raise ArtefactError(
                    f"{TRACES}: policies were traced on different prompts: `dvc repro trace_activations`"
                )
            before = {str(name): group[BASE].to_numpy() for name, group in table.groupby("language")}
            after = {str(name): group[tuned].to_numpy().T for name, group in table.groupby("language")}
            ids = {
                str(name): group.index.get_level_values("prompt_id").tolist()
                for name, group in table.groupby("language")
            }
            effects = {name: paired_effect(before[name], after[name], *settings) for name in before}
            others = [name for name in before if name != params.source]
            if others:
                effects[OTHERS] = mean_effect_over_languages(
                    {name: before[name] for name in others},
                    {name: after[name] for name in others},
                    {name: ids[name] for name in others},
                    *settings,
                )
            for language, effect in effects.items():
                row: dict[str, Any] = {"decoding": decoding, "measure": measure, "language": language}
                rows.append(row | effect_columns(effect, ("before", "after", "change")))
    return pd.DataFrame(rows)


def _doses(params: MeasureMechanism, rng: np.random.Generator) -> pd.DataFrame:
    """Toxicity and fluency under each dose, their change, and the sources' change less each control's."""
    frame = read_table(SCORES / "intervene_neurons.parquet", ["neurons", "draw", "dose", "toxicity", "nll", "tokens"])
    frame["condition"] = [
        f"{name} {draw} {dose:g}"
        for name, draw, dose in zip(frame["neurons"], frame["draw"], frame["dose"], strict=True)
    ]
    means = _means(frame, params, rng)
    perplexity = _perplexity(frame, ["neurons", "dose"])
    start = means.of(f"{UNCHANGED} 0 0")
    conditions = frame[["neurons", "draw", "dose"]].drop_duplicates()
    rows = []
    for (name, dose), draws in conditions.groupby(["neurons", "dose"]):
        found = means.of_draws([f"{name} {draw} {dose:g}" for draw in sorted(draws["draw"])], rng)
        toxicity, change = estimates(found, params.confidence), difference(found, start, params.confidence)
        columns = {"": toxicity, "change": change}
        if name in CONTROLS:
            sources = means.of(f"{SOURCES} 0 {dose:g}")
            columns["sources_less_control"] = difference(sources, found, params.confidence)
        rows += [
            {
                "neurons": name,
                "dose": dose,
                "language": language,
                "perplexity": perplexity.get((name, dose, language)),
            }
            | _columns({column or "toxicity": values[place] for column, values in columns.items()})
            for place, language in enumerate([*means.languages, ALL_LANGUAGES])
        ]
    return pd.DataFrame(rows)


def _explained(policy: str, params: MeasureMechanism, rng: np.random.Generator) -> pd.DataFrame:
    """Share of the policy's effect that each set carries, and its difference to as many random neurons."""
    frame = read_table(SCORES / f"{policy}.parquet", ["way", "neurons", "draw", "toxicity", "nll", "tokens"])
    sizes = read_json(SIZES / policy / "sizes.json")
    frame["condition"] = [
        f"{way} {name} {draw}" for way, name, draw in zip(frame["way"], frame["neurons"], frame["draw"], strict=True)
    ]
    means = _means(frame, params, rng)
    perplexity = _perplexity(frame, ["way", "neurons"])
    tuned, base = means.of(f"restore {UNCHANGED} 0"), means.of(f"impose {UNCHANGED} 0")
    rows = []
    for way, start, end in (("restore", tuned, base), ("impose", base, tuned)):
        part = frame[frame["way"] == way]
        draws = {str(name): sorted(group["draw"].unique()) for name, group in part.groupby("neurons")}
        found = {
            name: means.of_draws([f"{way} {name} {draw}" for draw in numbers], rng) for name, numbers in draws.items()
        }
        shares = {name: share(value, start, end) for name, value in found.items()}
        for name, value in shares.items():
            control = {SOURCES: "random", GROUPS: GROUPS_CONTROL}.get(name)
            columns = {
                "toxicity": estimates(found[name], params.confidence),
                "share": estimates(value, params.confidence),
            }
            if control:
                columns["less_control"] = difference(value, shares[control], params.confidence)
            if name == SOURCES:
                columns["less_matched"] = difference(value, shares["matched"], params.confidence)
            rows += [
                {
                    "policy": policy,
                    "way": way,
                    "neurons": name,
                    "count": sizes.get(name, 0),
                    "language": language,
                    "perplexity": perplexity.get((way, name, language)),
                }
                | _columns({column: values[place] for column, values in columns.items()})
                for place, language in enumerate([*means.languages, ALL_LANGUAGES])
            ]
    return pd.DataFrame(rows)


def _means(frame: pd.DataFrame, params: MeasureMechanism, rng: np.random.Generator) -> Means:
    """Mean toxicity over samples, per condition, prompt and language, resampled over prompts."""
    if frame["toxicity"].isna().any():
        row = frame[frame["toxicity"].isna()].iloc[0]
        raise ArtefactError(
            f"{SCORES}: {row['language']} {row['prompt_id']} has no score ({row['reason']}); shares of an effect need "
            "all: use a scorer that covers every language, or take the language out of `languages`"
        )
    table = frame.groupby(["condition", "prompt_id", "language"])["toxicity"].mean()
    axes = [sorted(frame[name].unique()) for name in ("condition", "prompt_id", "language")]
    full = table.reindex(pd.MultiIndex.from_product(axes)).to_numpy(dtype=float)
    values_CPL = full.reshape([len(axis) for axis in axes])
    return resampled_means(values_CPL, axes[0], axes[2], params.resamples, rng)


def _perplexity(frame: pd.DataFrame, by: list[str]) -> dict[tuple[Any, ...], float]:
    """Exponential of the mean over tokens of the base model's nats, per condition, language and over all."""
    single = frame.groupby([*by, "language"])[["nll", "tokens"]].sum()
    whole = frame.groupby(by)[["nll", "tokens"]].sum().assign(language=ALL_LANGUAGES).set_index("language", append=True)
    sums = pd.concat([single, whole])
    mean = sums["nll"] / sums["tokens"].where(sums["tokens"] > 0)
    return {tuple(name): float(np.exp(value)) for name, value in mean.items()}  # type: ignore[arg-type]


def _columns(values: dict[str, Estimate]) -> dict[str, float]:
    return {
        name: number
        for column, one in values.items()
        for name, number in ((column, one.value), (f"{column}_low", one.low), (f"{column}_high", one.high))
    }


def _summary(
    probe: pd.DataFrame,
    neurons: pd.DataFrame,
    activations: pd.DataFrame,
    doses: pd.DataFrame,
    explained: pd.DataFrame,
    params: MeasureMechanism,
) -> dict[str, Any]:
    """What a reader asks first, by key."""
    own = probe.set_index("language")
    over_all = explained[explained["language"] == ALL_LANGUAGES].groupby(["way", "neurons"])["share"].mean()
    sampled = activations[(activations["decoding"] == "sampled") & (activations["measure"] == "activation")]
    return {
        "probe_auroc": own["auroc"].to_dict(),
        "candidates": len(neurons),
        "sources": int(neurons[SOURCES].sum()),
        "neurons": int(read_json(SIZES / explained["policy"].iloc[0] / "sizes.json")["all neurons"]),
        "candidates_in_fewer_languages_than_chance": int((neurons["p_fewer"] < 1 - params.confidence).sum()),
        "activation": {row["language"]: {w: row[w] for w in ("before", "after")} for _, row in sampled.iterrows()},
        "restored": {"share": over_all["restore", SOURCES], "control": over_all["restore", "random"]},
        "imposed": {"share": over_all["impose", SOURCES], "control": over_all["impose", "random"]},
        "restored_four_groups": over_all.get(("restore", GROUPS)),
        "restored_all_neurons": over_all.get(("restore", "all neurons")),
        "toxicity_at_lowest_dose": {
            str(row["neurons"]): row["toxicity"]
            for _, row in doses[
                (doses["language"] == ALL_LANGUAGES) & (doses["dose"] == doses["dose"].min())
            ].iterrows()
        },
    }
