"""The likelihood of continuations is what transformers' own loss says, one sequence at a time."""

import random
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.models.language_model import load
from tasks.models.likelihood import continuation_nll

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


@pytest.fixture(scope="module")
def loaded(tiny_model_dir: Path) -> Loaded:
    return load(tiny_model_dir, torch.device("cpu"))


@pytest.fixture(scope="module")
def pairs() -> tuple[list[list[int]], list[list[int]]]:
    """Prompts of 1 to 12 and continuations of 0 to 12 random tokens (ids from 3: no special ones)."""
    rng = random.Random(1)
    prompts = [[rng.randrange(3, 300) for _ in range(rng.randint(1, 12))] for _ in range(24)]
    continuations = [[rng.randrange(3, 300) for _ in range(rng.randint(0, 12))] for _ in range(24)]
    continuations[5] = []
    prompts[5] = [7]
    return prompts, continuations


@torch.inference_mode()
def _one_by_one(model: PreTrainedModel, prompt: list[int], continuation: list[int]) -> float:
    """Sum over the continuation by transformers' loss (a mean over labelled tokens), without any padding."""
    if not continuation:
        return 0.0
    ids = torch.tensor([prompt + continuation])
    labels = torch.tensor([[-100] * len(prompt) + continuation])
    return float(model(input_ids=ids, labels=labels).loss.double()) * len(continuation)


def test_equals_the_models_own_loss(loaded: Loaded, pairs: tuple[list[list[int]], list[list[int]]]) -> None:
    """24 continuations of mixed lengths in one batch have the losses that each has alone, to 1e-4 of it."""
    prompts, continuations = pairs
    expected = [_one_by_one(loaded[0], p, c) for p, c in zip(prompts, continuations, strict=True)]
    assert max(expected) > 20  # nats: the fixture's model is peaked, so these are far from uniform
    assert continuation_nll(*loaded, prompts, continuations, batch=24) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("batch", [1, 5, 100])
def test_batches_change_nothing(loaded: Loaded, pairs: tuple[list[list[int]], list[list[int]]], batch: int) -> None:
    """Batch size and order of the rows change no value by more than rounding (1e-4 of it)."""
    prompts, continuations = pairs
    expected = continuation_nll(*loaded, prompts, continuations, batch=24)
    assert continuation_nll(*loaded, prompts, continuations, batch=batch) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    backwards = continuation_nll(*loaded, prompts[::-1], continuations[::-1], batch=batch)
    assert backwards[::-1] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_the_boundary_moves_no_likelihood(loaded: Loaded) -> None:
    """Log P(bc | a) = log P(b | a) + log P(c | ab): the chain rule, over every place to cut."""
    tokens = [9, 40, 80, 120, 160, 200, 240]
    (whole,) = continuation_nll(*loaded, [tokens[:1]], [tokens[1:]], batch=1)
    cuts = range(1, len(tokens) + 1)
    first = continuation_nll(*loaded, [tokens[:1]] * 7, [tokens[1:cut] for cut in cuts], batch=3)
    second = continuation_nll(*loaded, [tokens[:cut] for cut in cuts], [tokens[cut:] for cut in cuts], batch=3)
    assert [a + b for a, b in zip(first, second, strict=True)] == pytest.approx([whole] * 7, rel=1e-4)


@pytest.mark.parametrize("prompts", [[[5]], [[5], [6]], [[5, 6, 7], [5]]])
def test_an_empty_continuation_costs_nothing(loaded: Loaded, prompts: list[list[int]]) -> None:
    """No token, no nats, also where a whole batch has none and a prompt has one token."""
    assert continuation_nll(*loaded, prompts, [[]] * len(prompts), batch=4) == [0.0] * len(prompts)


def test_no_texts(loaded: Loaded) -> None:
    """Nothing in, nothing out."""
    assert continuation_nll(*loaded, [], [], batch=4) == []


def test_an_empty_prompt_is_refused(loaded: Loaded) -> None:
    """The first token of a continuation needs a context; the message says which prompt has none."""
    with pytest.raises(ValueError, match="prompt 1 has no tokens"):
        continuation_nll(*loaded, [[5], []], [[6], [6]], batch=4)
