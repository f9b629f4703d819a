"""Tiny random models of the families that people study, as directories that transformers loads like real ones.

Two layers, width 32, 64 positions where the family has a limit; weights large enough for peaked distributions.
"""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers
from transformers import (
    ApertusConfig,
    ApertusForCausalLM,
    BloomConfig,
    BloomForCausalLM,
    Cohere2Config,
    Cohere2ForCausalLM,
    CohereConfig,
    CohereForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from tasks.world.pretraining import train_tokenizer

CONTEXT, SEED, SPREAD = 64, 20, 0.4
SENTENCES = (
    "the teacher buys red bread in the market.",
    "the doctor is very good and kind.",
    "el maestro compra pan rojo en el mercado.",
    "учитель покупает красный хлеб.",
    "先生はとても良いです。",
    "शिक्षक बहुत अच्छा है।",
)
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)
# Family and whether input and output embeddings are one matrix, as released models of the family have it.
FAMILIES = [
    ("gpt2", True),
    ("bloom", True),
    ("llama", False),
    ("llama", True),
    ("cohere", True),
    ("qwen2", False),
    ("qwen2", True),
    ("qwen3", False),
    ("qwen3", True),
    ("gemma3", True),
]


def make(folder: Path, family: str, tied: bool = True, chat: bool = False, width: int = 32) -> Path:
    """Writes a model directory; the same weights for the same arguments."""
    tokenizer = space_tokenizer() if family == "llama" else train_tokenizer(SENTENCES, 320, CONTEXT)
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATE
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        model = _model(family, width, tied, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _model(family: str, width: int, tied: bool, tokenizer: PreTrainedTokenizerFast) -> Any:
    shared = {
        "vocab_size": len(tokenizer),
        "initializer_range": 0.1 if family == "gemma3" else SPREAD,  # whose norms scale by 1 + weight
        "tie_word_embeddings": tied,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    modern = shared | {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": CONTEXT,
    }
    match family:
        case "gpt2":
            return GPT2LMHeadModel(GPT2Config(n_positions=CONTEXT, n_embd=width, n_layer=2, n_head=4, **shared))
        case "bloom":
            return BloomForCausalLM(BloomConfig(hidden_size=width, n_layer=2, n_head=4, **shared))
        case "llama":
            return LlamaForCausalLM(LlamaConfig(**modern))
        case "cohere":
            return CohereForCausalLM(CohereConfig(logit_scale=0.5, **modern))
        case "cohere2":
            layers = ["sliding_attention", "full_attention"]
            return Cohere2ForCausalLM(Cohere2Config(logit_scale=0.5, sliding_window=8, layer_types=layers, **modern))
        case "apertus":
            return ApertusForCausalLM(ApertusConfig(**modern))
        case "qwen2":
            return Qwen2ForCausalLM(Qwen2Config(**modern))
        case "qwen3":
            return Qwen3ForCausalLM(Qwen3Config(head_dim=width // 4, **modern))
        case "gemma3":
            layers = ["sliding_attention", "full_attention"]
            return Gemma3ForCausalLM(
                Gemma3TextConfig(head_dim=width // 4, sliding_window=8, layer_types=layers, **modern)
            )
    raise ValueError(family)


def space_tokenizer() -> PreTrainedTokenizerFast:
    """BPE over whole texts that puts a space before what it is given, with bytes for unknown signs, as Llama 2's."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    bytes_ = [f"<0x{value:02X}>" for value in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<unk>", "<s>", "</s>", *bytes_], show_progress=False, max_token_length=8
    )
    tokenizer.train_from_iterator(SENTENCES, trainer=trainer)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>", model_max_length=CONTEXT
    )
