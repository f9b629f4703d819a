"""Judges of fluency that read text: a causal language model of any family, and the published mT5 quantity.

Shapes: B rows of a batch, T tokens, V vocabulary.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from tasks.models.language_model import batches_by_length, context_length, pad, pad_id
from tasks.models.likelihood import continuation_nll

Progress = Callable[[Iterable[list[int]]], Iterable[list[int]]]
EMPTY = "empty continuation"


@dataclass(frozen=True)
class Fluency:
    """How surprising a continuation is.

    Attributes:
        tokens: Of the continuation, as the judge splits it.
        nll: Negative log-likelihood given the prompt, summed over these tokens, in nats; None without a judgement.
        reason: Why there is none.
    """

    tokens: int
    nll: float | None
    reason: str | None = None


def text_fluency(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    continuations: Sequence[str],
    batch: int,
    progress: Progress = iter,
) -> list[Fluency]:
    """Likelihood of each continuation given its prompt, under a judge with a tokenizer of its own.

    Prompt and continuation are tokenised as the one text that they are. A token belongs to the continuation if it ends
    there, so one that spans the boundary does, and is predicted from the tokens before it.

    Raises:
        ValueError: The tokenizer cannot say where in the text its tokens lie.
    """
    if not tokenizer.is_fast:
        raise ValueError(f"{tokenizer.name_or_path}: this tokenizer does not say which characters its tokens cover")
    results = [Fluency(0, None, EMPTY)] * len(prompts)
    heads, tails, wanted = [], [], []
    for index, (prompt, continuation) in enumerate(zip(prompts, continuations, strict=True)):
        if not continuation:
            continue
        encoded = tokenizer(prompt + continuation, return_offsets_mapping=True)
        ids, spans = encoded["input_ids"], encoded["offset_mapping"]
        inside = [position for position, (_, end) in enumerate(spans) if end > len(prompt)]
        if not inside:
            results[index] = Fluency(0, None, "the judge reads nothing in it")
        elif inside[0] == 0:
            results[index] = Fluency(len(inside), None, "no token of the prompt before it")
        elif inside[-1] >= context_length(model):
            results[index] = Fluency(len(inside), None, f"longer than the judge's {context_length(model)} tokens")
        else:
            heads.append(ids[: inside[0]])
            tails.append(ids[inside[0] : inside[-1] + 1])
            wanted.append(index)
    nll = continuation_nll(model, tokenizer, heads, tails, batch, progress)
    for index, tail, value in zip(wanted, tails, nll, strict=True):
        results[index] = Fluency(len(tail), value)
    return results


def load_seq2seq(path: Path, device: torch.device) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A local encoder-decoder, ready for inference, in fp32 (mT5 overflows in fp16); safetensors only."""
    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    model = AutoModelForSeq2SeqLM.from_pretrained(
        path, dtype=torch.float32, use_safetensors=True, local_files_only=True, trust_remote_code=False
    )
    return model.to(device).eval(), tokenizer


def mt5_perplexity(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    continuations: Sequence[str],
    batch: int,
    progress: Progress = iter,
) -> list[tuple[float | None, str | None]]:
    """The quantity that Li, Yong & Bach 2024 call perplexity, or None with a reason.

    exp((L(full) (n(full) - 1) - L(prompt) (n(prompt) - 1)) / (n(full) - n(prompt))), where n counts tokens with the end
    of text, and L is the mean loss of the encoder-decoder when one text is both its input and its target. It is no
    conditional perplexity: the model reads what it is to predict. Kept as published, but for where the published code
    divides by zero (no more tokens with the continuation than without) or leaves the range of numbers.
    """
    texts = [prompt + continuation for prompt, continuation in zip(prompts, continuations, strict=True)]
    needed = sorted({*texts, *prompts})
    rows: list[list[int]] = tokenizer(needed)["input_ids"] if needed else []
    losses = _copy_losses(model, tokenizer, rows, batch, progress)
    found = {text: (loss, len(row)) for text, row, loss in zip(needed, rows, losses, strict=True)}
    return [
        _published(*found[text], *found[prompt]) if continuation.strip() else (None, EMPTY)
        for prompt, continuation, text in zip(prompts, continuations, texts, strict=True)
    ]


def _published(full: float, full_n: int, prompt: float, prompt_n: int) -> tuple[float | None, str | None]:
    if full_n == prompt_n:
        return None, "as many tokens with the continuation as without"
    try:
        return math.exp((full * (full_n - 1) - prompt * (prompt_n - 1)) / (full_n - prompt_n)), None
    except OverflowError:
        return None, "larger than any number"


@torch.inference_mode()
def _copy_losses(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Sequence[int]],
    batch: int,
    progress: Progress,
) -> list[float]:
    """Mean loss per token of each row as input and target at once."""
    result = [0.0] * len(rows)
    for indices in progress(batches_by_length(rows, batch)):
        ids_BT, mask_BT = pad([rows[i] for i in indices], pad_id(tokenizer), "right", model.device)
        labels_BT = ids_BT.masked_fill(mask_BT == 0, -100)
        logits_BTV = model(input_ids=ids_BT, attention_mask=mask_BT, labels=labels_BT).logits
        loss_BT = cross_entropy(
            logits_BTV.flatten(0, 1).float(), labels_BT.flatten(), reduction="none", ignore_index=-100
        ).view(len(indices), -1)
        for index, value in zip(indices, (loss_BT.double().sum(dim=1) / mask_BT.sum(dim=1)).tolist(), strict=True):
            result[index] = value
    return result
