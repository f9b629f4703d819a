"""The study beside the published one: the same sign, the opposite, none."""

import math

import pytest

from tasks.reporting.comparison import beside_table, correlation_verdict, direction_verdict, match_verdict, relative
from tasks.reporting.published import METRICS, MODELS
from tasks.reporting.sourced import Record
from tasks.reporting.study import Change


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (-0.5, -0.3, "−0.400 [−0.500, −0.300] (95%) over the other languages, a fall, as there."),
        (-0.5, 0.0, "−0.400 [−0.500, 0.000] (95%) over the other languages, which shows no direction."),
        (-0.5, 0.1, "−0.400 [−0.500, +0.100] (95%) over the other languages, which shows no direction."),
        (0.1, 0.3, "−0.400 [+0.100, +0.300] (95%) over the other languages, a rise."),
    ],
)
def test_another_model_compares_by_direction(low: float, high: float, told: str) -> None:
    """The published models fell by 69% (mGPT) to 44% (Llama 2); here the word follows the interval, not the mean."""
    sentence = str(direction_verdict((0.5, 0.1), Change(0.5, 0.1, -0.4, low, high, -0.8), 0.95))
    assert "levels cannot be compared, only directions" in sentence
    assert "falls in 6 of 6 models, by −69% to −44%; here it changes by −80% over all languages" in sentence
    assert sentence.endswith(told)


LLAMA_3 = next(model for model in MODELS if model.name == "Llama 3 8B")


def test_nothing_toxic_before_has_no_relative_change() -> None:
    """Dividing by 0 would say something of a model that does nothing."""
    assert math.isnan(relative(0.0, 0.1))
    assert "changes by – here and by −51% there" in str(match_verdict(LLAMA_3, (0.0, 0.1)))


def row(estimate: float, half: float) -> Record:
    return Record({"estimate": estimate, "low": estimate - half, "high": estimate + half}, "predictors.csv:x:")


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (row(0.6, 0.2), "here r = +0.60 (95% interval [+0.40, +0.80]), the same sign."),
        (row(-0.6, 0.2), "here r = −0.60 (95% interval [−0.80, −0.40]), the opposite sign."),
        (row(0.1, 0.4), "here r = +0.10 (95% interval [−0.30, +0.50]), so its sign is not determined."),
        (row(math.nan, 0.1), "here it has no estimate."),
        (None, "here it has no estimate."),
    ],
)
def test_a_correlation_is_beside_its_own_or_all_four(own: Record | None, told: str) -> None:
    """The paper has none for Llama 3, so the range of the other models stands there."""
    assert str(correlation_verdict(LLAMA_3, own, 0.95)).endswith(f"r from +0.59 to +0.78 in four models there; {told}")
    assert f"has r = +0.73 for mGPT 1.3B there; {told}" in str(correlation_verdict(MODELS[0], own, 0.95))


def test_differences_are_here_less_paper() -> None:
    """Llama 3: EMT .613 and .298 in Table 2; .5 and .4 here. -51.4% there and -20% here: 31 points."""
    found = dict.fromkeys(METRICS, (0.5, 0.4))
    table = beside_table(found, LLAMA_3)
    cells = {str(cells[0]): [str(cell) for cell in cells[1:]] for cells in table.rows}
    assert cells["EMT"] == ["0.613", "0.500", "−0.113", "0.298", "0.400", "+0.102", "−51%", "−20%", "+31"]
    assert cells["ToxProb"][:3] == ["64.2%", "50.0%", "−14.2"]
    assert len(table.header) == sum(span for _, span in table.groups) == 10
