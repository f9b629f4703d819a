"""Draws the report's figures with matplotlib: values in, Figure out; no pyplot state, no files.

Blue circles are before, vermillion diamonds after (Okabe and Ito's colour-blind safe palette), so that shape tells
what colour tells.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#007A5A", "#9C4F84"  # the last two darkened for text
INK, SOFT, PALE = "#1A1A1A", "#595959", "#C9C9C9"
DASHES = ("-", "--", ":", "-.")
STYLE = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.6,
    "axes.labelcolor": INK,
    "axes.labelsize": 9.0,
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.4,
    "savefig.facecolor": "white",
    "svg.fonttype": "none",  # text stays text: searchable, small, in the reader's font
    "svg.hashsalt": "polydetox",
}


@dataclass(frozen=True)
class Pair:
    """One row of a before-after plot; intervals and the after value of each seed where there are any."""

    label: str
    before: float
    after: float
    before_interval: tuple[float, float] | None = None
    after_interval: tuple[float, float] | None = None
    seeds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Curve:
    """y over x, with a band and one marked x where there are any."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    marked: float | None = None


@matplotlib.rc_context(STYLE)
def before_after(
    rows: Sequence[Pair],
    x_title: str,
    names: tuple[str, str] = ("before", "after"),
    width: float = 5.2,
    last_apart: bool = False,
    from_zero: bool = True,
) -> Figure:
    """A row per language, in the order given from the top; the last one set apart if it is a mean."""
    figure = Figure(figsize=(width, 0.75 + 0.235 * len(rows)), layout="constrained")
    axes = figure.subplots()
    heights = [-row - (0.6 if last_apart and row == len(rows) - 1 else 0) for row in range(len(rows))]
    for height, row in zip(heights, rows, strict=True):
        axes.plot([row.before, row.after], [height, height], color=PALE, linewidth=2.2, zorder=1)
        for value, interval, colour, marker, shift in (
            (row.before, row.before_interval, BLUE, "o", 0.14),
            (row.after, row.after_interval, VERMILLION, "D", -0.14),
        ):
            if interval is not None:
                axes.plot(interval, [height + shift] * 2, color=colour, linewidth=0.9, alpha=0.75, zorder=2)
            size = 5.5 if marker == "o" else 4.6
            axes.plot([value], [height], marker, color=colour, markersize=size, zorder=4, clip_on=False)
        ticks = [height - 0.14] * len(row.seeds)
        axes.plot(row.seeds, ticks, "|", color=INK, markersize=4.5, markeredgewidth=0.8, zorder=5, clip_on=False)
    _name_ends(axes, rows[0], names)
    axes.set_yticks(heights, [row.label for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(min(heights) - 0.6, 1.1)
    if from_zero:
        axes.set_xlim(left=min(0, axes.get_xlim()[0] if _lowest(rows) < 0 else 0))
    axes.grid(axis="x", color="#ECECEC", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(x_title)
    return figure


def _lowest(rows: Sequence[Pair]) -> float:
    return float(np.nanmin([[row.before, row.after] for row in rows]))


def _name_ends(axes: Axes, row: Pair, names: tuple[str, str]) -> None:
    """Writes what the two marks are above the first row, one to the left and one to the right so that they never meet."""
    left_first = row.before <= row.after
    for value, name, colour, is_left in (
        (row.before, names[0], BLUE, left_first),
        (row.after, names[1], VERMILLION, not left_first),
    ):
        axes.annotate(
            name, (value, 0.42), xytext=(3 if is_left else -3, 0), textcoords="offset points", color=colour,
            ha="right" if is_left else "left", va="bottom", annotation_clip=False,
        )  # fmt: skip


@matplotlib.rc_context(STYLE)
def scatter(x: Sequence[float], y: Sequence[float], labels: Sequence[str], x_title: str, y_title: str) -> Figure:
    """A named point per language and the least-squares line."""
    figure = Figure(figsize=(5.2, 4.3), layout="constrained")
    axes = figure.subplots()
    if np.ptp(x) > 0:
        slope, intercept = np.polyfit(x, y, 1)
        ends = np.array([min(x), max(x)])
        axes.plot(ends, intercept + slope * ends, color=SOFT, linewidth=1.0, zorder=1)
    axes.plot(x, y, "o", color=BLUE, markersize=5, zorder=3)
    axes.axhline(0, color=PALE, linewidth=0.8, zorder=0)
    axes.margins(0.12, 0.08)
    axes.set_xlabel(x_title)
    axes.set_ylabel(y_title)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%".replace("-", "−"))
    figure.draw_without_rendering()  # places the axes, so that labels can avoid each other in points
    for point, label, (right, up) in zip(
        zip(x, y, strict=True), labels, _label_offsets(axes, x, y, labels), strict=True
    ):
        axes.annotate(
            label, point, xytext=(right, up), textcoords="offset points", fontsize=8, color=INK,
            ha="left" if right > 0 else "right" if right < 0 else "center", va="center",
        )  # fmt: skip
    return figure


def _label_offsets(
    axes: Axes, x: Sequence[float], y: Sequence[float], labels: Sequence[str]
) -> list[tuple[float, float]]:
    """For each point the offset, in points, whose label overlaps least with points, labels and the frame."""
    scale = 72 / axes.figure.dpi
    points = axes.transData.transform(np.column_stack([x, y])) * scale
    frame = axes.get_window_extent().transformed(matplotlib.transforms.Affine2D().scale(scale))
    taken = [(px - 4, py - 4, px + 4, py + 4) for px, py in points]
    chosen: list[tuple[float, float]] = []
    candidates = [
        (6, 0),
        (-6, 0),
        (5, 8),
        (-5, 8),
        (5, -8),
        (-5, -8),
        (0, 10),
        (0, -10),
        (8, 14),
        (-8, 14),
        (8, -14),
        (-8, -14),
    ]
    for (px, py), label in zip(points, labels, strict=True):
        boxes = []
        for right, up in candidates:
            width = 5.0 * len(label)
            left = px + right - (0 if right > 0 else width if right < 0 else width / 2)
            boxes.append((left, py + up - 5, left + width, py + up + 5))
        costs = [
            sum(_overlap(box, other) for other in taken)
            + 20 * max(0.0, frame.x0 - box[0], box[2] - frame.x1, frame.y0 - box[1], box[3] - frame.y1)
            + rank * 0.1
            for rank, box in enumerate(boxes)
        ]
        best = int(np.argmin(costs))
        taken.append(boxes[best])
        chosen.append(candidates[best])
    return chosen


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


@matplotlib.rc_context(STYLE)
def forest(groups: Mapping[str, Mapping[str, tuple[float, float, float]]], x_title: str) -> Figure:
    """Estimate, low and high per group and row label; groups differ in mark, named at the first row that has both."""
    labels = list(dict.fromkeys(label for group in groups.values() for label in group))
    figure = Figure(figsize=(5.2, 0.9 + 0.38 * len(labels)), layout="constrained")
    axes = figure.subplots()
    shifts = np.linspace(0.16, -0.16, len(groups)) if len(groups) > 1 else [0.0]
    marks = ((BLUE, "o"), (VERMILLION, "D"), (GREEN, "s"))
    for (name, group), shift, (colour, marker) in zip(groups.items(), shifts, marks, strict=False):
        for label, (estimate, low, high) in group.items():
            height = -labels.index(label) + shift
            axes.plot([low, high], [height, height], color=colour, linewidth=1.1)
            axes.plot([estimate], [height], marker, color=colour, markersize=5)
        estimate, low, high = next(iter(group.values()))
        axes.annotate(
            name, (high, -labels.index(next(iter(group))) + shift), xytext=(4, 0), textcoords="offset points",
            color=colour, fontsize=8, va="center", annotation_clip=False,
        )  # fmt: skip
    axes.axvline(0, color=SOFT, linewidth=0.8)
    axes.set_yticks([-row for row in range(len(labels))], labels)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(-1.02, 1.02)
    axes.set_xlabel(x_title)
    return figure


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
def training(groups: Mapping[str, Sequence[Curve]], y_title: str) -> Figure:
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
def to_png(figure: Figure) -> bytes:
    """The figure at 150 dpi, the same bytes each time."""
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=150, metadata={"Software": None})
    return target.getvalue()


@matplotlib.rc_context(STYLE)
def to_svg(figure: Figure, salt: str, description: str) -> str:
    """The figure as an element to put into HTML: ids made unique by `salt`, a description for those who cannot see it."""
    target = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": salt}):
        figure.savefig(target, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    svg = target.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r' (xmlns(:\w+)?|version)="[^"]*"', "", svg)  # the HTML parser knows them
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)  # equal in every figure, and nothing refers to them
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)  # would style the whole page
    svg = svg.replace("font-family: 'DejaVu Sans'; ", "")
    escaped = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return svg.replace("<svg", f'<svg role="img" aria-label="{escaped}"', 1).strip()
