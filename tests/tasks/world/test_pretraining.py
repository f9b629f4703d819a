"""The mini world's tokenizer loses nothing, and its model learns."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from tasks.models.likelihood import continuation_nll
from tasks.world.pretraining import Architecture, Optimisation, pretrain, train_tokenizer

HINDI = "शिक्षक बहुत अच्छा है।"
TEXTS = ["the teacher buys red bread.", HINDI, "先生はとても良いです。", "учитель покупает хлеб."] * 5
OPTIMISATION = Optimisation(epochs=40, batch=4, learning_rate=0.01, warmup=0.1, weight_decay=0.01)


def _architecture(context: int) -> Architecture:
    return Architecture(layers=1, heads=2, width=16, context=context, init=0.1, vocabulary=400)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_tokenizer(TEXTS, vocabulary=400, context=32)


@given(text=st.text(max_size=30))
def test_no_text_is_lost(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    """Any text, of any script or none, comes back from its tokens; no token stands for the unknown."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text
    assert tokenizer.unk_token_id not in ids


def test_special_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    """BOS, EOS and PAD are three tokens; a text begins with BOS and has no other of them.

    At most as many entries as asked for: these texts have too few words for 400.
    """
    special = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}
    assert len(special) == 3
    assert 256 + 3 < len(tokenizer) <= 400
    ids = tokenizer("red bread")["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert not special & set(ids[1:])


def test_words_are_not_cut_at_vowel_signs(tokenizer: PreTrainedTokenizerFast) -> None:
    """Each frequent Hindi word becomes one token, with its vowel signs and virama, and the danda another."""
    tokens = [tokenizer.decode([i]) for i in tokenizer(HINDI, add_special_tokens=False)["input_ids"]]
    assert tokens == ["शिक्षक", " बहुत", " अच्छा", " है", "।"]


def test_the_model_learns_the_documents(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    """After 200 repetitions each of four documents, EOS included, has nearly the probability 1/4, that is log 4 nats.

    A model that knows nothing needs about 6 nats for each of their 5 to 8 tokens. Probabilities sum to 1 at most.
    """
    torch.manual_seed(1)
    model = pretrain(TEXTS, tokenizer, _architecture(32), OPTIMISATION, 1, tmp_path, show_progress=False)
    rows = [[*ids, tokenizer.eos_token_id] for ids in tokenizer(TEXTS[:4])["input_ids"]]
    nats = continuation_nll(model.eval(), tokenizer, [row[:1] for row in rows], [row[1:] for row in rows], batch=4)
    assert len(nats) == 4
    assert all(value < math.log(4) + 1 for value in nats), nats
    assert sum(math.exp(-value) for value in nats) <= 1


def test_the_same_seed_gives_the_same_model(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    """Twice with the same seeds: bit-identical weights; another seed: others."""
    short = OPTIMISATION.model_copy(update={"epochs": 1.0})
    models = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        models.append(pretrain(TEXTS, tokenizer, _architecture(32), short, seed, tmp_path, show_progress=False))
    first, second, other = (model.state_dict() for model in models)
    assert len(first) >= 16  # 2 embeddings, 12 of the block, 2 of the last norm
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["transformer.wte.weight"], other["transformer.wte.weight"])


def test_a_document_longer_than_the_context_is_refused(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    """Nothing is cut off in silence; the message has both lengths and the key of params.yaml to raise."""
    longest = max(len(ids) for ids in tokenizer(TEXTS)["input_ids"]) + 1  # with EOS
    context = longest - 1
    with pytest.raises(ValueError, match=rf"{longest} tokens.*{context}.*prepare_model\.architecture\.context"):
        pretrain(TEXTS, tokenizer, _architecture(context), OPTIMISATION, 1, tmp_path, show_progress=False)
