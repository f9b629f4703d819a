"""Chooses a toxicity scorer and scores tables of continuations with it."""

from collections.abc import Callable, Iterable
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, Field

from tasks.engines import mini_world_source
from tasks.engines.toxicity_scorer import LexiconScorer, ToxicityScorer


class ScorerChoice(BaseModel, frozen=True, extra="forbid"):
    """Which scorer judges."""

    kind: Literal["lexicon"] = Field(description="lexicon: insults of the mini world and their severity")


def scorer_of(choice: ScorerChoice) -> ToxicityScorer:
    """The chosen scorer."""
    assert choice.kind == "lexicon"
    return LexiconScorer(mini_world_source.load()[0], mini_world_source.revision())


def scored(
    scorer: ToxicityScorer,
    continuations: pd.DataFrame,
    source: str,
    progress: Callable[[Any], Iterable[Any]] = iter,
) -> pd.DataFrame:
    """The table by language, without its texts, with the columns toxicity and reason.

    Raises:
        ValueError: A score is not in [0, 1]; the message names `source` and the row.
    """
    frames: list[pd.DataFrame] = []
    for language, rows in progress(continuations.groupby("language")):
        scores = scorer.score(str(language), rows["text"].tolist())
        for prompt_id, sample, score in zip(rows["prompt_id"], rows["sample"], scores, strict=True):
            if score.value is not None and not 0 <= score.value <= 1:  # NaN is not in [0, 1] either
                raise ValueError(
                    f"{source}: {scorer.card.id} gave {score.value} to {language} {prompt_id} sample {sample}; a score "
                    "is in [0, 1] or missing with a reason"
                )
        frames.append(
            rows.drop(columns="text").assign(
                toxicity=pd.array([score.value for score in scores], dtype="Float64"),
                reason=pd.array([score.reason for score in scores], dtype="string"),
            )
        )
    return pd.concat(frames, ignore_index=True)
