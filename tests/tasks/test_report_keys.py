"""Every number of the page that comes from the study says from where, and the place has that number."""

import json
import re
import shlex
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

# Figures have words in their axes, parameters and generated text are quoted, and a row's name names.
QUOTED = {"svg", "pre", "style", "script", "title", "th", "nav"}
VOID = {"meta", "link", "br"}
IN_POINTS = re.compile(r"metric=toxprob,.*:change|:loo_error")  # shown as percentage points, without a unit
REDUCTION = re.compile(r"a relative reduction of (\S+ against )?$")  # what follows has the opposite sign of its key
# Digits in sentences that come from no result: parameters, names, references and constants of the rules.
NO_RESULTS = (
    r"P@1", r"95%", r"α = 0\.05", r"with 2 seeds", r"GPT-2", r"2024, Table 2", r"its Table 2", r"Table 2, and",
    r"\(0: the embeddings\)",
    r"counted as 0", r"interval includes 0", r"by 10 percentage points", r"Seed [12]:", r"5 English prompts",
    r"Prompt w\d+", r"\(dpo-1\)", r"git log -1", r"mGPT 1\.3B", r"Bach 2024", r"et al\. 2024", r"mT5-XL",
    r"; there \d+\)", r"prompt \(5", r"p < \.01", r"\(17 languages", r"(above|one at) 0\.70", r"chance is \.50",
)  # fmt: skip


@dataclass
class Chunk:
    """Text between two tags, with the names and classes of the elements it is in and the key that it carries."""

    text: str
    inside: list[str]
    key: str = ""
    title: str = ""


@dataclass
class Page(HTMLParser):
    """The text of a page, piece by piece."""

    chunks: list[Chunk] = field(default_factory=list)
    open: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append((tag, {name: value or "" for name, value in attributes}))

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """An SVG mark has no text."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, text: str) -> None:
        names = [name for tag, given in self.open for name in (tag, *given.get("class", "").split())]
        last = self.open[-1][1] if self.open else {}
        if text.strip():
            self.chunks.append(Chunk(text, names, last.get("data-why", ""), last.get("title", "")))

    def read(self, *within: str) -> list[Chunk]:
        """What is read in such elements, quotations apart."""
        return [chunk for chunk in self.chunks if set(within) <= set(chunk.inside) and not QUOTED & set(chunk.inside)]


@pytest.fixture
def page(study) -> Page:
    """The report of the shrunken study, in the study's folder."""
    parsed = Page()
    parsed.feed(Path("data/report/report.html").read_text(encoding="utf-8"))
    assert parsed.open == []
    return parsed


def value_at(key: str) -> Any:
    """What a key stands for, found with pandas and json alone; None for a whole file."""
    path, *place = key.split(":")
    assert Path(path).is_file(), key
    if not place:
        return None
    if path.endswith(".json"):
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        for name in place[0].split("."):
            found = found[name]
        return found
    rows, column = place
    read = pd.read_parquet if path.endswith(".parquet") else pd.read_csv
    table = read(path)
    for condition in rows.split(","):
        name, _, wanted = condition.partition("=")
        table = table[table[name].astype(str) == wanted]
    assert len(table) == 1, key
    return table.iloc[0][column]


def is_shown(key: str, value: Any, words: str, is_reduction: bool = False) -> bool:
    """Whether the words are the value, rounded to as many decimals as they have."""
    if isinstance(value, str):
        return words == value
    plain = words.replace("−", "-").replace(",", "").removeprefix("+")
    if plain == "< 0.0001":
        return float(value) < 1e-4
    digits = len(plain.removesuffix("%").partition(".")[2])
    scales = [100 if plain.endswith("%") or IN_POINTS.search(key) else 1]
    if is_reduction:  # "a reduction of 77%"
        scales = [-100]
    number = float(plain.removesuffix("%"))
    return any(float(f"{scale * float(value):.{digits}f}") == number for scale in scales)


@pytest.mark.parametrize(
    ("value", "words", "is_reduction", "shown"),
    [
        (-0.77, "−77%", False, True),
        (-0.77, "77%", False, False),
        (-0.77, "+77%", False, False),
        (-0.77, "77%", True, True),
        (0.77, "77%", True, False),
        (0.0005, "< 0.0001", False, False),
    ],
)
def test_a_wrong_sign_is_noticed(value: float, words: str, is_reduction: bool, shown: bool) -> None:
    """Only what is called a reduction has the opposite sign of the change in the file."""
    assert is_shown("a.csv:x=1:relative_change", value, words, is_reduction) == shown


