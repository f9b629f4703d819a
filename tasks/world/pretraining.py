"""Pretrains the mini world's language model from scratch: a byte-level BPE and a small GPT-2."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from pydantic import BaseModel, Field
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    DataCollatorForLanguageModeling,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

BOS, EOS, PAD = "<|bos|>", "<|eos|>", "<|pad|>"


class Architecture(BaseModel, frozen=True, extra="forbid"):
    """Size of the GPT-2 that is pretrained."""

    layers: int = Field(gt=0, description="transformer blocks")
    heads: int = Field(gt=0, description="attention heads per block")
    width: int = Field(gt=0, description="residual stream, in dimensions")
    context: int = Field(gt=0, description="longest sequence, in tokens")
    init: float = Field(gt=0, description="standard deviation of initial weights; GPT-2's .02 is for widths near 1000")
    vocabulary: int = Field(gt=300, description="byte-level BPE entries, special tokens included")


class Optimisation(BaseModel, frozen=True, extra="forbid"):
    """How the GPT-2 is pretrained."""

    epochs: float = Field(gt=0, description="passes over the corpus")
    batch: int = Field(gt=0, description="documents per step")
    learning_rate: float = Field(gt=0, description="peak of the cosine schedule (AdamW)")
    warmup: float = Field(ge=0, lt=1, description="share of steps with a linearly rising rate")
    weight_decay: float = Field(ge=0, description="AdamW decay")


def train_tokenizer(texts: Iterable[str], vocabulary: int, context: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE (no unknown token in any script) that begins every text with BOS and leaves EOS to the caller."""
    tokenizer = Tokenizer(models.BPE())
    # The byte-level default cuts words at combining marks, that is Hindi at every vowel sign.
    words = Regex(r" ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+|\s+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=[PAD, BOS, EOS],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, pad_token=PAD, model_max_length=context
    )


def pretrain(
    documents: Sequence[str],
    tokenizer: PreTrainedTokenizerFast,
    architecture: Architecture,
    optimisation: Optimisation,
    seed: int,
    scratch: Path,
    show_progress: bool,
) -> GPT2LMHeadModel:
    """Trains on whole documents, one per row, so that every document starts at position 0."""
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=architecture.context,
        n_embd=architecture.width,
        n_layer=architecture.layers,
        n_head=architecture.heads,
        initializer_range=architecture.init,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = GPT2LMHeadModel(config)
    rows = _tokenise(documents, tokenizer, architecture.context)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(scratch),
            num_train_epochs=optimisation.epochs,
            per_device_train_batch_size=optimisation.batch,
            learning_rate=optimisation.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=optimisation.warmup,
            weight_decay=optimisation.weight_decay,
            adam_beta2=0.98,
            train_sampling_strategy="group_by_length",
            seed=seed,
            use_cpu=not torch.cuda.is_available(),
            report_to="none",
            save_strategy="no",
            logging_steps=100,
            disable_tqdm=not show_progress,
            dataloader_pin_memory=False,
        ),
        train_dataset=[{"input_ids": row, "length": len(row)} for row in rows],
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return model


def _tokenise(documents: Sequence[str], tokenizer: PreTrainedTokenizerFast, context: int) -> list[list[int]]:
    rows = [[*ids, tokenizer.eos_token_id] for ids in tokenizer(list(documents))["input_ids"]]
    longest = max(map(len, rows))
    if longest > context:
        raise ValueError(
            f"a document has {longest} tokens, the model's context {context}: raise prepare_model.architecture.context"
        )
    return rows
