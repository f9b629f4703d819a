"""Makes a language model in a directory the study's base model.

Weights are read from safetensors only, and no code of a model's author is run.
"""

import json
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, Field
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks.models.language_model import LOADING, PROMPT_FORMAT, context_length, encode_prompts
from tasks.models.pinned import file_digest, weight_files

# What a tokenizer can be made of; each line is enough. mGPT has a vocabulary and merges alone.
TOKENIZERS = (["tokenizer.json"], ["tokenizer.model"], ["vocab.json", "merges.txt"], ["spiece.model"])
CARD = "model_card.json"


class Chat(BaseModel, frozen=True, extra="forbid"):
    """Prompts as a user's turn of the tokenizer's own chat template."""

    system: str | None = Field(description="text of the system's turn; null: none")


class Loading(BaseModel, frozen=True, extra="forbid"):
    """How a model from elsewhere is read, by every stage."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        description="of the weights kept in models/prepare_model; auto: as published. A CPU computes in float32 anyway",
    )
    attention: str | None = Field(
        description="implementation: eager, sdpa, flash_attention_2; null: what transformers picks"
    )
    device_map: str | None = Field(description="auto spreads a model over several GPUs for inference; null: one device")
    prompt_format: Literal["plain"] | Chat = Field(
        description="plain, or {system: TEXT or null}: the tokenizer's chat template"
    )


def adopt(source: Path, name: str, loading: Loading, target: Path, origin: dict[str, Any]) -> str:
    """Reads a model directory and writes it as the study's own: weights, tokenizer, how to load it, and a card.

    Args:
        source: Directory with config.json, *.safetensors and a tokenizer.
        name: What messages call it.
        loading: How to read it; kept in the directory, so that every later stage and every policy obeys it.
        target: Directory to write.
        origin: Where the source comes from, for the card.

    Returns:
        One line about the model.

    Raises:
        ValueError: A file is missing, the weights are no safetensors, it needs code of its author, or the prompt
            format does not fit the tokenizer.
    """
    weights = _check(source, name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=loading.dtype if loading.dtype == "auto" else getattr(torch, loading.dtype),
            attn_implementation=loading.attention,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
    except (ValueError, ImportError) as error:
        raise ValueError(f"{name}: transformers cannot load it as a causal language model: {error}") from error
    if isinstance(loading.prompt_format, Chat):
        if not tokenizer.chat_template:
            raise ValueError(f"{name}: prompt_format is a chat, but the tokenizer has no chat template; take plain")
        tokenizer.init_kwargs[PROMPT_FORMAT] = {"system": loading.prompt_format.system}
    try:
        encode_prompts(tokenizer, ["a b"])
    except Exception as error:  # a template raises what it likes, for a system turn for example
        raise ValueError(f"{name}: prompts cannot be put into the format: {error}") from error
    if loading.attention or loading.device_map:
        setattr(model.config, LOADING, {"attention": loading.attention, "device_map": loading.device_map})
    model.save_pretrained(target, safe_serialization=True)
    tokenizer.save_pretrained(target)
    card = {
        **origin,
        "model_type": model.config.model_type,
        "parameters": model.num_parameters(),
        "dtype": str(model.dtype).removeprefix("torch."),
        "context": context_length(model),
        "prompt_format": loading.model_dump()["prompt_format"],
        "weights_read": weights,
    }
    (target / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return f"{model.num_parameters():,} parameters of {name} in {card['dtype']}, context {card['context']} tokens"


def _check(source: Path, name: str) -> dict[str, str]:
    """SHA-256 of the weight files, by name."""
    if not source.is_dir():
        raise ValueError(f"{name}: {source} is no directory; prepare_model.path must name one with a model")
    if not (source / "config.json").is_file():
        raise ValueError(f"{name}: no config.json in {source}")
    if not any(all((source / file).is_file() for file in files) for files in TOKENIZERS):
        wanted = ", or ".join(" and ".join(files) for files in TOKENIZERS)
        raise ValueError(f"{name}: no tokenizer in {source}; it needs {wanted}")
    return {path.name: file_digest(path) for path in weight_files(source, name)}
