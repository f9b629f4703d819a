"""Where a transformer keeps its MLP neurons: one small class per way of building the MLP.

A *neuron* is one coordinate of the input to the MLP's second matrix. That coordinate is its *activation*; what the
second matrix multiplies it with is its *value vector*; what the MLP's input is multiplied with to get there is its
*key vector* (Geva et al. 2021, https://arxiv.org/abs/2012.14913). In a gated MLP the activation is act(gate) * up, and
the key vector is the gate's.

Shapes: L layers, F neurons of a layer, D width of the residual stream, V tokens of the vocabulary.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, cast

import torch
from torch import nn
from transformers import PreTrainedModel


class MlpFamily:
    """Finds the MLP parts of a decoder block by the names of its two matrices, both Linear.

    docs/mlp_families.md shows how to add a family.
    """

    key_matrix: ClassVar[str]
    value_matrix: ClassVar[str]

    def mlp(self, block: nn.Module) -> nn.Module:
        """Module whose first argument is what the key vectors are multiplied with, (..., D)."""
        return cast(nn.Module, block.mlp)

    def second_matrix(self, block: nn.Module) -> nn.Module:
        """Module whose input holds the activations, (..., F), and whose output goes to the residual stream."""
        return cast(nn.Module, getattr(self.mlp(block), self.value_matrix))

    def values_FD(self, block: nn.Module) -> torch.Tensor:
        """Value vectors: what each neuron adds to the residual stream at activation 1."""
        return _weight(self.second_matrix(block)).T

    def keys_FD(self, block: nn.Module) -> torch.Tensor:
        """Key vectors."""
        return _weight(getattr(self.mlp(block), self.key_matrix))


class Gpt2Mlp(MlpFamily):
    """GPT-2 and mGPT: two Conv1D, whose weights lie the other way round than a Linear's."""

    key_matrix, value_matrix = "c_fc", "c_proj"

    def values_FD(self, block: nn.Module) -> torch.Tensor:
        """Rows of the second matrix."""
        return super().values_FD(block).T

    def keys_FD(self, block: nn.Module) -> torch.Tensor:
        """Columns of the first matrix."""
        return super().keys_FD(block).T


class BloomMlp(MlpFamily):
    """BLOOM."""

    key_matrix, value_matrix = "dense_h_to_4h", "dense_4h_to_h"

    def second_matrix(self, block: nn.Module) -> nn.Module:
        """The module; ValueError for the configuration under which nothing calls it."""
        mlp: Any = self.mlp(block)
        if mlp.pretraining_tp > 1 and mlp.slow_but_exact:
            raise ValueError("BLOOM with slow_but_exact multiplies slices of its matrix: set slow_but_exact to false")
        return super().second_matrix(block)


class GatedMlp(MlpFamily):
    """Llama, Mistral, Qwen, Gemma 1, Cohere and Aya: down(act(gate) * up)."""

    key_matrix, value_matrix = "gate_proj", "down_proj"


class GemmaMlp(GatedMlp):
    """Gemma 2 and 3: gated, and a norm scales the MLP's output before it joins the residual stream."""

    def values_FD(self, block: nn.Module) -> torch.Tensor:
        """With the norm's scale, without its division by the output's size, which turns no vector."""
        norm: Any = block.post_feedforward_layernorm
        scale_D: torch.Tensor = 1 + norm.weight
        return super().values_FD(block) * scale_D


class PlainMlp(MlpFamily):
    """Apertus: down(act(up))."""

    key_matrix, value_matrix = "up_proj", "down_proj"


GATED = ("llama", "mistral", "qwen2", "qwen3", "gemma", "cohere", "cohere2")
GEMMA = ("gemma2", "gemma3_text", "gemma3")
SUPPORTED = ("gpt2", "bloom", *GATED, *GEMMA, "apertus")


def family_of(model: PreTrainedModel) -> MlpFamily:
    """The class that knows this model's MLP; ValueError lists what is supported and says how to add another."""
    kind = str(model.config.model_type)
    if kind == "gpt2":
        return Gpt2Mlp()
    if kind == "bloom":
        return BloomMlp()
    if kind in GATED:
        return GatedMlp()
    if kind in GEMMA:
        return GemmaMlp()
    if kind == "apertus":
        return PlainMlp()
    raise ValueError(
        f"model type {kind!r}: where its MLP neurons are is not known; supported are {', '.join(SUPPORTED)}; "
        "docs/mlp_families.md shows how to add one"
    )


def blocks(model: PreTrainedModel) -> Sequence[nn.Module]:
    """Decoder blocks, first to last; ValueError if they are not where decoders of transformers keep them."""
    base: Any = model.base_model
    base = getattr(base, "language_model", base)
    for name in ("layers", "h"):
        found = getattr(base, name, None)
        if isinstance(found, nn.ModuleList):
            return list(found)
    raise ValueError(f"model type {model.config.model_type!r} keeps no list of blocks in `layers` or `h`")


def value_vectors(model: PreTrainedModel) -> torch.Tensor:
    """Value vectors of every neuron, (L, F, D), fp32 on the CPU."""
    family = family_of(model)
    return torch.stack([family.values_FD(block).detach().float().cpu() for block in blocks(model)])


def unembedding(model: PreTrainedModel) -> torch.Tensor:
    """Rows of the output matrix, (V, D), fp32 on the CPU."""
    return _weight(model.get_output_embeddings()).detach().float().cpu()


def _weight(module: Any) -> torch.Tensor:
    return cast(torch.Tensor, module.weight)
