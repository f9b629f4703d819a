"""Activations collected along a key-value cache are those of reading the whole text anew at each step, only faster."""

from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel, PreTrainedTokenizerBase

from tasks.generation.decoding import Decoding, continue_prompts
from tasks.mechanism.activations import GREEDY_TOP_P, Activations, collect
from tasks.mechanism.neurons import reading
from tasks.models.language_model import encode, load

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]
PROMPTS = ["the teacher", "a", "the doctor is very good and kind. the teacher buys", "先生", "el maestro compra"]
IDENTITIES = [(1, number) for number in range(len(PROMPTS))]
GROUPS = [0, 0, 0, 1, 1]
NEURONS = [(0, 3), (1, 0), (1, 7)]
GREEDY = Decoding(1, 8, GREEDY_TOP_P, 1.0)
SAMPLED = Decoding(3, 8, 0.9, 1.0)


@pytest.fixture(scope="module")
def loaded(tiny_model_dir: Path) -> Loaded:
    """The tiny model, with larger weights so that activations differ."""
    model, tokenizer = load(tiny_model_dir, torch.device("cpu"))
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model, tokenizer


def _recomputed(loaded: Loaded, prompts: list[str], decoding: Decoding) -> torch.Tensor:
    """Mean activations (N, L, F): the whole text is read anew for every new token, without a cache."""
    model, tokenizer = loaded
    identities = [(1, number) for number in range(len(prompts))]
    written = continue_prompts(model, tokenizer, prompts, identities, decoding, 64)
    means = []
    for ids, samples in zip(encode(tokenizer, prompts), written, strict=True):
        of_samples = []
        for one in samples:
            steps = len(one.tokens) + one.finished
            rows = []
            for step in range(min(steps, decoding.new_tokens)):
                read: dict[int, torch.Tensor] = {}
                with reading(model, read.__setitem__), torch.no_grad():
                    model(torch.tensor([[*ids, *one.tokens[:step]]]))
                rows.append(torch.stack([read[layer][0, -1] for layer in sorted(read)]))
            of_samples.append(torch.stack(rows).mean(dim=0))
        means.append(torch.stack(of_samples).mean(dim=0))
    return torch.stack(means)


def _collect(loaded: Loaded, decoding: Decoding, batch: int) -> Activations:
    return collect(*loaded, PROMPTS, IDENTITIES, GROUPS, decoding, NEURONS, batch)


@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_the_cache_changes_nothing(loaded: Loaded, decoding: Decoding) -> None:
    """Of the chosen neurons per prompt and of all neurons per group, to 1e-5."""
    found, expected = _collect(loaded, decoding, 64), _recomputed(loaded, PROMPTS, decoding)
    chosen = torch.stack([expected[:, layer, index] for layer, index in NEURONS], dim=1)
    torch.testing.assert_close(found.chosen_NC, chosen, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.all_GLF[0], expected[:3].mean(dim=0), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.all_GLF[1], expected[3:].mean(dim=0), atol=1e-5, rtol=1e-5)


def test_batches_change_nothing(loaded: Loaded) -> None:
    """One prompt at a time, or all."""
    one, all_ = _collect(loaded, SAMPLED, 1), _collect(loaded, SAMPLED, 64)
    for name in ("chosen_NC", "keys_NC", "all_GLF"):
        torch.testing.assert_close(getattr(one, name), getattr(all_, name), atol=1e-5, rtol=1e-5)


def test_a_text_that_has_ended_counts_no_more(loaded: Loaded) -> None:
    """With the likeliest first token of one prompt as the end, its mean is that of the one position before it."""
    model, tokenizer = loaded
    first = continue_prompts(model, tokenizer, PROMPTS[:1], IDENTITIES[:1], GREEDY, 8)[0][0].tokens[0]
    end, tokenizer.eos_token_id = tokenizer.eos_token_id, first
    try:
        found = _collect(loaded, GREEDY, 64).chosen_NC[0]
    finally:
        tokenizer.eos_token_id = end
    read: dict[int, torch.Tensor] = {}
    with reading(model, read.__setitem__), torch.no_grad():
        model(torch.tensor([encode(tokenizer, PROMPTS[:1])[0]]))
    expected = torch.stack([read[layer][0, -1, index] for layer, index in NEURONS])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_each_token_is_read_once(loaded: Loaded) -> None:
    """With the cache, 20 new tokens cost the prompt and then one position each, not the whole text again each time."""
    _, tokenizer = loaded
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=4096, n_embd=64, n_layer=2, n_head=2, n_positions=192)).eval()
    prompts = [f"the teacher buys red bread in the market {number}" for number in range(8)]
    widths: list[int] = []
    model.transformer.h[0].register_forward_hook(lambda _module, given, _output: widths.append(given[0].shape[1]))
    identities = [(1, number) for number in range(len(prompts))]
    # The vocabulary of the tokenizer is smaller than the model's: what it cannot decode is not looked at here.
    collect(model, tokenizer, prompts, identities, [0] * 8, Decoding(1, 20, GREEDY_TOP_P, 1.0), [(0, 1)], 64)
    longest = max(map(len, encode(tokenizer, prompts)))
    assert widths[0] == longest > 20
    assert set(widths[1:]) == {1} and len(widths[1:]) <= 20
