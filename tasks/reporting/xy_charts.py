"""Charts with values on both axes, points or curves: values in, Figure out."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Affine2D

from tasks.reporting.charts import (
    BLUE,
    GREEN,
    INK,
    LINE,
    PALE,
    PURPLE,
    SOFT,
    STYLE,
    TICKS,
    VERMILLION,
    Curve,
    as_percent,
)

NEAR = 12.5  # points, from which a label needs a line to its point
LETTER = 5.2  # points, mean width of a letter at size 8
DASHES = ("-", "--", ":", "-.")
MARKS = ((VERMILLION, "D", "-"), (SOFT, "s", "--"), (BLUE, "o", ":"), (GREEN, "^", "-."))


@matplotlib.rc_context(STYLE)
def scatter(x: Sequence[float], y: Sequence[float], labels: Sequence[str], x_title: str, y_title: str) -> Figure:
    """A named point per language and the least-squares line."""
    figure = Figure(figsize=(4.4, 3.9), layout="constrained")
    axes = figure.subplots()
    if len(set(x)) > 1:
        slope, intercept = np.polyfit(x, y, 1)
        ends = np.array([min(x), max(x)])
        axes.plot(ends, intercept + slope * ends, color=LINE, linewidth=1.2, zorder=1)
    axes.plot(x, y, "o", color=BLUE, markersize=5, zorder=3)
    axes.axhline(0, color=PALE, linewidth=0.8, zorder=0)
    axes.margins(0.12, 0.08)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=TICKS))
    axes.set_xlabel(x_title)
    axes.set_ylabel(y_title)
    axes.yaxis.set_major_formatter(as_percent)
    figure.draw_without_rendering()  # places the axes, so that labels can avoid each other in points
    for point, label, (right, up) in zip(
        zip(x, y, strict=True), labels, _label_offsets(axes, x, y, labels), strict=True
    ):
        leader = {"arrowstyle": "-", "color": LINE, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2}
        axes.annotate(
            label, point, xytext=(right, up), textcoords="offset points", fontsize=8, color=INK, va="center",
            ha="left" if right > 0 else "right" if right < 0 else "center",
            arrowprops=leader if abs(right) + abs(up) > NEAR else None,
        )  # fmt: skip
    return figure


def _label_offsets(
    axes: Axes, x: Sequence[float], y: Sequence[float], labels: Sequence[str]
) -> list[tuple[float, float]]:
    """Offsets in points at which labels overlap least with points, each other and the frame, near ones preferred."""
    scale = 72 / axes.figure.dpi
    points = axes.transData.transform(np.column_stack([x, y])) * scale
    frame = axes.get_window_extent().transformed(Affine2D().scale(scale))
    dots = [(left - 4, low - 4, left + 4, low + 4) for left, low in points]
    directions = ((1, 0), (-1, 0), (0.8, 0.9), (-0.8, 0.9), (0.8, -0.9), (-0.8, -0.9), (0, 1.3), (0, -1.3))
    candidates = [(radius * right, radius * up) for radius in (7, 13, 20, 28) for right, up in directions]

    def box(place: int, candidate: int) -> tuple[float, float, float, float]:
        right, up = candidates[candidate]
        width = LETTER * len(labels[place])
        left = points[place][0] + right - (0 if right > 0 else width if right < 0 else width / 2)
        return left, points[place][1] + up - 5, left + width, points[place][1] + up + 5

    chosen = [0] * len(labels)
    for _ in range(8):  # each label in turn moves to where it is best while the others stay
        for place in range(len(labels)):
            others = [box(other, chosen[other]) for other in range(len(labels)) if other != place]
            costs = []
            for candidate in range(len(candidates)):
                mine = box(place, candidate)
                outside = max(0.0, frame.x0 - mine[0], mine[2] - frame.x1, frame.y0 - mine[1], mine[3] - frame.y1)
                costs.append(sum(_overlap(mine, other) for other in dots + others) + 20 * outside + candidate)
            chosen[place] = int(np.argmin(costs))
    return [candidates[candidate] for candidate in chosen]


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


@matplotlib.rc_context(STYLE)
def small_multiples(curves: Sequence[Curve], x_title: str, y_title: str, reference: float | None) -> Figure:
    """A small panel per curve on shared axes; `reference` is a dashed level such as chance."""
    columns = min(4, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(5.2, 0.5 + 1.15 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for number, axes in enumerate(grid.flat):
        if number >= len(curves):
            axes.set_axis_off()
            continue
        curve = curves[number]
        if curve.low is not None and curve.high is not None:
            axes.fill_between(curve.x, curve.low, curve.high, color=BLUE, alpha=0.18, linewidth=0)
        axes.plot(curve.x, curve.y, color=BLUE)
        if curve.marked is not None:
            axes.plot([curve.marked], [curve.y[list(curve.x).index(curve.marked)]], "o", color=BLUE, markersize=4.5)
        if reference is not None:
            axes.axhline(reference, color=SOFT, linewidth=0.8, linestyle="--")
        axes.set_title(curve.label, fontsize=8, pad=2)
        axes.tick_params(labelsize=7.5)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_ylim(bottom=0)
    figure.supxlabel(x_title, fontsize=9)
    figure.supylabel(y_title, fontsize=9)
    return figure


@matplotlib.rc_context(STYLE)
def step_curves(groups: Mapping[str, Sequence[Curve]], y_title: str) -> Figure:
    """Curves over training steps, a line style per seed and a colour per group; the kept step is marked."""
    figure = Figure(figsize=(4.2, 2.9), layout="constrained")
    axes = figure.subplots()
    for (name, curves), colour in zip(groups.items(), (BLUE, PURPLE), strict=False):
        for number, curve in enumerate(curves):
            axes.plot(curve.x, curve.y, DASHES[number % len(DASHES)], color=colour, label=curve.label)
            if curve.marked is not None:
                kept = curve.y[list(curve.x).index(curve.marked)]
                axes.plot([curve.marked], [kept], "o", color="white", markeredgecolor=colour, markersize=6, zorder=4)
        if name:
            middle = len(curves[0].x) // 2
            axes.annotate(
                name,
                (curves[0].x[middle], curves[0].y[middle]),
                xytext=(4, 7),
                textcoords="offset points",
                color=colour,
            )
    handles, labels = axes.get_legend_handles_labels()
    seeds = dict(zip(reversed(labels), reversed(handles), strict=True))
    axes.legend(
        [seeds[label] for label in reversed(seeds)], list(reversed(seeds)), frameon=False, fontsize=8, handlelength=2.6,
    )  # fmt: skip
    axes.set_xlabel("optimisation step")
    axes.set_ylabel(y_title)
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
