"""Mean MLP activations over the tokens that a model is about to write.

Shapes: N prompts, L layers, F neurons of a layer, C chosen neurons, G groups of prompts.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.generation.decoding import Decoding, continue_prompts
from tasks.mechanism.mlp_family import blocks
from tasks.mechanism.neurons import by_layer, reading, reading_keys
from tasks.models.language_model import batches_by_length, encode_prompts

GREEDY_TOP_P = 1e-9  # a nucleus of the likeliest token alone


@dataclass(frozen=True)
class Activations:
    """Means over new tokens: of each prompt for the chosen neurons, of each group of prompts for all neurons.

    Attributes:
        chosen_NC: Mean activation of the chosen neurons, in ascending order of (layer, index).
        keys_NC: Mean dot product of what the MLP reads with their key vectors.
        all_GLF: Mean activation of every neuron, over the prompts of a group, each counting alike.
    """

    chosen_NC: torch.Tensor
    keys_NC: torch.Tensor
    all_GLF: torch.Tensor


class _Sums:
    """Adds activations up while texts are written, at the position that each next token comes from.

    A row whose text has ended is still decoded along with its batch, but counts no more.
    """

    def __init__(self, chosen: dict[int, torch.Tensor], samples: int, end: int | None) -> None:
        self._chosen, self._samples, self._end = chosen, samples, end
        self.layers: dict[int, torch.Tensor] = {}
        self.keys: dict[int, torch.Tensor] = {}

    def begin_pass(self, _module: nn.Module, _: Any, keywords: dict[str, Any]) -> None:
        """Which rows still write; a pass without a cache reads prompts, each for all its samples."""
        self._reads_prompts = keywords.get("past_key_values") is None
        ids = keywords["input_ids"]
        if self._reads_prompts:
            self.alive = torch.ones(len(ids) * self._samples, dtype=torch.bool, device=ids.device)
            self.passes = torch.zeros(len(self.alive), device=ids.device)
        elif self._end is not None:
            self.alive &= ids[:, -1] != self._end
        self.passes += self.alive

    def add(self, sums: dict[int, torch.Tensor]) -> Callable[[int, torch.Tensor], None]:
        def read(layer: int, values: torch.Tensor) -> None:
            last = values[:, -1].float()
            if self._reads_prompts:
                last = last.repeat_interleave(self._samples, dim=0)
            last = torch.where(self.alive[:, None], last, 0.0)
            sums[layer] = last if self._reads_prompts else sums[layer] + last

        return read

    def means(self, sums: dict[int, torch.Tensor]) -> dict[int, torch.Tensor]:
        """Per layer and prompt: over tokens of each sample, then over samples."""
        return {
            layer: (total / self.passes[:, None]).view(-1, self._samples, total.shape[-1]).mean(dim=1).cpu()
            for layer, total in sums.items()
        }


@torch.inference_mode()
def collect(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    identities: Sequence[tuple[object, ...]],
    groups: Sequence[int],
    decoding: Decoding,
    neurons: Sequence[tuple[int, int]],
    batch: int,
    progress: Callable[[Iterable[list[int]]], Iterable[list[int]]] = iter,
) -> Activations:
    """Reads activations while `decoding` continues every prompt, from the key-value cache, all neurons in one pass.

    Args:
        model: Of a supported MLP family.
        tokenizer: Its tokenizer.
        prompts: Texts, N.
        identities: What each prompt's randomness derives from.
        groups: Group of each prompt, 0 to G - 1.
        decoding: How to write; greedy with `GREEDY_TOP_P`.
        neurons: The chosen (layer, index) pairs.
        batch: Sequences decoded at once.
        progress: Wraps the loop over batches.
    """
    chosen = by_layer(list(neurons), model.device)
    rows = encode_prompts(tokenizer, prompts)
    count = [groups.count(group) for group in range(max(groups) + 1)]
    chosen_NC = torch.zeros(len(prompts), len(neurons))
    keys_NC = torch.zeros(len(prompts), len(neurons))
    all_GLF: torch.Tensor | None = None
    for indices in progress(batches_by_length(rows, max(1, batch // decoding.samples))):
        sums = _Sums(chosen, decoding.samples, tokenizer.eos_token_id)
        handle = model.register_forward_pre_hook(sums.begin_pass, with_kwargs=True)
        try:
            with reading(model, sums.add(sums.layers)), reading_keys(model, chosen, sums.add(sums.keys)):
                # Longest first, as `continue_prompts` sorts its rows: so row i of its one batch is prompt indices[i].
                continue_prompts(
                    model,
                    tokenizer,
                    [prompts[i] for i in indices],
                    [identities[i] for i in indices],
                    decoding,
                    len(indices) * decoding.samples,
                )
        finally:
            handle.remove()
        layers, keys = sums.means(sums.layers), sums.means(sums.keys)
        every_BLF = torch.stack([layers[layer] for layer in range(len(blocks(model)))], dim=1)
        if all_GLF is None:
            all_GLF = torch.zeros(len(count), *every_BLF.shape[1:])
        all_GLF.index_add_(0, torch.tensor([groups[i] for i in indices]), every_BLF)
        if chosen:
            chosen_NC[indices] = torch.cat([layers[layer][:, index.cpu()] for layer, index in chosen.items()], dim=1)
            keys_NC[indices] = torch.cat([keys[layer] for layer in chosen], dim=1)
    if all_GLF is None:
        raise ValueError("no prompts")
    return Activations(chosen_NC, keys_NC, all_GLF / torch.tensor(count)[:, None, None])
