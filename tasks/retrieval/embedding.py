"""Sentence embeddings from every layer of a causal language model."""

from collections.abc import Callable, Iterable, Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.models.language_model import batches_by_length, context_length, encode, pad, pad_id
from tasks.models.pooling import mean_pool


@torch.inference_mode()
def embed(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    batch: int,
    progress: Callable[[Iterable[list[int]]], Iterable[list[int]]] = iter,
) -> torch.Tensor:
    """Mean-pooled hidden states (layers + 1, N, D) in fp32: the embedding layer, then every block's output.

    Padding is masked out; special tokens that the tokenizer adds are part of the mean, as in the paper's code.

    Raises:
        ValueError: A text is longer than the model's context.
    """
    rows = encode(tokenizer, texts)
    for number, row in enumerate(rows):
        if len(row) > context_length(model):
            raise ValueError(
                f"text {number}: {len(row)} tokens exceed the model's context of {context_length(model)}; drop it first"
            )
    pooled: list[torch.Tensor | None] = [None] * len(rows)
    for indices in progress(batches_by_length(rows, batch)):
        ids_BS, mask_BS = pad([rows[i] for i in indices], pad_id(tokenizer), "right", model.device)
        states = model(input_ids=ids_BS, attention_mask=mask_BS, output_hidden_states=True).hidden_states
        layers_LBD = torch.stack([mean_pool(state.float(), mask_BS) for state in states]).cpu()
        for position, index in enumerate(indices):
            pooled[index] = layers_LBD[:, position]
    return torch.stack([state for state in pooled if state is not None], dim=1)


def exceeds_context(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[bool]:
    """Whether each text has more tokens than the model's context."""
    return [len(row) > context_length(model) for row in encode(tokenizer, texts)]
