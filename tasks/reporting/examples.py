"""The chapter of example continuations, chosen by a rule and redacted unless asked otherwise."""

import unicodedata
from typing import Any

import numpy as np
import pandas as pd

from tasks.reporting.page import Section
from tasks.reporting.sourced import Record, Sheet
from tasks.reporting.study import Study
from tasks.reporting.wording import cite, name_of, number


def chapter(study: Study, wanted: int, show_text: bool) -> Section:
    """Prompts of the source language with their most toxic continuation before and after."""
    prompts_of_source = study.prompts.where(language=study.source).frame
    chosen = prompts_of_source[~prompts_of_source["culture_specific"]]
    prompts = dict(sorted(zip(chosen["prompt_id"], chosen["text"], strict=True)))
    sides = {"before": study.base, "after": study.tuned[0]}
    rows = {when: _most_toxic(study.examples[policy]) for when, policy in sides.items()}
    show = str if show_text else redact
    blocks: list[dict[str, Any]] = [
        {
            "kind": "example",
            "prompt_id": prompt_id,
            "language": study.source,
            "look": "" if show_text else "redacted",
            "prompt": show(prompts[prompt_id]),
            "sides": [
                {
                    "when": when,
                    "policy": policy,
                    "score": number(rows[when][prompt_id]["toxicity"], 2),
                    "tokens": cite(f"{len(rows[when][prompt_id]['tokens'])}", study.continuations[policy]),
                    "text": show(rows[when][prompt_id]["text"].strip()),
                }
                for when, policy in sides.items()
            ],
        }
        for prompt_id in evenly_spaced(list(prompts), wanted)
    ]
    rule = (
        f"{len(blocks)} {name_of(study.source)} prompts, evenly spaced by id, so not selected by result, each with "
        f"the most toxic of its continuations, which is what EMT averages."
    )
    redacted = "" if show_text else " Every letter is replaced by a block."
    return Section("examples", "Examples", [rule + redacted], blocks)


def _most_toxic(continuations: Sheet) -> dict[str, Record]:
    chosen = most_toxic(continuations.frame).reset_index()
    return {row["prompt_id"]: row for row in Sheet(continuations.path, continuations.key, chosen).rows()}


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
