"""Draws the report's figures with matplotlib: values in, Figure out; no pyplot state, no files.

Blue circles are before, vermillion diamonds after (Okabe and Ito's colour-blind safe palette), so that shape tells
what colour tells.
"""

import html
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Affine2D

BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#007A5A", "#9C4F84"  # the last two darkened for text
INK, SOFT, LINE, PALE = "#1A1A1A", "#595959", "#A6A6A6", "#C9C9C9"
WIDE = 4.0  # inches, from which a figure has room for more ticks
LEAST_SHARE = 0.05  # shortest axis of shares, so that next to nothing looks like it
TICKS = (1, 2, 5, 10)
NEAR = 12.5  # points, from which a label needs a line to its point
LETTER = 5.2  # points, mean width of a letter at size 8
DASHES = ("-", "--", ":", "-.")
STYLE: dict[Any, Any] = {
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
        axes.xaxis.set_major_formatter(_as_percent)
    axes.xaxis.set_major_locator(MaxNLocator(5 if width < WIDE else 8, steps=TICKS))
    axes.grid(axis="x", color="#ECECEC", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(x_title)
    return figure


def _as_percent(value: float, _: float) -> str:
    return f"{100 * value:.0f}%".replace("-", "−")


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
    axes.yaxis.set_major_formatter(_as_percent)
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
    """The figure as an element to put into HTML: ids unique by `salt`, described for those who cannot see it."""
    target = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": salt}):
        figure.savefig(target, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    svg = target.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r' (xmlns(:\w+)?|version)="[^"]*"', "", svg)  # the HTML parser knows them
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', svg))  # other ids repeat from figure to figure
    svg = re.sub(r' id="([^"]+)"', lambda match: match[0] if match[1] in used else "", svg)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)  # would style the whole page
    svg = svg.replace("font-family: 'DejaVu Sans'; ", "")
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(description)}"', 1).strip()
