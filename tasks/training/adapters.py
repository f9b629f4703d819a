"""Low-rank adapters: which matrices they change, and whether merging them into the weights changed the model."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel
from torch import nn
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from tasks.models.language_model import loading
from tasks.training.recipe import Full, Lora, Qlora, Tuning


@dataclass(frozen=True)
class MergeGap:
    """Largest absolute differences of a logit on the probe texts."""

    merged: float  # the merged model from the one that was trained
    reloaded: float  # the merged model, written and read again, from the one that was trained


class MergeError(ValueError):
    """The merged model is not the one that was trained; the message gives the difference and what to do."""


def check_installed(tuning: Tuning, device: torch.device) -> None:
    """ValueError unless this machine can train so."""
    if not isinstance(tuning, Qlora):
        return
    what = "train_dpo.recipe.tuning.kind is qlora, which"
    if device.type != "cuda":
        raise ValueError(
            f"{what} needs a CUDA GPU, and none is in use; take lora, or set runtime.device and the machine"
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ValueError(f"{what} needs bitsandbytes: `pip install bitsandbytes` into .venv, or take lora")


def base_model(base: Path, tuning: Tuning, device: torch.device) -> PreTrainedModel:
    """The model that is going to be tuned: fp32 for full tuning, 4 bits for QLoRA; without dropout."""
    options = {
        "attn_implementation": loading(base).get("attention"),
        "use_safetensors": True,
        "local_files_only": True,
        "trust_remote_code": False,
    }
    match tuning:
        case Full():
            model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, **options)
        case Lora():
            model = AutoModelForCausalLM.from_pretrained(base, dtype=getattr(torch, tuning.base_dtype), **options)
        case Qlora():
            quantisation = BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type="nf4",
                bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=torch.bfloat16,
            )
            model = AutoModelForCausalLM.from_pretrained(
                base, dtype=torch.bfloat16, quantization_config=quantisation, device_map={"": device}, **options
            )
    _without_dropout(model)
    return model


def _without_dropout(model: nn.Module) -> None:
    """TRL does this for most methods, but then to the adapter as well, whose dropout is part of the recipe."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name in ("attention_dropout", "hidden_dropout"):  # Llama's and BLOOM's, applied without a module
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)


def lora_config(model: PreTrainedModel, tuning: Lora | Qlora) -> LoraConfig:
    """PEFT's configuration with every adapted matrix by its full name.

    Raises:
        ValueError: A name of `targets` fits no linear layer, or fits an embedding or the output layer: tied to each
            other in many models, a merged update of one would change both.
    """
    head = model.get_output_embeddings()
    linear = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and module is not head
    }
    if tuning.targets == "all-linear":
        chosen = linear
    else:
        outside = {name for name, module in model.named_modules() if isinstance(module, nn.Embedding) or module is head}
        for target in tuning.targets:
            if any(_fits(name, target) for name in outside):
                raise ValueError(f"train_dpo.recipe.tuning.targets: {target!r} is an embedding or the output layer")
            if not any(_fits(name, target) for name in linear):
                known = sorted({name.rpartition(".")[2] for name in linear})
                raise ValueError(f"train_dpo.recipe.tuning.targets: no layer {target!r}; there are {', '.join(known)}")
        chosen = {name: module for name, module in linear.items() if any(_fits(name, t) for t in tuning.targets)}
    return LoraConfig(
        r=tuning.r,
        lora_alpha=tuning.alpha,  # type: ignore[arg-type]  # PEFT divides it by r; declared int
        lora_dropout=tuning.dropout,
        target_modules=sorted(chosen),
        fan_in_fan_out=all(isinstance(module, Conv1D) for module in chosen.values()),  # GPT-2's weights lie transposed
        bias="none",
        task_type="CAUSAL_LM",
    )


def _fits(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def with_adapter(base: Path, adapter: Path, tuning: Lora | Qlora, device: torch.device) -> PeftModel:
    """The base model with a saved adapter, as it was trained."""
    model = base_model(base, tuning, device)
    return PeftModel.from_pretrained(model, adapter, local_files_only=True).eval()


def merge(model: PeftModel, base: Path, adapter: Path, tuning: Lora | Qlora, device: torch.device) -> PreTrainedModel:
    """A plain model with the adapter's updates in its weights; `model` is used up.

    Of a model in 4 bits, the weights are first dequantised: those are what the adapter was trained on. PEFT would
    merge and then quantise the sum anew. The model is read afresh for that, since bitsandbytes may reorder the bits of
    one that has run.
    """
    match tuning:
        case Lora():
            merged = model.merge_and_unload()
        case Qlora():
            bare = base_model(base, tuning, device).dequantize(dtype=torch.bfloat16)
            merged = PeftModel.from_pretrained(bare, adapter, local_files_only=True).merge_and_unload()
    plain: PreTrainedModel = merged.eval()
    return plain


@torch.inference_mode()
def probe_logits(model: PreTrainedModel | PeftModel, probes: Sequence[Sequence[int]]) -> list[torch.Tensor]:
    """Logits (T, V) in fp32 on the CPU for each probe by itself, so that no padding takes part."""
    device = next(model.parameters()).device
    return [model(input_ids=torch.tensor([list(ids)], device=device)).logits[0].float().cpu() for ids in probes]


def largest_gap(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> float:
    """Largest absolute difference of a logit; infinite where one is not a number."""
    gaps = [float((a - b).abs().max()) for a, b in zip(one, other, strict=True)]
    return max(gap if gap == gap else float("inf") for gap in gaps)


def check_merge(gap: MergeGap, tuning: Lora | Qlora) -> None:
    """MergeError if a logit moved by more than the recipe tolerates."""
    for name, value in (("merged", gap.merged), ("merged and reloaded", gap.reloaded)):
        if not value <= tuning.merge_tolerance:
            raise MergeError(
                f"the {name} model differs from the trained one by {value:.3g} in a logit; "
                f"train_dpo.recipe.tuning.merge_tolerance allows {tuning.merge_tolerance:g}. What would be evaluated "
                "is not what was trained: with bfloat16 weights take float32, or raise the tolerance if this is small "
                "against the logits' spread"
            )
