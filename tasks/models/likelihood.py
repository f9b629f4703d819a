"""Likelihood of given continuations under a causal language model."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.models.language_model import batches_by_length, pad, pad_id, positions


@torch.inference_mode()
def continuation_nll(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Sequence[int]],
    continuations: Sequence[Sequence[int]],
    batch: int,
    progress: Callable[[Iterable[list[int]]], Iterable[list[int]]] = iter,
) -> list[float]:
    """Negative log-likelihood of each continuation given its prompt, summed over the continuation's tokens, in nats.

    Token ids go in, so the boundary between prompt and continuation is exact. An empty continuation has 0.

    Raises:
        ValueError: A prompt is empty (its first continuation token would have no context).
    """
    for index, prompt in enumerate(prompts):
        if not prompt:
            raise ValueError(f"prompt {index} has no tokens")
    rows = [[*prompt, *continuation] for prompt, continuation in zip(prompts, continuations, strict=True)]
    result = [0.0] * len(rows)
    for indices in progress(batches_by_length(rows, batch)):
        # Continuations end together, so only their positions need logits: most of the cost for a large vocabulary.
        ids_BS, mask_BS = pad([rows[i] for i in indices], pad_id(tokenizer), "left", model.device)
        longest = max(len(continuations[i]) for i in indices)
        if longest == 0:
            continue
        labels_BT = ids_BS[:, -longest:].clone()
        for position, index in enumerate(indices):
            labels_BT[position, : longest - len(continuations[index])] = -100
        logits_BTV = model(
            input_ids=ids_BS, attention_mask=mask_BS, logits_to_keep=longest + 1, **positions(model, mask_BS)
        ).logits[:, :-1]
        nll_BT = cross_entropy(
            logits_BTV.flatten(0, 1).float(), labels_BT.flatten(), reduction="none", ignore_index=-100
        ).view(len(indices), -1)
        for index, value in zip(indices, nll_BT.double().sum(dim=1).tolist(), strict=True):
            result[index] = value
    return result
