"""Continues prompts under a changed model, and says how likely the unchanged one finds the result."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

import pandas as pd
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.generation.decoding import Decoding, continue_prompts
from tasks.models.language_model import encode_prompts
from tasks.models.likelihood import continuation_nll

COLUMNS = ["language", "prompt_id", "sample", "text", "tokens", "nll"]


def continued(
    model: PreTrainedModel,
    judge: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: pd.DataFrame,
    seed: int,
    decoding: Decoding,
    batch: int,
    changed: AbstractContextManager[None],
) -> pd.DataFrame:
    """One row per prompt and sample, with the number of tokens and their summed negative log-likelihood in nats.

    Every condition draws from the same random numbers, so that two conditions that change nothing write the same.

    Args:
        model: Continues, while `changed` is entered.
        judge: Reads afterwards, unchanged.
        tokenizer: Of both.
        prompts: language, prompt_id, text.
        seed: Of the random numbers.
        decoding: How to sample.
        batch: Sequences at once.
        changed: Hooks on `model`, or none.
    """
    names = list(zip(prompts["language"], prompts["prompt_id"], strict=True))
    texts: Sequence[str] = prompts["text"].tolist()
    with changed:
        written = continue_prompts(model, tokenizer, texts, [(seed, *name) for name in names], decoding, batch)
    rows = [
        (*name, sample, one.text, one.tokens, ids)
        for name, ids, samples in zip(names, encode_prompts(tokenizer, texts), written, strict=True)
        for sample, one in enumerate(samples)
    ]
    nll = continuation_nll(judge, tokenizer, [row[5] for row in rows], [row[4] for row in rows], batch)
    kept = [(*row[:4], len(row[4]), value) for row, value in zip(rows, nll, strict=True)]
    return pd.DataFrame(kept, columns=COLUMNS)
