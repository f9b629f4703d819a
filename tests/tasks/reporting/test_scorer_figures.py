"""The figure of validity: comparable panels, marks that mean something, nothing invented where there are no labels."""

from tasks.reporting.scorer_figures import Level, validity

ROWS = ["de German", "hi Hindi", "ru Russian"]
GOOD, POOR = Level(0.9, 0.85, 0.95, True), Level(0.4, 0.2, 0.6, False)


def test_panels_share_their_axis_and_hold_every_interval() -> None:
    """AUROC .2 to .95 by two scorers: one range for both, with chance and the threshold in sight."""
    figure = validity({"one": {"de German": GOOD}, "two": {"hi Hindi": POOR}}, ROWS, 0.7)
    left, right = figure.axes
    assert left.get_xlim() == right.get_xlim()
    assert left.get_xlim()[0] < 0.2 and left.get_xlim()[1] > 0.95
    assert [axes.get_title() for axes in (left, right)] == ["", ""]
    assert [axes.get_title(loc="left") for axes in (left, right)] == ["one", "two"]
    for axes in (left, right):
        assert [line.get_xdata()[0] for line in axes.lines[:2]] == [0.5, 0.7]


def test_a_mark_is_filled_where_valid_and_absent_without_labels() -> None:
    """German is valid, Hindi is not, Russian has no labels: a filled, a hollow and no mark, three rows."""
    (axes,) = validity({"one": {"de German": GOOD, "hi Hindi": POOR}}, ROWS, 0.7).axes
    marks = {line.get_ydata()[0]: line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "o"}
    assert set(marks) == {0, -1}
    assert marks[-1] == "white" and marks[0] != "white"
    assert [label.get_text() for label in axes.get_yticklabels()] == ROWS


def test_four_scorers_take_two_lines() -> None:
    """The two places that are left over stay empty."""
    figure = validity({name: {"de German": GOOD} for name in "abcd"}, ROWS, 0.7)
    assert len(figure.axes) == 6
    assert [axes.axison for axes in figure.axes] == [True] * 4 + [False] * 2
