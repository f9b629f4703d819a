"""Reads and changes MLP activations while a model runs; every hook is gone when its block ends, whatever happens.

Shapes: B rows, S positions of one forward pass, F neurons of a layer, D width, N chosen neurons.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import torch
from torch import nn
from transformers import PreTrainedModel

from tasks.mechanism.mlp_family import blocks, family_of

# Neurons by layer: indices into that layer's F.
Chosen = Mapping[int, torch.Tensor]


def by_layer(neurons: list[tuple[int, int]], device: torch.device) -> dict[int, torch.Tensor]:
    """(layer, neuron) pairs as one index vector per layer, both ascending."""
    layers: dict[int, list[int]] = {}
    for layer, neuron in sorted(neurons):
        layers.setdefault(layer, []).append(neuron)
    return {layer: torch.tensor(indices, device=device) for layer, indices in layers.items()}


@contextmanager
def reading(model: PreTrainedModel, read: Callable[[int, torch.Tensor], None]) -> Iterator[None]:
    """Calls `read(layer, activations_BSF)` at every layer of every forward pass within the block."""

    def hook_of(layer: int) -> Callable[..., None]:
        return lambda _module, arguments: read(layer, arguments[0])

    with _before_second_matrices(model, range(len(blocks(model))), hook_of):
        yield


@contextmanager
def reading_keys(model: PreTrainedModel, chosen: Chosen, read: Callable[[int, torch.Tensor], None]) -> Iterator[None]:
    """Calls `read(layer, products_BSN)`: dot products of the MLP's input with the chosen neurons' key vectors.

    The input is the residual stream after the norm before the MLP, which is what the neurons see.
    """
    family = family_of(model)
    with ExitStack() as stack:
        for layer, indices in chosen.items():
            block = blocks(model)[layer]
            keys_ND = family.keys_FD(block)[indices]

            def hook(
                _module: nn.Module, arguments: Any, keywords: Any, layer: int = layer, keys_ND: Any = keys_ND
            ) -> None:
                given = arguments[0] if arguments else keywords["hidden_states"]
                read(layer, given @ keys_ND.T)

            handle = family.mlp(block).register_forward_pre_hook(hook, with_kwargs=True)
            stack.callback(handle.remove)
        yield


@contextmanager
def offset(model: PreTrainedModel, chosen: Chosen, dose: float, everywhere: bool = False) -> Iterator[None]:
    """Adds `dose` to the chosen neurons' activations.

    Unless `everywhere`, only at the last position of a forward pass: where the next token comes from, so that what was
    read before stays as it was. Rows must then be padded on the left.
    """

    def hook_of(layer: int) -> Callable[..., tuple[torch.Tensor]]:
        def hook(_module: nn.Module, arguments: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
            changed_BSF = arguments[0].clone()
            part = changed_BSF if everywhere else changed_BSF[:, -1:]
            part[..., chosen[layer]] += dose
            return (changed_BSF,)

        return hook

    with _before_second_matrices(model, chosen, hook_of):
        yield


@contextmanager
def pushed(model: PreTrainedModel, push_D: Mapping[int, torch.Tensor], everywhere: bool = False) -> Iterator[None]:
    """Adds a vector to the MLP's output at these layers, at the positions that `offset` changes."""
    family = family_of(model)
    with ExitStack() as stack:
        for layer, vector_D in push_D.items():

            def hook(
                _module: nn.Module, _: Any, output_BSD: torch.Tensor, vector_D: torch.Tensor = vector_D
            ) -> torch.Tensor:
                changed_BSD = output_BSD.clone()
                part = changed_BSD if everywhere else changed_BSD[:, -1:]
                part += vector_D.to(part)
                return changed_BSD

            handle = family.second_matrix(blocks(model)[layer]).register_forward_hook(hook)
            stack.callback(handle.remove)
        yield


@contextmanager
def borrowed(model: PreTrainedModel, donor: PreTrainedModel, chosen: Chosen) -> Iterator[None]:
    """While `model` runs, the chosen neurons have the activations that `donor` has on the same tokens.

    The donor runs on the same input just before the model does, with its own key-value cache and undisturbed. So a
    forward pass of the model must begin with a prompt (no cache) and go on with the cache that the last one returned,
    whose rows may have been repeated in between (each as often, adjacent) but not reordered.
    """
    activations: dict[int, torch.Tensor] = {}
    caches: list[Any] = [None]

    def note(layer: int, activation_BSF: torch.Tensor) -> None:
        if layer in chosen:
            activations[layer] = activation_BSF[..., chosen[layer]]

    def before(_module: nn.Module, _: Any, keywords: dict[str, Any]) -> None:
        if keywords.get("past_key_values") is None:
            caches[0] = None
        else:
            rows = len(keywords["input_ids"])
            held = len(_rows_of(caches[0]))
            if rows != held:
                caches[0].batch_repeat_interleave(rows // held)
        output = donor(**{**keywords, "past_key_values": caches[0], "use_cache": True})
        caches[0] = output.past_key_values

    def hook_of(layer: int) -> Callable[..., tuple[torch.Tensor]]:
        def hook(_module: nn.Module, arguments: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
            changed_BSF = arguments[0].clone()
            changed_BSF[..., chosen[layer]] = activations[layer].to(changed_BSF)
            return (changed_BSF,)

        return hook

    handle = model.register_forward_pre_hook(before, with_kwargs=True)
    try:
        with reading(donor, note), _before_second_matrices(model, chosen, hook_of):
            yield
    finally:
        handle.remove()


def _rows_of(cache: Any) -> torch.Tensor:
    return cast(torch.Tensor, cache.layers[0].keys)


@contextmanager
def _before_second_matrices(model: PreTrainedModel, layers: Any, hook_of: Callable[[int], Any]) -> Iterator[None]:
    family = family_of(model)
    with ExitStack() as stack:
        for layer in layers:
            handle = family.second_matrix(blocks(model)[layer]).register_forward_pre_hook(hook_of(layer))
            stack.callback(handle.remove)
        yield
