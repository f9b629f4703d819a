"""The chapters on the mechanism: each has its chart, and sentences follow the tables."""

import math
import re
from typing import Any

import pandas as pd
import pytest

from tasks.reporting import activations, explained, toxic_vectors
from tasks.reporting.explained import GROUPS_CONTROL
from tasks.reporting.page import Gallery, Section, section
from tasks.reporting.sourced import Record, Sheet
from tasks.reporting.study import Mechanism, Scoring, Study

EMPTY = Sheet("", (), pd.DataFrame())
LANGUAGES = ["de", "en"]


def interval(name: str, value: float, half: float = 0.05) -> dict[str, float]:
    return {name: value, f"{name}_low": value - half, f"{name}_high": value + half}


def sheet(name: str, key: tuple[str, ...], rows: list[dict[str, Any]]) -> Sheet:
    return Sheet(f"metrics/measure_mechanism/{name}.csv", key, pd.DataFrame(rows))


def study(
    sources: float, random: float, tuned: float = 0.1, doses: tuple[str, ...] = ("-5", "-2.5", "2"), half: float = 0.05
) -> Study:
    """Toxicity .5 before tuning; `sources` and `random` are the shares of the drop, plus and minus `half`."""
    probe = [
        {"language": language, "texts": 20, "toxic": 8, **interval("auroc", 0.8), "average_precision": 0.7, "f1": 0.6,
         "accuracy": 0.7, "majority": 0.6}
        for language in LANGUAGES
    ]  # fmt: skip
    neurons = [
        {"layer": 1, "neuron": neuron, "actual": neuron < 2, "cosine": 0.3, "activation": 0.1, "languages": 2.0,
         "languages_by_chance": 4.0, "chance_low": 3.0, "chance_high": 5.0, "p_fewer": 0.01, "p_more": 1.0}
        for neuron in range(3)
    ]  # fmt: skip
    tokens = [
        {"layer": 1, "neuron": neuron, "place": place, "text": f"zonko{neuron}", "language": "en"}
        for neuron in range(3)
        for place in (1, 2)
    ]
    activations = [
        {"decoding": decoding, "measure": measure, "language": language, "after_by_seed": "-0.6",
         **interval("before", -0.2), **interval("after", -0.6), **interval("change", -0.4)}
        for decoding in ("greedy", "sampled")
        for measure in ("activation", "key_product")
        for language in (*LANGUAGES, "others")
    ]  # fmt: skip
    dosed = [
        {"neurons": neurons, "dose": dose, "language": "mean", "perplexity": 4.0, **interval("toxicity", 0.3),
         **interval("change", -0.2), **interval("sources_less_control", -0.2)}
        for neurons in ("actual", "random", "matched", "direction")
        for dose in doses
    ]  # fmt: skip
    unchanged = {"neurons": "unchanged", "dose": "0", "language": "mean", "perplexity": 3.5}
    shares = {"actual": sources, "random": random, "unchanged": 0.0, GROUPS_CONTROL: 0.1, "all neurons": 0.9}
    explained = [
        {"policy": "dpo-1", "way": way, "neurons": name, "count": {"all neurons": 1024}.get(name, 2),
         "language": language, "perplexity": 3.5, "toxicity": tuned if way == "restore" else 0.5,
         **interval("share", share, half), **interval("less_control", share - random, half),
         **interval("less_matched", math.nan)}
        for way in ("restore", "impose")
        for name, share in shares.items()
        for language in (*LANGUAGES, "mean")
    ]  # fmt: skip
    return Study(
        params={
            "measure_transfer": {"source": "en", "confidence": 0.9},
            "measure_mechanism": {"source": "en", "confidence": 0.95},
            "find_toxic_neurons": {"source": "en"},
        },
        base="base",
        policies={"base": "models/base", "dpo-1": "models/1"},
        languages=EMPTY,
        side_effects=EMPTY,
        means=Record({}, ""),
        predictors=EMPTY,
        points=EMPTY,
        layers=EMPTY,
        retrieval=EMPTY,
        learning=EMPTY,
        prompts=EMPTY,
        pairs=Record({}, ""),
        scorers={},
        missing={},
        runs={"dpo-1": Record({}, "")},
        curves={},
        examples={},
        continuations={},
        mt5=None,
        trained_on=["en"],
        mechanism=Mechanism(
            probe=sheet("probe", ("language",), probe),
            neurons=sheet("neurons", ("layer", "neuron"), neurons),
            tokens=Sheet("data/find_toxic_neurons/tokens.parquet", ("layer", "neuron", "place"), pd.DataFrame(tokens)),
            activations=sheet("activations", ("decoding", "measure", "language"), activations),
            doses=sheet("doses", ("neurons", "dose", "language"), [*dosed, unchanged | interval("toxicity", 0.5)]),
            explained=sheet("explained", ("policy", "way", "neurons", "language"), explained),
        ),
        scoring=Scoring(validity=EMPTY, agreement=EMPTY, judges=Record({}, ""), doubtful=[], unlabelled=[]),
    )


