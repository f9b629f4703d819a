"""Residuals are plain means of what the last block gives, before the final norm."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from tasks.mechanism.mlp_family import blocks
from tasks.mechanism.residuals import last_residuals
from tasks.models.language_model import load

TEXTS = ["red bread", "the teacher buys red bread in the market.", "先生", "a", "शिक्षक बहुत अच्छा है।", "red bread"]
Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase, str]


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def loaded(request: pytest.FixtureRequest, tiny_model_dir: Path) -> Loaded:
    """A tiny model, its tokenizer, and the name of its final norm."""
    model, tokenizer = load(tiny_model_dir, torch.device("cpu"))
    if request.param == "gpt2":
        norm, name = model.base_model.ln_f, "ln_f"
    else:
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
            initializer_range=0.5,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        with torch.random.fork_rng():
            torch.manual_seed(21)
            model = LlamaForCausalLM(config).eval()
        norm, name = model.base_model.norm, "norm"
    with torch.no_grad():  # a norm that is not plain scaling, so that a state behind it differs in direction too
        norm.weight.copy_(torch.linspace(0.2, 3.0, 16))
    return model, tokenizer, name


@torch.inference_mode()
def _one_by_one(loaded: Loaded) -> torch.Tensor:
    """Means over the tokens of one text at a time, by a copy of the model whose final norm passes everything through.

    The copy's `hidden_states[-1]` is therefore the state before that norm.
    """
    model, tokenizer, norm = loaded
    bare = copy.deepcopy(model)
    setattr(bare.base_model, norm, nn.Identity())
    rows = []
    for text in TEXTS:
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        before = bare(input_ids=ids, output_hidden_states=True).hidden_states[-1]
        after = model(input_ids=ids, output_hidden_states=True).hidden_states[-1]
        torch.testing.assert_close(getattr(model.base_model, norm)(before), after)  # it is what the norm receives
        rows.append(before[0].mean(dim=0))
    return torch.stack(rows)


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_equals_unpadded_means_before_the_final_norm(loaded: Loaded, batch: int) -> None:
    """Each text has the mean that it has alone, whatever its batch, in the order of the texts."""
    model, tokenizer, _ = loaded
    found = last_residuals(model, tokenizer, TEXTS, batch)
    assert found.features_ND.shape == (6, 16)
    assert found.features_ND.dtype == torch.float32
    torch.testing.assert_close(found.features_ND, _one_by_one(loaded), rtol=1e-4, atol=1e-4)
    assert found.cut_N == (False,) * 6


def test_it_is_not_the_state_after_the_norm(loaded: Loaded) -> None:
    """The pooled state that `hidden_states[-1]` gives points elsewhere."""
    model, tokenizer, _ = loaded
    with torch.inference_mode():
        ids = torch.tensor([tokenizer(TEXTS[1])["input_ids"]])
        after = model(input_ids=ids, output_hidden_states=True).hidden_states[-1][0].mean(dim=0)
    before = last_residuals(model, tokenizer, [TEXTS[1]], 1).features_ND[0]
    assert torch.nn.functional.cosine_similarity(before, after, dim=0) < 0.999
    assert (before - after).abs().max() > 0.1


def test_nothing_stays_behind_on_the_model(loaded: Loaded) -> None:
    """The hook is removed, also after a failure; transformers keeps hooks of its own there."""
    model, tokenizer, _ = loaded
    before = list(blocks(model)[-1]._forward_hooks)
    last_residuals(model, tokenizer, TEXTS, 2)
    with pytest.raises(ValueError, match="text 0 is empty"):
        last_residuals(model, tokenizer, [""], 2)
    with pytest.raises(ZeroDivisionError):
        last_residuals(model, tokenizer, TEXTS, 2, lambda batches: (1 // 0 for _ in batches))
    assert list(blocks(model)[-1]._forward_hooks) == before


def test_a_text_longer_than_the_context_counts_with_its_beginning(loaded: Loaded) -> None:
    """Of 64 positions BOS takes one: of 70 digits the first 63 are read, and the text is marked as cut."""
    model, tokenizer, _ = loaded
    found = last_residuals(model, tokenizer, ["0" * 70, "0" * 63, "a"], 8)
    assert found.cut_N == (True, False, False)
    torch.testing.assert_close(found.features_ND[0], found.features_ND[1])


def test_a_model_whose_blocks_are_not_known_is_refused(loaded: Loaded) -> None:
    """The message names where they were looked for."""
    model = copy.deepcopy(loaded[0])
    for name in ("h", "layers"):
        if hasattr(model.base_model, name):
            delattr(model.base_model, name)
    with pytest.raises(ValueError, match="keeps no list of blocks in `layers` or `h`"):
        blocks(model)
