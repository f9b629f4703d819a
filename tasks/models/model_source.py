"""Makes a language model the study's base model: from a directory, or at a commit of the Hugging Face hub.

Weights come as safetensors only, and no code of a model's author is run.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from pydantic import BaseModel, Field
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks.models.language_model import LOADING, PROMPT_FORMAT, context_length, encode_prompts

COMMIT = re.compile(r"[0-9a-f]{40}")
WANTED = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
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


def commit(model_id: str, revision: str) -> str:
    """The revision if it is a commit.

    Raises:
        ValueError: It is a name that moves. The message gives its commit of now, where the hub can be asked.
    """
    if COMMIT.fullmatch(revision):
        return revision
    complaint = f"prepare_model.revision {revision!r} of {model_id} is a name that moves, not a commit of 40 hex digits"
    try:
        found = HfApi().model_info(model_id, revision=revision).sha
    except Exception as error:  # whatever the hub or the network raises; the complaint stands without an answer
        raise ValueError(
            f"{complaint}; the hub could not be asked for it ({type(error).__name__}): "
            f"see https://huggingface.co/{model_id}/commits/main"
        ) from error
    raise ValueError(f"{complaint}; write down what it is now: `revision: {found}`")


def fetch(model_id: str, revision: str) -> Path:
    """Folder of the hub's cache with a model at a commit.

    Raises:
        ValueError: There is no such model or commit, it is gated, or the hub cannot be reached; with what to do.
    """
    page = f"https://huggingface.co/{model_id}"
    try:
        return Path(snapshot_download(model_id, revision=revision, allow_patterns=WANTED))
    except GatedRepoError as error:
        raise ValueError(
            f"{model_id} is gated: accept its terms at {page}, make a token with read access at "
            "https://huggingface.co/settings/tokens, then `hf auth login`, or set HF_TOKEN"
        ) from error
    except RevisionNotFoundError as error:
        raise ValueError(f"{model_id} has no commit {revision}: see {page}/commits/main") from error
    except RepositoryNotFoundError as error:
        raise ValueError(
            f"the hub has no model {model_id} that this user may see: check prepare_model.id; if it is private, "
            "`hf auth login`, or set HF_TOKEN"
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ValueError(
            f"{model_id} at {revision} is not in the cache, and the hub cannot be reached (HF_HUB_OFFLINE, or no "
            f"network): where there is one, `hf download {model_id} --revision {revision}`, and bring HF_HOME here"
        ) from error


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
    for needed in ("config.json", "tokenizer*"):
        if not list(source.glob(needed)):
            raise ValueError(f"{name}: no {needed} in {source}")
    files = sorted(source.glob("*.safetensors"))
    if not files:
        raise ValueError(
            f"{name}: no *.safetensors. Other weights can run code when they are read, so they are not. For a model of "
            "the hub look for an automatic conversion among its pull requests and give that commit; or convert it "
            "once, in an isolated place, with from_pretrained(...).save_pretrained(...), and use kind: local"
        )
    digests = {}
    for path in files:
        with path.open("rb") as file:
            digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests
