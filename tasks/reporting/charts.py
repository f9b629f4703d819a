"""What every chart of the report shares: style, rows and curves as data, and how a chart becomes SVG or PNG."""

import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.figure import Figure

BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#007A5A", "#9C4F84"  # the last two darkened for text
INK, SOFT, LINE, PALE = "#1A1A1A", "#595959", "#A6A6A6", "#C9C9C9"
LEAST_SHARE = 0.05  # shortest axis of shares, so that next to nothing looks like it
TICKS = (1, 2, 5, 10)
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


def as_percent(value: float, _: float) -> str:
    """Tick label of a share."""
    return f"{100 * value:.0f}%".replace("-", "−")


Chart = Figure  # what chapters know of the drawing library
Interval = tuple[float, float, float]  # estimate, low, high


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
