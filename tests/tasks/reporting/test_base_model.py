"""The base model's loss above its floor."""

import math

from tasks.reporting.base_model import excess, learning_table, learning_verdict, share_table
from tasks.reporting.sourced import Record, key_of

ROW = Record(
    {
        "language": "de",
        "corpus_share": 0.25,
        "tokens_per_document": 9.0,
        "loss_per_token": 1.5,
        "entropy_per_token": 1.2,
    },
    "learning.csv:language=de:",
)


def test_excess_is_loss_less_floor() -> None:
    """1.5 - 1.2 nats per token, which stands in no cell."""
    assert math.isclose(excess(ROW), 0.3) and key_of(excess(ROW)) == "learning.csv"


def test_the_sentence_names_best_and_worst() -> None:
    """German is .3 above the floor, Hindi .9."""
    assert "by 0.30 (German) to 0.90 (Hindi) nats" in str(learning_verdict({"hi": 0.9, "de": 0.3, "ru": 0.5}))


def test_tables_have_their_units() -> None:
    """Shares are in per cent, with more digits where nothing else is known."""
    assert [str(cell) for cell in learning_table([ROW]).rows[0]] == [
        "de German", "25.0%", "9.0", "1.200", "1.500", "+0.300",
    ]  # fmt: skip
    assert [str(cell) for cell in share_table([ROW]).rows[0]] == ["de German", "25.00%"]
