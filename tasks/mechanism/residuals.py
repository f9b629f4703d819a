"""What the last block of a causal language model leaves in the residual stream, one vector per text.

Shapes: B texts of a batch, N texts, S token positions, D dimensions.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.mechanism.mlp_family import blocks
from tasks.models.language_model import batches_by_length, context_length, encode, pad, pad_id
from tasks.models.pooling import mean_pool


@dataclass(frozen=True)
class Residuals:
    """Mean-pooled residuals (N, D), at least fp32, on the CPU; and which texts were cut at the model's context."""

    features_ND: Tensor
    cut_N: tuple[bool, ...]


@torch.inference_mode()
def last_residuals(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    batch: int,
    progress: Callable[[Iterable[list[int]]], Iterable[list[int]]] = iter,
) -> Residuals:
    """Mean over a text's tokens of the last block's raw output, before the model's final norm.

    Most families give `hidden_states[-1]` after that norm, which rescales every token and so is not what value vectors
    add to (Geva et al. 2022). Padding is masked out; special tokens that the tokenizer adds are part of the mean. A
    text longer than the model's context counts with its beginning.
    """
    encoded = encode(tokenizer, texts)
    longest = context_length(model)
    rows = [row[:longest] for row in encoded]
    pooled: list[Tensor | None] = [None] * len(rows)
    with _output_of(blocks(model)[-1]) as seen:
        for indices in progress(batches_by_length(rows, batch)):
            ids_BS, mask_BS = pad([rows[i] for i in indices], pad_id(tokenizer), "right", model.device)
            model.base_model(input_ids=ids_BS, attention_mask=mask_BS, use_cache=False)
            pooled_BD = mean_pool(seen.pop(), mask_BS).cpu()
            for index, vector_D in zip(indices, pooled_BD, strict=True):
                pooled[index] = vector_D
    return Residuals(
        torch.stack([vector_D for vector_D in pooled if vector_D is not None]),
        tuple(len(row) > longest for row in encoded),
    )


@contextmanager
def _output_of(block: nn.Module) -> Iterator[list[Tensor]]:
    """A list that receives the block's output (B, S, D) at every forward pass."""
    seen: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        # Families differ in whether a block gives its state alone or first of several values.
        seen.append(output[0] if isinstance(output, tuple) else output)

    handle = block.register_forward_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()
