"""Charts with a row per language, neuron or scorer."""

import math

import numpy as np

from tasks.reporting.charts import Pair
from tasks.reporting.row_charts import (
    Level,
    before_after,
    beside_chance,
    forest,
    shares,
    signed_before_after,
    validity_panels,
)

ROWS = [Pair("ar Arabic", 0.6, 0.2, (0.5, 0.7), (0.1, 0.3), (0.19, 0.21)), Pair("cs Czech", 0.4, 0.5)]


def test_languages_stand_in_the_order_given() -> None:
    """The first row is the topmost."""
    axes = before_after(ROWS, "EMT").axes[0]
    heights = {label.get_text(): tick for label, tick in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)}
    assert heights["ar Arabic"] > heights["cs Czech"]


def test_next_to_nothing_looks_like_it() -> None:
    """Shares of .1% and 0 are drawn on an axis to 5% at least, so that they do not look like all and nothing."""
    figure = before_after([Pair("ar", 0.001, 0.0)], "share", is_share=True)
    assert figure.axes[0].get_xlim() == (0, 0.05)


def test_groups_of_a_forest_are_named_by_words() -> None:
    """Colour and shape alone never say which is which."""
    figure = forest({"best layer": {"P@1": (0.5, 0.3, 0.7)}, "mean of layers": {"P@1": (0.4, 0.2, 0.6)}}, "r")
    assert [text.get_text() for text in figure.axes[0].texts] == ["best layer", "mean of layers"]


GOOD, POOR = Level(0.9, 0.85, 0.95, True), Level(0.4, 0.2, 0.6, False)
SCORED = ["de German", "hi Hindi", "ru Russian"]


def test_panels_share_their_axis_and_hold_every_interval() -> None:
    """AUROC .2 to .95 by two scorers: one range for both, with chance and the threshold in sight."""
    figure = validity_panels({"one": {"de German": GOOD}, "two": {"hi Hindi": POOR}}, SCORED, 0.7)
    left, right = figure.axes
    assert left.get_xlim() == right.get_xlim()
    assert left.get_xlim()[0] < 0.2 and left.get_xlim()[1] > 0.95
    assert [axes.get_title() for axes in (left, right)] == ["", ""]
    assert [axes.get_title(loc="left") for axes in (left, right)] == ["one", "two"]
    for axes in (left, right):
        assert [line.get_xdata()[0] for line in axes.lines[:2]] == [0.5, 0.7]


def test_a_mark_is_filled_where_valid_and_absent_without_labels() -> None:
    """German is valid, Hindi is not, Russian has no labels: a filled, a hollow and no mark, three rows."""
    (axes,) = validity_panels({"one": {"de German": GOOD, "hi Hindi": POOR}}, SCORED, 0.7).axes
    marks = {line.get_ydata()[0]: line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "o"}
    assert set(marks) == {0, -1}
    assert marks[-1] == "white" and marks[0] != "white"
    assert [label.get_text() for label in axes.get_yticklabels()] == SCORED


def test_four_scorers_take_two_lines() -> None:
    """The two places that are left over stay empty."""
    figure = validity_panels({name: {"de German": GOOD} for name in "abcd"}, SCORED, 0.7)
    assert len(figure.axes) == 6
    assert [axes.axison for axes in figure.axes] == [True] * 4 + [False] * 2


def test_values_below_zero_are_on_the_axis() -> None:
    """Mean activations may be negative: marks, intervals and seeds all lie within the axis, and so does 0."""
    rows = [Pair("de", -0.2, -0.6, (-0.3, -0.1), (-0.9, -0.5), (-1.2,)), Pair("mean", -0.1, -0.2)]
    left, right = signed_before_after(rows, "activation").axes[0].get_xlim()
    assert left < -1.2 and right >= 0
    positive = signed_before_after([Pair("de", 0.2, 0.6), Pair("mean", 0.1, 0.2)], "activation").axes[0]
    assert positive.get_xlim()[0] == 0


def test_shares_without_bound_do_not_hide_the_others() -> None:
    """A ratio to a small drop reaches from -40 to 90; the axis keeps 0 and 1 in sight."""
    rows = {"sources": (0.4, -40.0, 90.0), "random": (0.1, 0.0, 0.2), "none": (math.nan,) * 3}
    left, right = shares({"restore": rows}).axes[0].get_xlim()
    assert -2 <= left <= 0 and 1 <= right <= 2.5


def test_candidates_without_known_tokens_leave_a_gap() -> None:
    """Their row stays, in order, without a mark."""
    chance = {"a": (4.0, 3.0, 5.0), "b": (math.nan,) * 3}
    axes = beside_chance({"a": 2.0, "b": math.nan}, chance, ["a"]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert {float(y) for line in axes.lines for y in np.asarray(line.get_ydata())} == {0.0}
