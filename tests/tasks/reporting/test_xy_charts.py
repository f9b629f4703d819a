"""Charts with values on both axes."""

from tasks.reporting.charts import Curve
from tasks.reporting.xy_charts import dose_response, scatter


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


def test_dose_has_a_legend_for_each_set() -> None:
    """Toxicity with a band and perplexity without stand beside each other, one legend for both."""
    curves = [Curve(name, [-5, 0], [0.3, 0.5], [0.2, 0.4], [0.4, 0.6]) for name in ("sources", "random neurons")]
    plain = [Curve(curve.label, curve.x, curve.y) for curve in curves]
    figure = dose_response(curves, plain)
    assert [len(axes.collections) for axes in figure.axes] == [2, 0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["sources", "random neurons"]
