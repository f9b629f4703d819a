"""Samples continuations so that each one depends only on its own seed, not on its batch.

Nucleus sampling by inverse CDF: a continuation's uniform numbers are drawn beforehand from a counter-based generator
keyed by (seed, language, prompt_id, sample). On CPU in fp32 a text is then independent of batch size and order, up to
the rounding of the logits: a number that falls within about 1e-7 of a boundary between two tokens may fall on either
side (measured: docs/log.md).
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.models.language_model import (
    batches_by_length,
    context_length,
    decode_completions,
    encode_prompts,
    pad,
    pad_id,
    positions,
)

# Candidates looked at first; the nucleus rarely needs more, and sorting a whole vocabulary costs ten times as much.
_FIRST_CANDIDATES = 64


@dataclass(frozen=True)
class Continuation:
    """One sampled continuation; `tokens` exclude the end-of-sequence token, `finished` says whether it came."""

    tokens: tuple[int, ...]
    text: str
    finished: bool


@dataclass(frozen=True)
class Decoding:
    """Nucleus sampling with temperature."""

    samples: int
    new_tokens: int
    top_p: float
    temperature: float


def uniforms(count: int, *identity: object) -> np.ndarray:
    """`count` numbers in [0, 1) that depend on nothing but the identity."""
    key = hashlib.sha256("\x1f".join(map(str, identity)).encode()).digest()[:16]
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little"))).random(count)


def nucleus_pick(logits_BV: torch.Tensor, uniform_B: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """Token per row: the smallest set of likeliest tokens with mass >= top_p, then inverse CDF at `uniform_B`."""
    scaled_BV = logits_BV.float() / decoding.temperature
    log_total_B1 = scaled_BV.logsumexp(dim=-1, keepdim=True).double()
    size = logits_BV.shape[-1]
    candidates = min(_FIRST_CANDIDATES, size)
    while True:
        top_BC, index_BC = scaled_BV.topk(candidates, dim=-1)
        top_BC = (top_BC.double() - log_total_B1).exp()
        mass_BC = top_BC.cumsum(dim=-1)
        if candidates == size or bool((mass_BC[:, -1] >= decoding.top_p).all()):
            break
        candidates = min(4 * candidates, size)
    # A token belongs to the nucleus if the mass before it is still short of top_p; the first always does.
    inside_BC = mass_BC - top_BC < decoding.top_p
    kept_BC = torch.where(inside_BC, top_BC, 0.0)
    target_B1 = (uniform_B.double() * kept_BC.sum(dim=-1)).unsqueeze(-1)
    picked_B1 = torch.searchsorted(kept_BC.cumsum(dim=-1), target_B1, right=True)
    picked_B1 = picked_B1.clamp(max=inside_BC.sum(dim=-1, keepdim=True) - 1)
    return index_BC.gather(-1, picked_B1).squeeze(-1)


@torch.inference_mode()
def continue_prompts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    identities: Sequence[tuple[object, ...]],
    decoding: Decoding,
    batch: int,
    progress: Callable[[Iterable[list[int]]], Iterable[list[int]]] = iter,
) -> list[list[Continuation]]:
    """`decoding.samples` continuations of every prompt, in the order of the prompts.

    Args:
        model: Any causal language model of transformers.
        tokenizer: Its tokenizer.
        prompts: Texts; each with its continuation must fit the model's context.
        identities: What each prompt's randomness derives from, e.g. (seed, language, prompt_id).
        decoding: How to sample.
        batch: Sequences decoded at once; at least one prompt's samples.
        progress: Wraps the loop over batches.

    Raises:
        ValueError: A prompt is too long for the context; the message gives its identity.
    """
    rows = encode_prompts(tokenizer, prompts)
    room = context_length(model) - decoding.new_tokens
    for row, identity in zip(rows, identities, strict=True):
        if len(row) > room:
            raise ValueError(
                f"prompt {identity} has {len(row)} tokens; with {decoding.new_tokens} new ones the model's context of "
                f"{context_length(model)} leaves room for {room}: shorten it or lower generate.new_tokens"
            )
    results: list[list[Continuation]] = [[] for _ in prompts]
    for indices in progress(batches_by_length(rows, max(1, batch // decoding.samples))):
        uniform_RT = np.stack(
            [
                uniforms(decoding.new_tokens, *identities[index], sample)
                for index in indices
                for sample in range(decoding.samples)
            ]
        )
        sampled = _decode(model, tokenizer, [rows[index] for index in indices], uniform_RT, decoding)
        texts = decode_completions(tokenizer, [tokens for tokens, _ in sampled])
        for position, ((tokens, finished), text) in enumerate(zip(sampled, texts, strict=True)):
            results[indices[position // decoding.samples]].append(Continuation(tuple(tokens), text, finished))
    return results


def _decode(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    uniform_RT: np.ndarray,
    decoding: Decoding,
) -> list[tuple[list[int], bool]]:
    """Reads each prompt once, then decodes all its samples side by side on copies of its key-value cache."""
    eos = tokenizer.eos_token_id
    ids_BS, mask_BS = pad(prompts, pad_id(tokenizer), "left", model.device)
    output = model(
        input_ids=ids_BS, attention_mask=mask_BS, use_cache=True, logits_to_keep=1, **positions(model, mask_BS)
    )
    cache = output.past_key_values
    cache.batch_repeat_interleave(decoding.samples)
    mask_RS = mask_BS.repeat_interleave(decoding.samples, dim=0)
    logits_RV = output.logits[:, -1].repeat_interleave(decoding.samples, dim=0)
    uniform = torch.from_numpy(uniform_RT).to(model.device)
    drawn: list[torch.Tensor] = []
    finished_R = torch.zeros(len(mask_RS), dtype=torch.bool, device=model.device)
    for step in range(decoding.new_tokens):
        token_R = nucleus_pick(logits_RV, uniform[:, step], decoding)
        drawn.append(token_R)
        finished_R |= token_R == eos
        if step + 1 == decoding.new_tokens or bool(finished_R.all()):
            break
        mask_RS = torch.cat([mask_RS, torch.ones_like(mask_RS[:, :1])], dim=1)
        output = model(
            input_ids=token_R.unsqueeze(-1),
            attention_mask=mask_RS,
            past_key_values=cache,
            use_cache=True,
            **{name: values[:, -1:] for name, values in positions(model, mask_RS).items()},
        )
        cache, logits_RV = output.past_key_values, output.logits[:, -1]
    sampled = []
    for row in torch.stack(drawn, dim=1).tolist():
        end = row.index(eos) if eos in row else len(row)
        sampled.append((row[:end], end < len(row)))
    return sampled
