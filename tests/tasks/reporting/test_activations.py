"""Activations and doses: the word follows the interval."""

import math

import pytest

from tasks.reporting.activations import activation_table, activation_verdict, dose_verdict
from tasks.reporting.page import Table
from tasks.reporting.wording import say


def _words(table: Table) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in table.rows]


def test_activation_table_sets_the_mean_apart() -> None:
    """Values below 0 keep their sign; the mean over the others is the last row."""
    row = {"before": -0.1, "after": -0.3, "change": -0.2, "change_low": -0.3, "change_high": -0.1}
    table = activation_table({"de": row, "others": row})
    assert _words(table)[1] == ["mean of the others", "−0.100", "−0.300", "−0.200 [−0.300, −0.100]"]
    assert table.apart == 1


def interval(name: str, value: float, low: float, high: float) -> dict[str, float]:
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def test_each_control_of_the_dose_has_its_own_verdict() -> None:
    """-.2 with an interval below 0 is beyond; one that includes 0 is not; one above 0 is against the sources."""

    def less(value: float, low: float, high: float) -> dict[str, float]:
        return interval("sources_less_control", value, low, high)

    controls = {
        "random neurons": less(-0.2, -0.3, -0.1),
        "matched neurons": less(-0.05, -0.1, 0.02),
        "a random direction": less(0.1, 0.05, 0.2),
    }
    sources = {"toxicity": 0.3, "perplexity": 4.0, **interval("change", -0.2, -0.3, -0.1)}
    before = {"toxicity": 0.5, "perplexity": 3.5}
    sentence = str(dose_verdict(say("−5"), before, sources, controls))
    assert "goes from 0.500 to 0.300 (change −0.200 [−0.300, −0.100]), perplexity from 3.50 to 4.00." in sentence
    assert "under random neurons: −0.200 [−0.300, −0.100], beyond this control." in sentence
    assert "under matched neurons: −0.050 [−0.100, +0.020], not beyond this control, since" in sentence
    assert "under a random direction: +0.100 [+0.050, +0.200], the other way" in sentence


NAN = math.nan


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((-0.1, -0.2, -0.05), "falls"),
        ((0.1, 0.05, 0.2), "rises"),
        ((-0.1, -0.2, 0.05), "does not measurably change"),
        ((NAN, NAN, NAN), "does not measurably change"),
    ],
)
def test_activation(change: tuple[float, float, float], said: str) -> None:
    """The word follows the interval, not the estimate."""
    row = {"before": -0.1, "after": -0.2, **interval("change", *change)}
    assert str(activation_verdict("It", "here", row)).startswith(f"It here {said}, from −0.100 to −0.200")
