"""Charts give the same bytes each time and touch nothing of the page around them."""

import re

from tasks.reporting.charts import Pair, to_png, to_svg
from tasks.reporting.row_charts import before_after

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
