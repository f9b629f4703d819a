"""Loads causal language models and turns text into token ids, the same way everywhere."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase


def pick_device(wanted: str) -> torch.device:
    """`auto` takes a GPU where torch sees one; ValueError if cuda is asked for and absent."""
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ValueError("runtime.device is 'cuda' but torch sees no GPU; set it to 'auto' or 'cpu'")
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")


def load(path: Path, device: torch.device) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A local model directory, ready for inference: fp32 on CPU, its own dtype on a GPU; safetensors only."""
    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
    dtype: Any = torch.float32 if device.type == "cpu" else "auto"
    model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype, use_safetensors=True, local_files_only=True)
    model.to(device).eval()  # type: ignore[arg-type]  # transformers declares the first parameter as the model itself
    return model, tokenizer


def context_length(model: PreTrainedModel) -> int:
    """Longest sequence that the model can read, in tokens."""
    return int(model.config.get_text_config().max_position_embeddings)


def encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Token ids with the tokenizer's own special tokens; ValueError on an empty text or a doubled BOS."""
    rows: list[list[int]] = tokenizer(list(texts), add_special_tokens=True)["input_ids"] if texts else []
    for index, (text, ids) in enumerate(zip(texts, rows, strict=True)):
        if not text:
            raise ValueError(f"text {index} is empty")
        if len(ids) > 1 and ids[0] == ids[1] == tokenizer.bos_token_id:
            raise ValueError(f"text {index} begins with the BOS token twice: the text itself must not contain it")
    return rows


def pad(rows: Sequence[Sequence[int]], fill: int, side: str, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Rectangular (ids_BS, attention_mask_BS), padded on one side."""
    width = max(map(len, rows))
    ids, mask = [], []
    for row in rows:
        gap = width - len(row)
        left = gap if side == "left" else 0
        ids.append([fill] * left + list(row) + [fill] * (gap - left))
        mask.append([0] * left + [1] * len(row) + [0] * (gap - left))
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def positions(model: PreTrainedModel, mask_BS: torch.Tensor) -> dict[str, torch.Tensor]:
    """Position ids that count from each row's first real token, as an argument for models that take them."""
    if "position_ids" not in inspect.signature(model.forward).parameters:
        return {}
    return {"position_ids": (mask_BS.cumsum(-1) - 1).clamp(min=0)}


def pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """What fills short rows; masked everywhere, so any id will do for a tokenizer that has no pad token."""
    return int(next(i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id, 0) if i is not None))


def batches_by_length(rows: Sequence[Sequence[int]], size: int) -> list[list[int]]:
    """Indices in batches of `size`, longest rows first, so that rows of a batch need little padding."""
    order = sorted(range(len(rows)), key=lambda i: (-len(rows[i]), i))
    return [order[start : start + size] for start in range(0, len(order), size)]
