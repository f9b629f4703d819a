"""Tiny random models in the formats in which scorers and judges are published; each saved once per folder."""

from pathlib import Path

import torch
from transformers import (
    MT5Config,
    MT5ForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from tasks.world.pretraining import train_tokenizer

TEXTS = (
    "you are a fool and the teacher is kind.",
    "Safety: Safe Safety: Unsafe Safety: Controversial Categories: None",
    "el maestro compra pan rojo en el mercado.",
    "先生はとても良いです。",
)
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer(context: int = 256, chat: str | None = None) -> PreTrainedTokenizerFast:
    """Byte-level, knows any text; with the chat tokens of Qwen if it has a chat template."""
    made = train_tokenizer(TEXTS, vocabulary=340, context=context)
    if chat is not None:
        made.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
        made.chat_template = chat
    return made


def save_guard(folder: Path, chat: str | None = CHAT) -> Path:
    """A Qwen3 with a peaked distribution and, by default, a chat template."""
    own = tokenizer(chat=chat)
    config = Qwen3Config(
        vocab_size=len(own),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=256,
        initializer_range=0.5,
        bos_token_id=own.bos_token_id,
        eos_token_id=own.eos_token_id,
        pad_token_id=own.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        Qwen3ForCausalLM(config).save_pretrained(folder)
    own.save_pretrained(folder)
    return folder


def save_classifier(folder: Path, labels: list[str], problem_type: str | None) -> Path:
    """An XLM-R with a classification head."""
    own = tokenizer(context=64)
    config = XLMRobertaConfig(
        vocab_size=len(own),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64 + own.pad_token_id + 1,
        initializer_range=0.5,
        pad_token_id=own.pad_token_id,
        bos_token_id=own.bos_token_id,
        eos_token_id=own.eos_token_id,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        problem_type=problem_type,
    )
    with torch.random.fork_rng():
        torch.manual_seed(4)
        XLMRobertaForSequenceClassification(config).save_pretrained(folder)
    own.save_pretrained(folder)
    return folder


def save_mt5(folder: Path) -> Path:
    """An mT5 whose tokenizer ends every text with the end of text, as T5's do."""
    own = tokenizer()
    from tokenizers import processors  # noqa: PLC0415

    own.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {own.eos_token}", special_tokens=[(own.eos_token, own.eos_token_id)]
    )
    config = MT5Config(
        vocab_size=len(own),
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        initializer_factor=2.0,
        pad_token_id=own.pad_token_id,
        eos_token_id=own.eos_token_id,
        decoder_start_token_id=own.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        MT5ForConditionalGeneration(config).save_pretrained(folder)
    own.save_pretrained(folder)
    return folder
