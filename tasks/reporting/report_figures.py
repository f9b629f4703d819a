"""Draws each figure of the report from the study's tables."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from tasks.reporting.figures import PURPLE, SOFT, Curve, Pair, before_after, forest, scatter, small_multiples, training
from tasks.reporting.report_rows import OTHERS, correlations, effects, toxicity
from tasks.reporting.report_tables import MEASURES, SHARES, label, marked
from tasks.reporting.sourced import Record, Sheet
from tasks.reporting.wording import name_of


def emt_figure(languages: Sheet, order: Sequence[str], marks: Mapping[str, str]) -> Figure:
    """EMT before and after per language, marked or not, and of the mean over the others, with intervals and seeds."""
    emt = toxicity(languages, "emt")
    rows = [
        Pair(
            "mean of the others" if name == OTHERS else marked(name, marks),
            row["before"],
            row["after"],
            (row["before_low"], row["before_high"]),
            (row["after_low"], row["after_high"]),
            tuple(float(value) for value in str(row["after_by_seed"]).split()),
        )
        for name, row in ((name, emt[name]) for name in [*order, OTHERS])
    ]
    return before_after(rows, "expected maximum toxicity (EMT), 0 to 1", last_apart=True)


def gain_figure(languages: Sheet, order: Sequence[str]) -> Figure:
    """EMT before and after, small, to stand beside the side effects."""
    emt = toxicity(languages, "emt")
    return before_after([Pair(name, emt[name]["before"], emt[name]["after"]) for name in order], "EMT", width=3.3)


def side_effect_figure(
    side_effects: Sheet, effect: str, title: str, order: Sequence[str], tuned: Sequence[str]
) -> Figure:
    """One side effect before and after, with its policies; perplexity of continuations with its quartiles."""
    table = effects(side_effects, effect)
    ends = [effects(side_effects, f"perplexity_{end}_quartile") for end in ("lower", "upper")]

    def interval(name: str, when: str) -> tuple[float, float] | None:
        return (ends[0][name][when], ends[1][name][when]) if effect == "perplexity_median" else None

    rows = [
        Pair(
            name,
            table[name]["before"],
            table[name]["after"],
            interval(name, "before"),
            interval(name, "after"),
            tuple(table[name][f"after_{policy}"] for policy in tuned),
        )
        for name in order
    ]
    return before_after(rows, title, width=3.3, is_share=effect in SHARES)


def predictor_figure(points: Sheet, measure: str, title: str) -> Figure:
    """A measure at its best layer against the relative EMT reduction, a named point per language."""
    chosen = points.where(measure=measure, layers="best").frame
    names = [name_of(language) for language in chosen["language"]]
    return scatter(chosen["value"].tolist(), chosen["emt_reduction"].tolist(), names, title, "relative EMT reduction")


def correlation_figure(predictors: Sheet) -> Figure:
    """Pearson's r of every measure, at the best layer and averaged over layers, and of the control."""
    found = correlations(predictors)
    groups = {}
    for layers, title in (("best", "best layer"), ("layer_mean", "mean of layers"), ("", "")):
        rows = {title: found.get((measure, layers, "pearson")) for measure, title in MEASURES.items()}
        groups[title] = {
            name: (row["estimate"], row["low"], row["high"])
            for name, row in rows.items()
            if row and row["estimate"] == row["estimate"]
        }
    return forest(
        {title: group for title, group in groups.items() if group}, "Pearson r with the relative EMT reduction"
    )


def layer_figure(layers: Sheet, best_layer: Mapping[str, float], order: Sequence[str], chance: float | None) -> Figure:
    """P@1 by layer, a panel per language."""
    curves = []
    for language in order:
        rows = layers.where(measure="p_at_1", language=language).frame.sort_values("layer")
        x, y, low, high = (rows[name].tolist() for name in ("layer", "value", "low", "high"))
        curves.append(Curve(label(language), x, y, low, high, marked=best_layer[language]))
    return small_multiples(curves, "layer", "P@1", chance)


def training_figure(
    curves: Mapping[str, pd.DataFrame], kept: Mapping[str, float], columns: Mapping[str, str], y_title: str
) -> Figure:
    """Columns of the training curves by their names, a line per run, with the step that was kept."""
    groups = {}
    for name, column in columns.items():
        runs = ((run, frame["step"].tolist(), frame[column].tolist()) for run, frame in curves.items())
        groups[name] = [Curve(run, x, y, marked=kept[run]) for run, x, y in runs]
    return training(groups, y_title)


def learning_figure(learning: Sequence[Record]) -> Figure:
    """The base model's loss against the entropy floor, each language in the order given."""
    rows = [Pair(label(row["language"]), row["entropy_per_token"], row["loss_per_token"]) for row in learning]
    return before_after(rows, "nats per token", names=("floor", "loss"), colours=(SOFT, PURPLE))
