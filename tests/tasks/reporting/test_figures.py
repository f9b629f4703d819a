"""Figures: the same bytes each time, readable labels, nothing that touches the page around them."""

import re

from tasks.reporting.figures import Pair, before_after, forest, scatter, to_png, to_svg

ROWS = [Pair("ar Arabic", 0.6, 0.2, (0.5, 0.7), (0.1, 0.3), (0.19, 0.21)), Pair("cs Czech", 0.4, 0.5)]


def test_same_values_give_the_same_bytes() -> None:
    """Neither the clock nor a counter gets into a figure."""
    first, second = before_after(ROWS, "EMT"), before_after(ROWS, "EMT")
    assert to_svg(first, "a", "") == to_svg(second, "a", "")
    assert to_png(first) == to_png(second)


def test_svg_can_stand_in_html_beside_others() -> None:
    """Ids depend on the salt; no style sheet leaks; the description is escaped; words stay words."""
    figure = before_after(ROWS, "EMT")
    ids = [set(re.findall(r' id="([^"]+)"', to_svg(figure, salt, ""))) for salt in ("a", "b")]
    assert ids[0] and not ids[0] & ids[1]
    svg = to_svg(figure, "a", 'less than "<5%"')
    assert 'aria-label="less than &quot;&lt;5%&quot;"' in svg
    assert "<style" not in svg and "http" not in svg
    assert ">ar Arabic</text>" in svg and ">EMT</text>" in svg


def test_languages_stand_in_the_order_given() -> None:
    """The first row is the topmost."""
    axes = before_after(ROWS, "EMT").axes[0]
    heights = {label.get_text(): tick for label, tick in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)}
    assert heights["ar Arabic"] > heights["cs Czech"]


def test_next_to_nothing_looks_like_it() -> None:
    """Shares of .1% and 0 are drawn on an axis to 5% at least, so that they do not look like all and nothing."""
    figure = before_after([Pair("ar", 0.001, 0.0)], "share", is_share=True)
    assert figure.axes[0].get_xlim() == (0, 0.05)


def test_labels_of_close_points_do_not_meet() -> None:
    """Three points within a label's width of each other get labels that do not overlap."""
    figure = scatter([0.50, 0.51, 0.9], [0.50, 0.505, 0.1], ["Portuguese", "Indonesian", "Dutch"], "x", "y")
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 3
    assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[n + 1 :])


def test_a_constant_measure_has_no_line() -> None:
    """No slope can be fitted to one value of x, and drawing goes on without."""
    figure = scatter([0.5, 0.5], [0.1, 0.2], ["a", "b"], "x", "y")
    assert [len(line.get_xdata()) for line in figure.axes[0].lines if line.get_marker() == "None"] == [
        2
    ]  # the zero line


def test_groups_of_a_forest_are_named_by_words() -> None:
    """Colour and shape alone never say which is which."""
    figure = forest({"best layer": {"P@1": (0.5, 0.3, 0.7)}, "mean of layers": {"P@1": (0.4, 0.2, 0.6)}}, "r")
    assert [text.get_text() for text in figure.axes[0].texts] == ["best layer", "mean of layers"]