def test_every_part_has_its_figure_with_a_caption() -> None:
    """Five figures, each with words on what it shows, and the tables beside them."""
    gallery = Gallery("figures")
    section = chapter(study(0.4, 0.05), gallery, show_text=False)
    assert list(gallery.figures) == ["probe", "vectors", "activations", "doses", "explained-dpo-1"]
    drawings = [drawing for block in section.blocks if block["kind"] == "figures" for drawing in block["drawings"]]
    assert all(re.search(r"\bnot?\b", str(drawing["caption"])) for drawing in drawings)
    tables = [block["table"] for block in section.blocks if block["kind"] in ("table", "words")]
    assert [len(table.rows) for table in tables] == [2, 2, 2, 3, 4, 3]
    assert all(len(row) == len(table.header) for table in tables for row in table.rows)


def chapter(found: Study, gallery: Gallery, show_text: bool) -> Section:
    """The three chapters on the mechanism in one."""
    chapters = [
        toxic_vectors.chapter(found, gallery, show_text),
        activations.chapter(found, gallery),
        explained.chapter(found, gallery),
    ]
    return section("mechanism", "", [(one.sentences, one.blocks) for one in chapters])


def said(section: Section) -> str:
    return " ".join(str(sentence) for sentence in section.sentences)


@pytest.mark.parametrize(
    ("sources", "random", "half", "told"),
    [
        (0.4, 0.05, 0.05, "the difference +35% [+30%, +40%] is beyond chance"),
        (0.4, 0.05, 0.5, "the difference +35% [−15%, +85%] is not beyond chance"),
        (math.nan, 0.05, 0.05, "is beyond chance cannot be said"),
    ],
)
def test_verdict_follows_the_table(sources: float, random: float, half: float, told: str) -> None:
    """The sentence on restoring is that of the row of the mean over languages, with as many neurons as it names."""
    text = said(chapter(study(sources, random, half=half), Gallery("figures"), show_text=False))
    assert "Restoring 2 of 1,024 neurons undoes" in text
    assert told in text


def test_no_drop_is_said() -> None:
    """Toxicity that rose from .5 to .7 leaves no drop to be explained."""
    text = said(chapter(study(0.4, 0.05, tuned=0.7), Gallery("figures"), show_text=False))
    assert "0.500 to 0.700: no drop to explain" in text
    assert "undoes 40%" not in text


def test_lowest_dose_is_by_number_and_keeps_its_key() -> None:
    """-10 is below -5, though not as text; the row's key has the dose as the file writes it."""
    section = chapter(study(0.4, 0.05, doses=("-10", "-5", "-2.5")), Gallery("figures"), show_text=False)
    (dose,) = (sentence for sentence in section.sentences if "At dose" in str(sentence))
    assert str(dose).startswith("At dose −10, the lowest")
    keys = [part.key for part in dose.parts if not isinstance(part, str)]
    assert "metrics/measure_mechanism/doses.csv:neurons=actual,dose=-10,language=mean:toxicity" in keys


@pytest.mark.parametrize("show_text", [False, True])
def test_tokens_are_shown_on_demand_only(show_text: bool) -> None:
    """A vector's tokens may be insults."""
    section = chapter(study(0.4, 0.05), Gallery("figures"), show_text)
    cells = [str(cell) for block in section.blocks if block["kind"] == "words" for row in block["table"].rows
             for cell in row]  # fmt: skip
    assert any("zonko" in cell for cell in cells) == show_text
