"""The chapter on the mechanism: figures that cut nothing off, text redacted, sentences that follow the tables."""

import math
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.reporting import mechanism_figures as draw
from tasks.reporting.figures import Curve, Pair
from tasks.reporting.mechanism_tables import GROUPS_CONTROL
from tasks.reporting.report_blocks import Gallery, Section
from tasks.reporting.report_mechanism import mechanism
from tasks.reporting.report_study import Study
from tasks.reporting.sourced import Record, Sheet

LANGUAGES = ["de", "en"]
EMPTY = Sheet("", (), pd.DataFrame())


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
        probe=sheet("probe", ("language",), probe),
        neurons=sheet("neurons", ("layer", "neuron"), neurons),
        tokens=Sheet("data/find_toxic_neurons/tokens.parquet", ("layer", "neuron", "place"), pd.DataFrame(tokens)),
        activations=sheet("activations", ("decoding", "measure", "language"), activations),
        doses=sheet("doses", ("neurons", "dose", "language"), [*dosed, unchanged | interval("toxicity", 0.5)]),
        explained=sheet("explained", ("policy", "way", "neurons", "language"), explained),
        validity=EMPTY,
        agreement=EMPTY,
        judges=Record({}, ""),
        mt5=None,
        trained_on=["en"],
        doubtful=[],
        unlabelled=[],
    )


def said(section: Section) -> str:
    return " ".join(str(sentence) for sentence in section.sentences)


def test_every_part_has_its_figure_with_a_caption() -> None:
    """Five figures, each with words on what it shows, and the tables beside them."""
    gallery = Gallery("figures")
    section = mechanism(study(0.4, 0.05), gallery, show_text=False)
    assert list(gallery.figures) == ["probe", "vectors", "activations", "doses", "explained-dpo-1"]
    drawings = [drawing for block in section.blocks if block["kind"] == "figures" for drawing in block["drawings"]]
    assert all(re.search(r"\bnot?\b", str(drawing["caption"])) for drawing in drawings)
    tables = [block["table"] for block in section.blocks if block["kind"] in ("table", "words")]
    assert [len(table.rows) for table in tables] == [2, 2, 2, 3, 4, 3]
    assert all(len(row) == len(table.header) for table in tables for row in table.rows)


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
    text = said(mechanism(study(sources, random, half=half), Gallery("figures"), show_text=False))
    assert "Restoring 2 of 1,024 neurons undoes" in text
    assert told in text


def test_no_drop_is_said() -> None:
    """Toxicity that rose from .5 to .7 leaves no drop to be explained."""
    text = said(mechanism(study(0.4, 0.05, tuned=0.7), Gallery("figures"), show_text=False))
    assert "0.500 to 0.700: no drop is to be explained" in text
    assert "undoes 40%" not in text


def test_lowest_dose_is_by_number_and_keeps_its_key() -> None:
    """-10 is below -5, though not as text; the row's key has the dose as the file writes it."""
    section = mechanism(study(0.4, 0.05, doses=("-10", "-5", "-2.5")), Gallery("figures"), show_text=False)
    (dose,) = (sentence for sentence in section.sentences if "At dose" in str(sentence))
    assert str(dose).startswith("At dose −10, the lowest")
    keys = [part.key for part in dose.parts if not isinstance(part, str)]
    assert "metrics/measure_mechanism/doses.csv:neurons=actual,dose=-10,language=mean:toxicity" in keys


@pytest.mark.parametrize("show_text", [False, True])
def test_tokens_are_shown_on_demand_only(show_text: bool) -> None:
    """A vector's tokens may be insults."""
    section = mechanism(study(0.4, 0.05), Gallery("figures"), show_text)
    cells = [str(cell) for block in section.blocks if block["kind"] == "words" for row in block["table"].rows
             for cell in row]  # fmt: skip
    assert any("zonko" in cell for cell in cells) == show_text


def test_values_below_zero_are_on_the_axis() -> None:
    """Mean activations may be negative: marks, intervals and seeds all lie within the axis, and so does 0."""
    rows = [Pair("de", -0.2, -0.6, (-0.3, -0.1), (-0.9, -0.5), (-1.2,)), Pair("mean", -0.1, -0.2)]
    left, right = draw.signed_before_after(rows, "activation").axes[0].get_xlim()
    assert left < -1.2 and right >= 0
    positive = draw.signed_before_after([Pair("de", 0.2, 0.6), Pair("mean", 0.1, 0.2)], "activation").axes[0]
    assert positive.get_xlim()[0] == 0


def test_shares_without_bound_do_not_hide_the_others() -> None:
    """A ratio to a small drop reaches from -40 to 90; the axis keeps 0 and 1 in sight."""
    rows = {"sources": (0.4, -40.0, 90.0), "random": (0.1, 0.0, 0.2), "none": (math.nan,) * 3}
    left, right = draw.shares({"restore": rows}).axes[0].get_xlim()
    assert -2 <= left <= 0 and 1 <= right <= 2.5


def test_candidates_without_known_tokens_leave_a_gap() -> None:
    """Their row stays, in order, without a mark."""
    chance = {"a": (4.0, 3.0, 5.0), "b": (math.nan,) * 3}
    axes = draw.beside_chance({"a": 2.0, "b": math.nan}, chance, ["a"]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert {float(y) for line in axes.lines for y in np.asarray(line.get_ydata())} == {0.0}


def test_dose_has_a_legend_for_each_set() -> None:
    """Toxicity with a band and perplexity without stand beside each other, one legend for both."""
    curves = [Curve(name, [-5, 0], [0.3, 0.5], [0.2, 0.4], [0.4, 0.6]) for name in ("sources", "random neurons")]
    plain = [Curve(curve.label, curve.x, curve.y) for curve in curves]
    figure = draw.dose_response(curves, plain)
    assert [len(axes.collections) for axes in figure.axes] == [2, 0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["sources", "random neurons"]
