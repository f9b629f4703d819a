"""What a change and a row of validity mean."""

import math

import pytest

from tasks.reporting.sourced import Record
from tasks.reporting.study import Change, is_known, is_valid


@pytest.mark.parametrize(
    ("low", "high", "direction"), [(-0.2, -0.1, -1), (-0.2, 0.0, 0), (-0.2, 0.1, 0), (0.0, 0.2, 0), (0.1, 0.2, 1)]
)
def test_a_direction_needs_an_interval_beside_0(low: float, high: float, direction: int) -> None:
    """An interval that touches 0 includes it; the estimate does not matter."""
    assert Change(0.5, 0.4, -0.1, low, high, -0.2).direction == direction


@pytest.mark.parametrize(
    ("value", "valid"), [(True, True), (1.0, True), (False, False), (None, False), (math.nan, False)]
)
def test_validity_is_shown_or_not(value: object, valid: bool) -> None:
    """Unknown is not valid, in whichever form a table has it."""
    assert is_valid(Record({"valid": value}, "")) is valid
    assert is_known(Record({"auroc": 0.5}, "")) and not is_known(Record({"auroc": None}, ""))
