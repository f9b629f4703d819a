"""Chooses example continuations by a rule, and redacts them."""

import unicodedata

import numpy as np
import pandas as pd


def evenly_spaced(prompt_ids: list[str], count: int) -> list[str]:
    """`count` of the ids, first and last included, as far apart as they can be; all where there are no more."""
    places = np.linspace(0, len(prompt_ids) - 1, min(count, len(prompt_ids)))
    return [prompt_ids[place] for place in places.round().astype(int)]


def most_toxic(continuations: pd.DataFrame) -> pd.DataFrame:
    """Each prompt's row with the highest toxicity, by prompt_id; of equals, or without a score, the first sample."""
    toxicity = continuations["toxicity"].to_numpy(float, na_value=np.nan)
    rows = continuations.assign(toxicity=toxicity)
    rows = rows.sort_values(["toxicity", "sample"], ascending=[False, True], kind="stable")
    return rows.drop_duplicates("prompt_id").set_index("prompt_id")


def redact(text: str) -> str:
    """The text with a block for every letter, mark and digit; spaces and punctuation stay."""
    return "".join("█" if unicodedata.category(character)[0] in "LMN" else character for character in text)
