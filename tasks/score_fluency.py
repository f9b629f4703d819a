"""Scores fluency: how surprising each continuation is to a model that was not tuned."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, assert_never

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from tasks.models.language_model import encode_prompts, load, pick_device
from tasks.models.likelihood import continuation_nll
from tasks.models.pinned import pinned_model
from tasks.models.torch_setup import set_up
from tasks.plumbing.files import ArtefactError, read_table, require, write_parquet
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import progress
from tasks.scoring.fluency_judge import EMPTY, load_seq2seq, mt5_perplexity, text_fluency

JUDGE = Path("models/prepare_model")
PROMPTS = Path("data/prepare_prompts/prompts.parquet")
KEY = ["language", "prompt_id"]


class Base(BaseModel, frozen=True, extra="forbid"):
    """The model before tuning, never the policy itself; token by token as it was generated."""

    judge: Literal["base"]


class CausalLm(BaseModel, frozen=True, extra="forbid"):
    """Another causal language model, which reads the text in tokens of its own."""

    judge: Literal["causal_lm"]
    model: str = Field(description="path of a directory in the hub's format, or hub id")
    revision: str = Field(
        description="directory: its digest, which the error tells; hub: commit, 40 hexadecimal digits"
    )


class Mt5Published(BaseModel, frozen=True, extra="forbid"):
    """As base, and beside it the paper's own quantity as `mt5_perplexity`, which is no conditional perplexity."""

    judge: Literal["mt5_published"]
    model: str = Field(description="path of a directory in the hub's format, or hub id; paper: google/mt5-xl")
    revision: str = Field(
        description="directory: its digest, which the error tells; hub: commit, 40 hexadecimal digits"
    )


ScoreFluency = Annotated[Base | CausalLm | Mt5Published, Field(discriminator="judge")]


def run(score_fluency: ScoreFluency, runtime: Runtime, item: str) -> str:
    """Writes the conditional perplexity of every continuation given its prompt; those without have a reason.

    Perplexity = exp(mean negative log-likelihood per token of the continuation), in the judge's tokens.
    """
    set_up(0)
    source = Path("data/generate") / item / "continuations.parquet"
    target = Path("data/score_fluency") / item / "perplexity.parquet"
    continuations = read_table(source, [*KEY, "sample", "tokens", "text"], key=[*KEY, "sample"])
    prompts = _prompts(source, continuations)
    bar = partial(progress, description=f"fluency {item}")
    match score_fluency:
        case Base():
            judged = _by_base(continuations, prompts, runtime, bar)
        case CausalLm():
            judged = _by_text(score_fluency, continuations, prompts, runtime, bar)
        case Mt5Published():
            judged = _by_base(continuations, prompts, runtime, bar)
            judged |= _as_published(score_fluency, continuations, prompts, runtime, bar)
        case _:
            assert_never(score_fluency)
    frame = continuations[[*KEY, "sample"]].assign(**judged)
    write_parquet(target, frame)
    missing = int(frame["perplexity"].isna().sum())
    return f"{target}: median perplexity {frame['perplexity'].median():.2f}, {missing} continuations without one"


def _prompts(source: Path, continuations: pd.DataFrame) -> list[str]:
    """The prompt of every continuation."""
    prompts = read_table(PROMPTS, [*KEY, "text"], key=KEY)
    texts = dict(zip(zip(prompts["language"], prompts["prompt_id"], strict=True), prompts["text"], strict=True))
    wanted = list(zip(continuations["language"], continuations["prompt_id"], strict=True))
    for language, prompt_id in wanted:
        if (language, prompt_id) not in texts:
            raise ArtefactError(f"{source}: prompt {prompt_id} of {language} is not in {PROMPTS}")
    return [texts[name] for name in wanted]


def _by_base(continuations: pd.DataFrame, prompts: list[str], runtime: Runtime, bar: Any) -> dict[str, Any]:
    model, tokenizer = load(require(JUDGE), pick_device(runtime.device))
    distinct = list(dict.fromkeys(prompts))
    ids = dict(zip(distinct, encode_prompts(tokenizer, distinct), strict=True))
    tokens = continuations["tokens"].tolist()
    nll = continuation_nll(model, tokenizer, [ids[prompt] for prompt in prompts], tokens, runtime.score_batch, bar)
    length = continuations["tokens"].map(len)
    return {
        "tokens": length,
        "nll": nll,
        "perplexity": np.exp(np.array(nll) / length.where(length > 0)),
        "reason": pd.array([None if n else EMPTY for n in length], dtype="string"),
    }


def _by_text(
    choice: CausalLm, continuations: pd.DataFrame, prompts: list[str], runtime: Runtime, bar: Any
) -> dict[str, Any]:
    model, tokenizer = load(pinned_model(choice.model, choice.revision), pick_device(runtime.device))
    judged = text_fluency(model, tokenizer, prompts, continuations["text"].tolist(), runtime.score_batch, bar)
    nll = np.array([np.nan if one.nll is None else one.nll for one in judged])
    tokens = np.array([one.tokens for one in judged])
    return {
        "tokens": tokens,
        "nll": nll,
        "perplexity": np.exp(nll / np.maximum(tokens, 1)),
        "reason": pd.array([one.reason for one in judged], dtype="string"),
    }


def _as_published(
    choice: Mt5Published, continuations: pd.DataFrame, prompts: list[str], runtime: Runtime, bar: Any
) -> dict[str, Any]:
    model, tokenizer = load_seq2seq(pinned_model(choice.model, choice.revision), pick_device(runtime.device))
    found = mt5_perplexity(model, tokenizer, prompts, continuations["text"].tolist(), runtime.score_batch, bar)
    return {
        "mt5_perplexity": np.array([np.nan if value is None else value for value, _ in found]),
        "mt5_reason": pd.array([reason for _, reason in found], dtype="string"),
    }
