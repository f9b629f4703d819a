"""Loads causal language models and turns text into token ids, the same way everywhere."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

# Keys under which a model directory says how it wants to be read. They stand in files that transformers itself writes
# and reads, config.json and tokenizer_config.json, so that every policy tuned from a model inherits them.
LOADING, PROMPT_FORMAT = "polydetox_loading", "polydetox_prompt_format"
# Tokens; for a model whose configuration states no limit, as BLOOM's (ALiBi), which was trained on 2,048.
UNSTATED_CONTEXT = 2048
# Names under which configurations state the longest sequence they were made for.
_CONTEXT_NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
# No tokenizer that puts a space before a text merges this into the letters that follow.
_ANCHOR = "\n"


def pick_device(wanted: str) -> torch.device:
    """`auto` takes a GPU where torch sees one; ValueError if cuda is asked for and absent."""
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise ValueError("runtime.device is 'cuda' but torch sees no GPU; set it to 'auto' or 'cpu'")
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")


def load(path: Path, device: torch.device) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A local model directory, ready for inference: fp32 on CPU, its own dtype on a GPU; safetensors only, no code."""
    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    options = loading(path)
    device_map = options.get("device_map") if device.type == "cuda" else None
    model = AutoModelForCausalLM.from_pretrained(
        path,
        dtype=torch.float32 if device.type == "cpu" else "auto",
        attn_implementation=options.get("attention"),
        device_map=device_map,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
    )
    if device_map is None:
        model.to(device)  # type: ignore[arg-type]  # transformers declares the first parameter as the model itself
    return model.eval(), tokenizer


def loading(path: Path) -> dict[str, Any]:
    """How a model directory wants to be loaded: `attention` and `device_map`, where prepare_model was told so."""
    config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    return dict(getattr(config, LOADING, None) or {})


def context_length(model: PreTrainedModel) -> int:
    """Longest sequence that the model was made for, in tokens; UNSTATED_CONTEXT where its configuration has none."""
    config = model.config.get_text_config()
    stated = (getattr(config, name, None) for name in _CONTEXT_NAMES)
    return next((int(limit) for limit in stated if limit), UNSTATED_CONTEXT)


def encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of plain text with the tokenizer's own special tokens.

    Raises:
        ValueError: A text is empty, has no token, or begins with the BOS token twice.
    """
    rows: list[list[int]] = tokenizer(list(texts), add_special_tokens=True)["input_ids"] if texts else []
    return _checked(tokenizer, texts, rows)


def encode_prompts(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]) -> list[list[int]]:
    """Token ids of prompts that a continuation follows, in the format of the model directory.

    Plain, which is `encode`, or as a user's turn of the tokenizer's own chat template, up to where the answer begins.
    """
    if (chat := tokenizer.init_kwargs.get(PROMPT_FORMAT)) is None:
        return encode(tokenizer, prompts)
    head = [{"role": "system", "content": chat["system"]}] if chat["system"] else []
    rows: list[Any] = [
        tokenizer.apply_chat_template(
            [*head, {"role": "user", "content": prompt}], add_generation_prompt=True, tokenize=True, return_dict=False
        )
        for prompt in prompts
    ]
    return _checked(tokenizer, prompts, rows)


def _checked(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], rows: list[list[int]]) -> list[list[int]]:
    for index, (text, ids) in enumerate(zip(texts, rows, strict=True)):
        if not text or not ids:
            raise ValueError(f"text {index} is empty")
        if len(ids) > 1 and ids[0] == ids[1] == tokenizer.bos_token_id:
            raise ValueError(
                f"text {index} begins with the BOS token twice: neither the text nor the chat template may add a second"
            )
    return rows


def encode_completions(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of texts that go on where another text ends: no special tokens, and no space that is not in the text.

    SentencePiece tokenizers such as Llama 2's put a space before whatever they are given.
    """
    if not adds_space(tokenizer):
        return list(tokenizer(list(texts), add_special_tokens=False)["input_ids"])
    anchor = tokenizer(_ANCHOR, add_special_tokens=False)["input_ids"]
    rows = []
    for text in texts:
        ids = tokenizer(_ANCHOR + text, add_special_tokens=False)["input_ids"]
        if ids[: len(anchor)] != anchor:
            raise ValueError(f"{text[:60]!r} cannot be told from a line break before it; it must not begin with one")
        rows.append(ids[len(anchor) :])
    return rows


def decode_completions(tokenizer: PreTrainedTokenizerBase, rows: Sequence[Sequence[int]]) -> list[str]:
    """Texts of token ids that went on where another text ended; the inverse of `encode_completions`."""
    if not adds_space(tokenizer):
        return list(tokenizer.batch_decode([list(row) for row in rows], clean_up_tokenization_spaces=False))
    anchor = tokenizer(_ANCHOR, add_special_tokens=False)["input_ids"]
    head = len(tokenizer.decode(anchor, clean_up_tokenization_spaces=False))
    decoded = tokenizer.batch_decode([[*anchor, *row] for row in rows], clean_up_tokenization_spaces=False)
    return [text[head:] for text in decoded]


def adds_space(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokenizer reads a text as if a space stood before it."""
    anchor, joined, alone = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (_ANCHOR, "\na", "a"))
    return bool(joined[: len(anchor)] == anchor and joined[len(anchor) :] != alone)


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
