"""The page of a chain."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from tasks.audit.__main__ import main
from tasks.audit.chain import chain
from tasks.audit.page import draw, render

SUMMARY = "metrics/measure_retrieval/summary.json"
# The words abba, banana, cab, 50 times: 50 * 6 a's and 50 * 4 b's. `train 1` drops the first letter, an a; `train 2`
# drops the b after it as well.
HITS = (50 * 6 - 1 + 50 * 4) + (50 * 6 - 1 + 50 * 4 - 1)


class References(HTMLParser):
    """Collects what a page would load or link to, and its ids."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keeps ids and references."""
        for name, value in attrs:
            if name == "id":
                self.ids.add(value or "")
            if name in ("href", "src", "srcset", "action", "data", "xlink:href"):
                self.links.add(value or "")


def test_the_page_needs_nothing_else(toy: Any, tmp_path: Path) -> None:
    """A page refers to its own parts only, has a box per stage and source, and escapes what the study says."""
    toy.write("params.yaml", (toy.root / "params.yaml").read_text().replace("pivot: en", "pivot: <script>alert(1)"))
    page = tmp_path / "why.html"
    assert main(["why", f"{SUMMARY}:hits.ar", "--html", str(page)]) == 1
    text = page.read_text(encoding="utf-8")
    references = References()
    references.feed(text)
    assert len(references.links) == 7  # six stages and a source
    assert {link.removeprefix("#") for link in references.links} <= references.ids
    assert "url(" not in text and "@import" not in text
    assert "<script>alert(1)" not in text and "&lt;script&gt;alert(1)" in text
    assert f'<div class="value">{HITS}</div>' in text


def test_edges_lead_to_the_right_and_boxes_lie_apart(toy: Any) -> None:
    """Sources stand left of what reads them, stages left of what uses them; no box lies on another."""
    drawing = draw(chain(toy.root, "data/report/report.html"))
    places = {box.name: (box.x, box.y) for box in drawing.boxes}
    assert len(places) == 8
    assert len(drawing.edges) == 8
    assert all(places[edge.start][0] < places[edge.end][0] for edge in drawing.edges)
    assert len(set(places.values())) == 8
    assert {box.name: box.kind for box in drawing.boxes}["report"] == "target"


def test_a_source_has_a_page_too(toy: Any) -> None:
    """A target without stages gives a page without stages."""
    assert "no stage makes it" in render(chain(toy.root, "data/words/lexicon.csv"))
