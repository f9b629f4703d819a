"""A chain as one page that needs no network: its graph drawn in the page, the details of a stage below it."""

from dataclasses import dataclass

import networkx as nx
from jinja2 import Environment, PackageLoader, StrictUndefined

from tasks.audit.account import Chain
from tasks.audit.tree import history_lines, recorded, short, shown

# Pixels. A stage's name has at most 27 characters here, of 6.6 pixels each.
BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y, MARGIN = 168, 30, 46, 14, 16
NAME_LENGTH = 24
SWEEPS = 12  # over the layers, when boxes are put beside their neighbours


@dataclass(frozen=True)
class Box:
    """A stage or a source as it is drawn; x and y are its upper left corner."""

    name: str
    label: str
    kind: str
    x: float
    y: float
    anchor: str


@dataclass(frozen=True)
class Edge:
    """A line between two boxes, by name, and its path in SVG."""

    start: str
    end: str
    path: str


@dataclass(frozen=True)
class Drawing:
    """Everything that the graph's SVG shows."""

    boxes: list[Box]
    edges: list[Edge]
    width: float
    height: float


def render(chain: Chain) -> str:
    """The page as HTML. Every text of the study is escaped; nothing is loaded from elsewhere."""
    environment = Environment(
        loader=PackageLoader("tasks.audit", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(short=short, history_lines=history_lines)
    template = environment.get_template("why.html.j2")
    return template.render(
        chain=chain,
        value=shown(chain),
        recorded=recorded(chain),
        drawing=draw(chain),
        anchors=_anchors(chain),
        altered={one.path for one in chain.altered},
    )


def draw(chain: Chain) -> Drawing:
    """Places sources and stages in layers from left to right, so that every edge leads to the right."""
    graph = _graph(chain)
    layers = [sorted(layer) for layer in nx.topological_generations(graph)]
    rows = _rows(graph, layers)
    height = max((len(layer) for layer in layers), default=1) * (BOX_HEIGHT + GAP_Y) - GAP_Y
    places: dict[str, tuple[float, float]] = {}
    for column, layer in enumerate(rows):
        top = (height - len(layer) * (BOX_HEIGHT + GAP_Y) + GAP_Y) / 2
        for row, name in enumerate(layer):
            places[name] = (MARGIN + column * (BOX_WIDTH + GAP_X), MARGIN + top + row * (BOX_HEIGHT + GAP_Y))
    anchors = _anchors(chain)
    boxes = [
        Box(name, _label(name), str(graph.nodes[name]["kind"]), *places[name], anchors[name]) for name in sorted(places)
    ]
    return Drawing(
        boxes,
        [Edge(start, end, _curve(places[start], places[end])) for start, end in sorted(graph.edges)],
        2 * MARGIN + len(layers) * (BOX_WIDTH + GAP_X) - GAP_X,
        2 * MARGIN + height,
    )


def _graph(chain: Chain) -> "nx.DiGraph[str]":
    """Sources, stages, and the target; an edge leads from what was read to the stage that read it."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for source in chain.sources:
        graph.add_node(source.path, kind="source")
    for stage in chain.stages:
        graph.add_node(stage.name, kind="target" if stage.name in chain.made_by else "stage")
    for stage in chain.stages:
        for read in stage.inputs:
            graph.add_edges_from((start, stage.name) for start in read.made_by or [read.path] if start in graph)
    return graph


def _rows(graph: "nx.DiGraph[str]", layers: list[list[str]]) -> list[list[str]]:
    """Order within each layer: every box as near as can be to the middle of its neighbours, so that few lines cross."""
    rows = [list(layer) for layer in layers]
    for sweep in range(SWEEPS):
        middle = {name: row - (len(layer) - 1) / 2 for layer in rows for row, name in enumerate(layer)}
        forward = sweep % 2 == 0
        for index, layer in enumerate(rows):
            places = {}
            for name in layer:
                near = sorted(graph.predecessors(name) if forward else graph.successors(name))
                places[name] = sum(middle[one] for one in near) / len(near) if near else middle[name]
            rows[index] = sorted(layer, key=lambda name: (places[name], name))
    return rows


def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    left, right = (start[0] + BOX_WIDTH, start[1] + BOX_HEIGHT / 2), (end[0], end[1] + BOX_HEIGHT / 2)
    bend = max(GAP_X, (right[0] - left[0]) / 2)
    return (
        f"M{left[0]:g},{left[1]:g} C{left[0] + bend:g},{left[1]:g} {right[0] - bend:g},{right[1]:g} "
        f"{right[0]:g},{right[1]:g}"
    )


def _label(name: str) -> str:
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"


def _anchors(chain: Chain) -> dict[str, str]:
    """Ids of the parts of the page, by stage and source: names may have characters that ids may not."""
    names = [*(stage.name for stage in chain.stages), *(source.path for source in chain.sources)]
    return {name: f"part-{number}" for number, name in enumerate(names)}
