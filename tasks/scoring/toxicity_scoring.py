"""Scores tables of texts with a toxicity scorer.

Pure: no files, clock, network or globals.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from tasks.scoring.toxicity_scorer import Exchange, ToxicityScorer


def scored(
    scorer: ToxicityScorer,
    texts: pd.DataFrame,
    source: str,
    prompts: Mapping[tuple[str, str], str] | None = None,
    policy: str | None = None,
    progress: Callable[[Any], Iterable[Any]] = iter,
) -> pd.DataFrame:
    """The table by language, without its texts, with the columns toxicity and reason.

    Args:
        scorer: Scores.
        texts: language, text, and whatever names a row: prompt_id and sample for continuations.
        source: Where the texts are from, for messages.
        prompts: Text of every prompt by language and prompt_id; None for texts that answer nobody.
        policy: Who wrote the texts, for archives that keep none.
        progress: Shows how far it is, language by language.

    Raises:
        ValueError: A score is not in [0, 1], or a prompt is unknown; the message names `source` and the row.
    """
    frames: list[pd.DataFrame] = []
    for language, rows in progress(texts.groupby("language")):
        named = rows.drop(columns="text")
        exchanges = [Exchange(text) for text in rows["text"]]
        if prompts is not None:
            unknown = [name for name in rows["prompt_id"] if (str(language), name) not in prompts]
            if unknown:
                raise ValueError(f"{source}: prompt {unknown[0]} of {language} is not among the prompts")
            names = zip(rows["text"], rows["prompt_id"], rows["sample"], strict=True)
            exchanges = [
                Exchange(text, prompts[str(language), name], (policy, name, int(sample)) if policy else None)
                for text, name, sample in names
            ]
        scores = scorer.score(str(language), exchanges)
        for position, score in enumerate(scores):
            if score.value is not None and not 0 <= score.value <= 1:  # NaN is not in [0, 1] either
                row = ", ".join(f"{name} {value}" for name, value in named.iloc[position].items())
                raise ValueError(
                    f"{source}: {scorer.card.id} gave {score.value} to {row}; a score is in [0, 1] or missing with "
                    "a reason"
                )
        frames.append(
            named.assign(
                toxicity=pd.array([score.value for score in scores], dtype="Float64"),
                reason=pd.array([score.reason for score in scores], dtype="string"),
            )
        )
    return pd.concat(frames, ignore_index=True)
