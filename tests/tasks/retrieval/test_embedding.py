"""Sentence embeddings are plain means of hidden states."""

from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.models.language_model import load
from tasks.retrieval.embedding import embed

TEXTS = ["red bread", "the teacher buys red bread in the market.", "先生", "a", "शिक्षक बहुत अच्छा है।", "red bread"]
Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


@pytest.fixture(scope="module")
def loaded(tiny_model_dir: Path) -> Loaded:
    return load(tiny_model_dir, torch.device("cpu"))


@torch.inference_mode()
def _one_by_one(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str) -> torch.Tensor:
    """Means over the tokens of one text, BOS included, per layer."""
    ids = torch.tensor([[tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]])
    states = model(input_ids=ids, output_hidden_states=True).hidden_states
    return torch.stack([state[0].mean(dim=0) for state in states])


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_equals_plain_means(loaded: Loaded, batch: int) -> None:
    """Each text has the means that it has alone, whatever its batch: 3 layers of 16 dimensions, in order."""
    expected = torch.stack([_one_by_one(*loaded, text) for text in TEXTS], dim=1)
    embedded = embed(*loaded, TEXTS, batch=batch)
    assert embedded.shape == (3, 6, 16)
    assert embedded.dtype == torch.float32
    torch.testing.assert_close(embedded, expected, rtol=1e-4, atol=1e-5)


def test_order_of_texts_moves_with_them(loaded: Loaded) -> None:
    """Reversed texts have reversed embeddings; equal texts have equal ones; unequal texts do not."""
    forwards, backwards = embed(*loaded, TEXTS, batch=2), embed(*loaded, TEXTS[::-1], batch=2)
    torch.testing.assert_close(backwards.flip(1), forwards, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(forwards[:, 0], forwards[:, 5], rtol=1e-4, atol=1e-5)
    assert (forwards[:, 0] - forwards[:, 1]).abs().max() > 0.1


def test_a_text_longer_than_the_context_is_refused(loaded: Loaded) -> None:
    """Of 64 positions BOS takes one: 63 single-token words fit, 64 do not, and the message does not quote the text."""
    tokenizer = loaded[1]
    assert len(tokenizer("0" * 63, add_special_tokens=False)["input_ids"]) == 63  # digits occur in no training sentence
    assert embed(*loaded, ["0" * 63], batch=1).shape == (3, 1, 16)
    with pytest.raises(ValueError, match=r"text 1: 65 tokens exceed the model's context of 64; drop it first"):
        embed(*loaded, ["a", "0" * 64], batch=1)
