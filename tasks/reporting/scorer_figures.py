"""Draws the figure of the report's chapter on the scorers; values in, Figure out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tasks.reporting.figures import BLUE, LINE, SOFT, STYLE, TICKS

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
def validity(scorers: Mapping[str, Mapping[str, Level]], rows: Sequence[str], threshold: float) -> Figure:
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
