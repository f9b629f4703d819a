"""Draws the figures of the report's chapter on the mechanism; values in, Figure out."""

import math
from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from tasks.reporting.figures import (
    BLUE,
    GREEN,
    INK,
    PALE,
    PURPLE,
    SOFT,
    STYLE,
    TICKS,
    VERMILLION,
    Curve,
    Pair,
    before_after,
)

Interval = tuple[float, float, float]  # estimate, low, high
MARKS = ((VERMILLION, "D", "-"), (SOFT, "s", "--"), (BLUE, "o", ":"), (GREEN, "^", "-."))
WIDEST = (-1.5, 2.0)  # shares beyond are cut off: ratios to a small drop have intervals without bound


@matplotlib.rc_context(STYLE)
def levels(rows: Mapping[str, Interval], x_title: str, reference: float) -> Figure:
    """An estimate with its interval per row beside one reference level for all."""
    figure = Figure(figsize=(5.2, 0.75 + 0.235 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, (estimate, low, high) in enumerate(rows.values()):
        axes.plot([low, high], [-place, -place], color=BLUE, linewidth=1.1)
        axes.plot([estimate], [-place], "o", color=BLUE, markersize=5)
    axes.axvline(reference, color=SOFT, linewidth=0.8, linestyle="--", zorder=0)
    _name_rows(axes, list(rows))
    axes.set_xlabel(x_title)
    return figure


@matplotlib.rc_context(STYLE)
def beside_chance(found: Mapping[str, float], chance: Mapping[str, Interval], marked: Sequence[str]) -> Figure:
    """Effective number of languages per vector on the interval that chance gives; `marked` ones are filled."""
    figure = Figure(figsize=(5.2, 0.9 + 0.2 * len(found)), layout="constrained")
    axes = figure.subplots()
    heights = {name: -place for place, name in enumerate(found)}
    drawn = [name for name in found if math.isfinite(found[name])]
    for name in drawn:
        middle, low, high = chance[name]
        axes.plot([low, high], [heights[name]] * 2, color=PALE, linewidth=4, solid_capstyle="butt", zorder=1)
        axes.plot([middle], [heights[name]], "|", color=SOFT, markersize=7, zorder=2)
    for names, face, words in (
        ([name for name in drawn if name in marked], VERMILLION, "source"),
        ([name for name in drawn if name not in marked], "white", "other candidate"),
    ):
        x, y = [found[name] for name in names], [heights[name] for name in names]
        axes.plot(x, y, "D", color=face, markeredgecolor=VERMILLION, markersize=4.4, zorder=3, label=words)
    axes.plot([], [], color=PALE, linewidth=4, label="drawn tokens")
    _name_rows(axes, list(found))
    axes.tick_params(axis="y", labelsize=7.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("effective number of languages")
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=8)
    return figure


@matplotlib.rc_context(STYLE)
def signed_before_after(rows: Sequence[Pair], x_title: str) -> Figure:
    """Before and after of values that may be below 0: the axis shows them all, with a line at 0."""
    figure = before_after(rows, x_title, last_apart=True)
    axes = figure.axes[0]
    ends = [row.before for row in rows] + [row.after for row in rows]
    ends += [end for row in rows for interval in (row.before_interval, row.after_interval) for end in interval or ()]
    ends += [seed for row in rows for seed in row.seeds]
    known = [end for end in ends if math.isfinite(end)]
    low, high = min([0.0, *known]), max([0.0, *known])
    margin = 0.04 * (high - low or 1)
    axes.set_xlim(low - margin if low < 0 else 0, high + margin if high > 0 else 0)
    axes.axvline(0, color=SOFT, linewidth=0.8, zorder=0)
    return figure


@matplotlib.rc_context(STYLE)
def dose_response(toxicity: Sequence[Curve], perplexity: Sequence[Curve]) -> Figure:
    """Toxicity with bands, and perplexity, against the dose; a mark and line style per set of neurons."""
    figure = Figure(figsize=(6.4, 3.0), layout="constrained")
    for axes, curves, title in zip(
        figure.subplots(1, 2), (toxicity, perplexity), ("mean toxicity", "perplexity, base model"), strict=True
    ):
        for curve, (colour, marker, line) in zip(curves, MARKS, strict=False):
            if curve.low is not None and curve.high is not None:
                axes.fill_between(curve.x, curve.low, curve.high, color=colour, alpha=0.12, linewidth=0)
            axes.plot(curve.x, curve.y, line, color=colour, marker=marker, markersize=4, label=curve.label)
        axes.axvline(0, color=PALE, linewidth=0.8, zorder=0)
        axes.set_xlabel("dose, added to activations")
        axes.set_ylabel(title)
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=TICKS))
    figure.axes[0].set_ylim(bottom=0)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), frameon=False, fontsize=8)
    return figure


@matplotlib.rc_context(STYLE)
def shares(groups: Mapping[str, Mapping[str, Interval]]) -> Figure:
    """Share of an effect per group and row, with lines at nothing and at all of it; undefined intervals are absent."""
    labels = list(dict.fromkeys(name for group in groups.values() for name in group))
    figure = Figure(figsize=(5.6, 1.0 + 0.36 * len(labels)), layout="constrained")
    axes = figure.subplots()
    for place, ((name, group), (colour, marker)) in enumerate(
        zip(groups.items(), ((BLUE, "o"), (VERMILLION, "D"), (PURPLE, "s")), strict=False)
    ):
        shift = 0.13 * (len(groups) - 1 - 2 * place)
        for row, (_, low, high) in group.items():
            axes.plot([low, high], [-labels.index(row) + shift] * 2, color=colour, linewidth=1.1)
        estimates = [estimate for estimate, _, _ in group.values()]
        heights = [-labels.index(row) + shift for row in group]
        axes.plot(estimates, heights, marker, color=colour, markersize=4.6, label=name)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=0)
    axes.axvline(1, color=SOFT, linewidth=0.8, linestyle="--", zorder=0)
    _name_rows(axes, labels)
    left, right = axes.get_xlim()
    axes.set_xlim(max(WIDEST[0], min(left, -0.1)), min(WIDEST[1], max(right, 1.1)))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("share of the drop in mean toxicity")
    figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=8)
    return figure


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks([-place for place in range(len(names))], names)
    axes.set_ylim(-len(names) + 0.3, 0.7)
    axes.tick_params(axis="y", length=0, pad=7)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color="#ECECEC", linewidth=0.6)
    axes.set_axisbelow(True)
