"""Scores fluency: how surprising each continuation is to a model that was not tuned."""

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from tasks.engines.language_model import encode, load, pick_device
from tasks.engines.likelihood import continuation_nll
from tasks.engines.torch_setup import set_up
from tasks.plumbing.files import ArtefactError, read_table, require, write_parquet
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import progress

JUDGE = Path("models/prepare_model")
PROMPTS = Path("data/prepare_prompts/prompts.parquet")


class ScoreFluency(BaseModel, frozen=True, extra="forbid"):
    """Who judges."""

    judge: Literal["base"] = Field(description="base: the model before tuning, never the policy itself")


def run(score_fluency: ScoreFluency, runtime: Runtime, item: str) -> str:
    """Writes the conditional perplexity of every continuation given its prompt; empty ones have none, with a reason.

    Perplexity = exp(mean negative log-likelihood per token of the continuation), in the judge's tokens.
    """
    set_up(0)
    source = Path("data/generate") / item / "continuations.parquet"
    target = Path("data/score_fluency") / item / "perplexity.parquet"
    key = ["language", "prompt_id"]
    continuations = read_table(source, [*key, "sample", "tokens"], key=[*key, "sample"])
    prompts = read_table(PROMPTS, [*key, "text"], key=key)
    model, tokenizer = load(require(JUDGE), pick_device(runtime.device))
    names = list(zip(prompts["language"], prompts["prompt_id"], strict=True))
    ids = dict(zip(names, encode(tokenizer, prompts["text"].tolist()), strict=True))
    wanted = list(zip(continuations["language"], continuations["prompt_id"], strict=True))
    for language, prompt_id in wanted:
        if (language, prompt_id) not in ids:
            raise ArtefactError(f"{source}: prompt {prompt_id} of {language} is not in {PROMPTS}")
    nll = continuation_nll(
        model,
        tokenizer,
        [ids[name] for name in wanted],
        continuations["tokens"].tolist(),
        runtime.score_batch,
        partial(progress, description=f"fluency {item}"),
    )
    length = continuations["tokens"].map(len)
    frame = continuations[[*key, "sample"]].assign(
        tokens=length,
        nll=nll,
        perplexity=np.exp(np.array(nll) / length.where(length > 0)),
        reason=pd.array([None if n else "empty continuation" for n in length], dtype="string"),
    )
    write_parquet(target, frame)
    empty = int((length == 0).sum())
    return f"{target}: median perplexity {frame['perplexity'].median():.2f}, {empty} empty continuations dropped"
