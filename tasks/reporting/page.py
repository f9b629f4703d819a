"""What a chapter consists of, and the charts and tables that go into it; page.html.j2 sets them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from tasks.reporting.charts import Chart, to_svg
from tasks.reporting.wording import Text, cite


@dataclass(frozen=True)
class Table:
    """Rows of text under a header; the first cell of a row names it.

    Attributes:
        caption: One sentence: what it shows and what it does not.
        header: A title per column.
        rows: The cells.
        groups: Titles over several columns with their number of columns, all columns in order; may be empty.
        apart: How many of the last rows are means, set apart.
    """

    caption: str | Text
    header: Sequence[str]
    rows: Sequence[Sequence[str | Text]]
    groups: Sequence[tuple[str, int]] = ()
    apart: int = 0


@dataclass(frozen=True)
class Section:
    """A part of the page; each block says by its `kind` how the template sets it."""

    name: str
    title: str
    sentences: list[str | Text]
    blocks: list[dict[str, Any]]


Part = tuple[list[str | Text], list[dict[str, Any]]]  # sentences and blocks


def section(name: str, title: str, parts: Sequence[Part]) -> Section:
    """A section of several parts: first all their sentences, then their figures and tables."""
    sentences = [sentence for part, _ in parts for sentence in part]
    return Section(name, title, sentences, [block for _, part in parts for block in part])


@dataclass
class Gallery:
    """The figures put on the page so far, by name, and the folder that they will lie in."""

    folder: str
    figures: dict[str, Chart] = field(default_factory=dict)

    def block(self, drawn: Mapping[str, tuple[Chart, str | Text]], columns: str = "") -> dict[str, Any]:
        """A block of figures with their captions, `columns` (two, three) beside each other where there is room."""
        self.figures |= {name: figure for name, (figure, _) in drawn.items()}
        drawings = [
            {
                "svg": Markup(to_svg(figure, salt=name, description=str(caption))),
                "caption": caption,
                "file": cite(f"{name}.png", f"{self.folder}/{name}.png"),
            }
            for name, (figure, caption) in drawn.items()
        ]
        return {"kind": "figures", "columns": columns, "drawings": drawings}


def table_block(table: Table, kind: str = "table") -> dict[str, Any]:
    """A block of one table; `kind` is words where its cells are."""
    return {"kind": kind, "table": table}
