"""The parts of the page."""

from tasks.reporting.page import Gallery, Table, section, table_block
from tasks.reporting.row_charts import Pair, before_after


def test_a_section_has_all_sentences_before_its_blocks() -> None:
    """Two parts with a sentence and a block each keep their order."""
    first, second = table_block(Table("a", [""], [])), table_block(Table("b", [""], []), "words")
    made = section("name", "Title", [(["one"], [first]), (["two"], [second])])
    assert made.sentences == ["one", "two"] and made.blocks == [first, second]
    assert [block["kind"] for block in made.blocks] == ["table", "words"]


def test_a_figure_is_kept_and_names_its_file() -> None:
    """The block has the drawing, its caption and the file that the gallery writes."""
    gallery = Gallery("data/report/figures")
    figure = before_after([Pair("de", 0.5, 0.4)], "EMT")
    block = gallery.block({"emt": (figure, "the caption")}, "two")
    (drawing,) = block["drawings"]
    assert gallery.figures == {"emt": figure} and block["columns"] == "two"
    assert 'aria-label="the caption"' in drawing["svg"] and drawing["caption"] == "the caption"
    assert [part.key for part in drawing["file"].parts] == ["data/report/figures/emt.png"]