def test_every_key_has_the_number_that_is_shown(page: Page) -> None:
    """Of the page's keys, most name one value, and the words are that value, rounded; the others name a file."""
    cited = [chunk for chunk in page.chunks if chunk.key]
    values = [value_at(chunk.key) for chunk in cited]
    text = [chunk.text for chunk in page.chunks]
    reductions = {n for n in range(2, len(text)) if REDUCTION.search("".join(text[max(0, n - 3) : n]))}
    is_reduction = {id(chunk): n in reductions for n, chunk in enumerate(page.chunks)}
    direct = [(chunk, value) for chunk, value in zip(cited, values, strict=True) if value is not None]
    wrong = [(c.text, c.key, value) for c, value in direct if not is_shown(c.key, value, c.text, is_reduction[id(c)])]
    assert wrong == []
    assert len(direct) >= 500
    assert len(cited) - len(direct) >= 30
    assert {chunk.key.partition(":")[0] for chunk, _ in direct} >= {
        "metrics/measure_transfer/languages.csv", "metrics/measure_transfer/side_effects.csv",
        "metrics/measure_transfer/summary.json", "metrics/measure_transfer/predictors.csv",
        "metrics/measure_retrieval/languages.csv", "data/prepare_model/learning.csv", "data/prepare_pairs/drops.json",
        "data/train_dpo/1/run.json", "data/train_dpo/1/curves.csv", "data/score_toxicity/base/scores.parquet",
        "data/score_toxicity/dpo-1/scorer.json",
    }  # fmt: skip


def test_every_table_cell_with_a_digit_has_a_key(page: Page) -> None:
    """The paper's, too, which stand in a module of their own; but for the path of the policy."""
    cells = page.read("td")
    assert sum(bool(chunk.key) for chunk in cells) >= 500
    paper = {chunk.text for chunk in cells if chunk.key == "tasks/reporting/published.py"}
    assert {"0.502", "0.157", "46.8%", "3.9%", "18.74", "23.68", "0.841", "0.845", "+0.59", "0.016"} <= paper
    uncited = [chunk.text.strip() for chunk in cells if not chunk.key and re.search(r"\d", chunk.text)]
    assert uncited == [f"models/train_dpo/{seed}: seed" for seed in (1, 2)]


def test_every_number_in_a_sentence_has_a_key(page: Page) -> None:
    """What is left without one are parameters, names and constants; generated text is blocks."""
    sentences = [chunk for chunk in page.read("main") if "td" not in chunk.inside]
    assert sum(bool(chunk.key) for chunk in sentences) >= 60
    text = "".join(" … " if chunk.key else chunk.text for chunk in sentences)
    for known in NO_RESULTS:
        text = re.sub(known, "", text)
    assert re.findall(r".{0,40}\d.{0,20}", text) == []


def test_every_figure_names_its_file(page: Page) -> None:
    """The caption's last word is the file, which can be asked about, too."""
    files = {chunk.key for chunk in page.chunks if "file" in chunk.inside and chunk.key}
    assert files == {path.as_posix() for path in Path("data/report/figures").glob("*.png")}
    assert len(files) >= 15


def test_a_reader_without_javascript_sees_the_command(page: Page) -> None:
    """It is the title of the number, to be read when pointing at it."""
    titles = {(chunk.key, chunk.title) for chunk in page.chunks if chunk.key}
    assert [(key, title) for key, title in titles if title != f"polydetox why {shlex.quote(key)}"] == []


def test_keys_disclose_no_text(page: Page) -> None:
    """Redaction holds: no word of a prompt or continuation is on the page, in its keys or elsewhere."""
    shown = [chunk.text for chunk in page.read("redacted")]
    assert len(shown) == 15  # five prompts, each with two continuations
    assert not re.search(r"\w", "".join(text for text in shown if text != "(empty)"))
    columns = {chunk.key.rpartition(":")[2] for chunk in page.chunks if ".parquet:" in chunk.key}
    assert columns == {"toxicity"}
