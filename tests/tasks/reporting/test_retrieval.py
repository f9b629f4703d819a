"""Retrieval by layer: the table's numbers and the figure's panels."""

import pandas as pd

from tasks.reporting.retrieval import layer_figure, retrieval_table
from tasks.reporting.sourced import Sheet

LAYERS = Sheet(
    "layers.csv",
    ("language", "layer", "measure"),
    pd.DataFrame(
        [("de", layer, "p_at_1", value, value - 0.1, value + 0.1) for layer, value in ((1, 0.6), (0, 0.2))],
        columns=["language", "layer", "measure", "value", "low", "high"],
    ),
)


def test_the_table_has_both_measures() -> None:
    """P@1 in per cent, the cosine plain, each with its own best layer."""
    rows = [("de", "p_at_1", 0.6, 1, 0.4), ("de", "mean_cosine", 0.8, 0, 0.7)]
    frame = pd.DataFrame(rows, columns=["language", "measure", "best", "best_layer", "layer_mean"])
    table = retrieval_table(Sheet("languages.csv", ("language", "measure"), frame), ["de"])
    assert [str(cell) for cell in table.rows[0]] == ["de German", "60.0%", "1", "40.0%", "0.800", "0", "0.700"]
    assert sum(span for _, span in table.groups) == len(table.header)


def test_layers_are_drawn_in_order_with_the_best_one_marked() -> None:
    """The file has layer 1 first; the curve runs from 0 to 1, the dot is at (1, .6), chance at .05."""
    axes = layer_figure(LAYERS, {"de": 1}, ["de"], 0.05).axes[0]
    curve, dot, chance = axes.lines
    assert list(curve.get_xdata()) == [0, 1] and list(curve.get_ydata()) == [0.2, 0.6]
    assert (list(dot.get_xdata()), list(dot.get_ydata())) == ([1], [0.6])
    assert set(chance.get_ydata()) == {0.05}
    assert len(layer_figure(LAYERS, {"de": 1}, ["de"], None).axes[0].lines) == 2
