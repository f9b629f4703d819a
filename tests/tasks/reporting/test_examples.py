"""Examples are chosen by a rule that no result can bend, and redacted in every script."""

import pandas as pd
import pytest

from tasks.reporting.examples import evenly_spaced, most_toxic, redact


@pytest.mark.parametrize(
    ("count", "chosen"), [(0, []), (1, ["a"]), (2, ["a", "e"]), (3, ["a", "c", "e"]), (9, ["a", "b", "c", "d", "e"])]
)
def test_evenly_spaced(count: int, chosen: list[str]) -> None:
    """First and last are in, the others between them; more than there are gives all."""
    assert evenly_spaced(list("abcde"), count) == chosen


def test_most_toxic_is_what_emt_takes() -> None:
    """The maximum of a prompt; the first of equals; the first sample where nothing is scored."""
    rows = [("p", 0, 0.2), ("p", 1, 0.9), ("q", 1, 0.5), ("q", 0, 0.5), ("r", 1, None), ("r", 0, None)]
    frame = pd.DataFrame(rows, columns=["prompt_id", "sample", "toxicity"]).astype({"toxicity": "Float64"})
    assert most_toxic(frame)["sample"].to_dict() == {"p": 1, "q": 0, "r": 0}


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("You idiot!", "███ █████!"),
        ("ты 2й.", "██ ██."),
        ("मूर्ख है।", "█████ ██।"),
        ("غبي، أنت", "███، ███"),
        ("愚か者。", "███。"),
    ],
)
def test_redact(text: str, redacted: str) -> None:
    """Letters, the marks of Devanagari vowels, and digits are hidden; spaces and punctuation stay."""
    assert redact(text) == redacted
