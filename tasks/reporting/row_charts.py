"""Charts with a named row per language, neuron or measure: values in, Figure out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from tasks.reporting.charts import (
    BLUE,
    INK,
    LEAST_SHARE,
    LINE,
    PALE,
    PURPLE,
    SOFT,
    STYLE,
    TICKS,
    VERMILLION,
    Interval,
    Pair,
    as_percent,
)

WIDE = 4.0  # inches, from which a figure has room for more ticks
WIDEST = (-1.5, 2.0)  # shares beyond are cut off: ratios to a small drop have intervals without bound
CHANCE = 0.5  # AUROC of a score that tells nothing
COLUMNS = 3


@dataclass(frozen=True)
class Level:
    """AUROC of a scorer in a language, its interval, and whether that shows it to be valid."""

    auroc: float
    low: float
    high: float
    valid: bool


@matplotlib.rc_context(STYLE)
def before_after(
    rows: Sequence[Pair],
    x_title: str,
    names: tuple[str, str] = ("before", "after"),
    width: float = 5.2,
    colours: tuple[str, str] = (BLUE, VERMILLION),
    last_apart: bool = False,
    is_share: bool = False,
) -> Figure:
    """A row per language, in the order given from the top; the last one set apart if it is a mean; x from 0."""
    figure = Figure(figsize=(width, 0.75 + 0.235 * len(rows)), layout="constrained")
    axes = figure.subplots()
    heights = [-row - (0.6 if last_apart and row == len(rows) - 1 else 0) for row in range(len(rows))]
    for height, row in zip(heights, rows, strict=True):
        axes.plot([row.before, row.after], [height, height], color=PALE, linewidth=2.2, zorder=1)
        for value, interval, colour, marker, shift in (
            (row.before, row.before_interval, colours[0], "o", 0.14),
            (row.after, row.after_interval, colours[1], "D", -0.14),
        ):
            if interval is not None:
                axes.plot(interval, [height + shift] * 2, color=colour, linewidth=0.9, alpha=0.75, zorder=2)
            size = 5.5 if marker == "o" else 4.6
            axes.plot([value], [height], marker, color=colour, markersize=size, zorder=4, clip_on=False)
        ticks = [height - 0.14] * len(row.seeds)
        axes.plot(row.seeds, ticks, "|", color=INK, markersize=4.5, markeredgewidth=0.8, zorder=5, clip_on=False)
    _name_ends(axes, next((row for row in rows if math.isfinite(row.before + row.after)), rows[0]), names, colours)
    axes.set_yticks(heights, [row.label for row in rows])
    axes.tick_params(axis="y", length=0, pad=7)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(min(heights) - 0.6, 1.1)
    axes.set_xlim(left=0)
    if is_share:
        axes.set_xlim(right=max(LEAST_SHARE, axes.get_xlim()[1]))
        axes.xaxis.set_major_formatter(as_percent)
    axes.xaxis.set_major_locator(MaxNLocator(5 if width < WIDE else 8, steps=TICKS))
    axes.grid(axis="x", color="#ECECEC", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(x_title)
    return figure


def _name_ends(axes: Axes, row: Pair, names: tuple[str, str], colours: tuple[str, str]) -> None:
    """Writes what the two marks are above the first row, to their left and right so that the words never meet."""
    left_first = row.before <= row.after
    for value, name, colour, is_left in (
        (row.before, names[0], colours[0], left_first),
        (row.after, names[1], colours[1], not left_first),
    ):
        axes.annotate(
            name, (value, 0.42), xytext=(-1.5 if is_left else 1.5, 0), textcoords="offset points", color=colour,
            ha="right" if is_left else "left", va="bottom", annotation_clip=False,
        )  # fmt: skip


@matplotlib.rc_context(STYLE)
def forest(groups: Mapping[str, Mapping[str, tuple[float, float, float]]], x_title: str) -> Figure:
    """Estimate, low and high per group and row label; groups differ in mark and are named at their first row."""
    labels = list(dict.fromkeys(label for group in groups.values() for label in group))
    figure = Figure(figsize=(5.2, 0.8 + 0.36 * len(labels)), layout="constrained")
    axes = figure.subplots()
    marks = ((BLUE, "o"), (VERMILLION, "D"), (SOFT, "s"))
    for (name, group), (colour, marker) in zip(groups.items(), marks, strict=False):
        for label, (estimate, low, high) in group.items():
            sharing = [other for other, rows in groups.items() if label in rows]
            shift = 0.16 * (len(sharing) - 1 - 2 * sharing.index(name))
            height = -labels.index(label) + shift
            axes.plot([low, high], [height, height], color=colour, linewidth=1.1)
            axes.plot([estimate], [height], marker, color=colour, markersize=5)
            if label == next(iter(group)):
                up = 1.5 if shift > 0 else -1.5 if shift < 0 else 0
                axes.annotate(
                    name, (high, height), xytext=(4, up), textcoords="offset points", color=colour, fontsize=8,
                    va="center", annotation_clip=False,
                )  # fmt: skip
    axes.axvline(0, color=SOFT, linewidth=0.8)
    axes.set_yticks([-row for row in range(len(labels))], labels)
    axes.tick_params(axis="y", length=0, pad=7)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(-1.02, 1.02)
    axes.set_xlabel(x_title)
    return figure


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


@matplotlib.rc_context(STYLE)
def validity_panels(scorers: Mapping[str, Mapping[str, Level]], rows: Sequence[str], threshold: float) -> Figure:
    """A panel per scorer on one axis, a row per language; filled where valid, no mark where there are no labels."""
    columns = min(COLUMNS, len(scorers))
    lines = -(-len(scorers) // columns)
    width = 5.2 if columns == 1 else 1.4 + 2.1 * columns
    figure = Figure(figsize=(width, lines * (0.75 + 0.21 * len(rows))), layout="constrained")
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    panels = list(grid.flat)
    for axes, (name, found) in zip(panels, scorers.items(), strict=False):
        for level, colour, style in ((CHANCE, LINE, ":"), (threshold, SOFT, "--")):
            axes.axvline(level, color=colour, linewidth=0.8, linestyle=style, zorder=0)
        for place, row in enumerate(rows):
            if row in found:
                one = found[row]
                axes.plot([one.low, one.high], [-place, -place], color=BLUE, linewidth=1.1, zorder=1)
                face = BLUE if one.valid else "white"
                axes.plot([one.auroc], [-place], "o", color=face, markeredgecolor=BLUE, markersize=5, zorder=2)
        axes.set_yticks([-place for place in range(len(rows))], rows)
        axes.set_ylim(0.6 - len(rows), 0.6)
        axes.tick_params(axis="y", length=0, pad=7)
        axes.spines["left"].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(6 if columns == 1 else 4, steps=TICKS))
        axes.tick_params(axis="x", labelbottom=True)
        axes.set_xlabel("AUROC")
        if len(scorers) > 1:
            axes.set_title(name, fontsize=8, pad=2)
    for axes in panels[len(scorers) :]:
        axes.set_axis_off()
    lowest = min([CHANCE, *(one.low for found in scorers.values() for one in found.values())])
    panels[0].set_xlim(lowest - 0.03, 1.02)
    return figure


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks([-place for place in range(len(names))], names)
    axes.set_ylim(-len(names) + 0.3, 0.7)
    axes.tick_params(axis="y", length=0, pad=7)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color="#ECECEC", linewidth=0.6)
    axes.set_axisbelow(True)
