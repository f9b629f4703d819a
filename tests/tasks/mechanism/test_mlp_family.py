"""What is read as activation, value and key vector is what each family's forward pass computes, written out by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from nnsight import NNsight
from transformers import (
    ApertusConfig,
    AutoModelForCausalLM,
    BloomConfig,
    CohereConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from tasks.mechanism.mlp_family import blocks, family_of, unembedding, value_vectors
from tasks.mechanism.neurons import borrowed, by_layer, offset, pushed, reading, reading_keys

LAYERS, NEURONS, WIDTH, VOCABULARY = 2, 24, 16, 50
COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": NEURONS,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
CONFIGS: dict[str, Callable[[], Any]] = {
    "gpt2": lambda: GPT2Config(vocab_size=VOCABULARY, n_embd=WIDTH, n_inner=NEURONS, n_layer=LAYERS, n_head=2),
    "bloom": lambda: BloomConfig(vocab_size=VOCABULARY, hidden_size=WIDTH, n_layer=LAYERS, n_head=2),
    "llama": lambda: LlamaConfig(**COMMON),
    "mistral": lambda: MistralConfig(**COMMON),
    "qwen2": lambda: Qwen2Config(**COMMON),
    "qwen3": lambda: Qwen3Config(**COMMON),
    "gemma": lambda: GemmaConfig(**COMMON),
    "gemma2": lambda: Gemma2Config(**COMMON),
    "gemma3_text": lambda: Gemma3TextConfig(**COMMON),
    "cohere": lambda: CohereConfig(**COMMON),
    "apertus": lambda: ApertusConfig(**COMMON),
}
IDS = torch.tensor([[3, 7, 11, 2, 9], [5, 1, 4, 8, 6]])


def _model(kind: str, seed: int = 0) -> PreTrainedModel:
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(CONFIGS[kind](), dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    return model.eval()


@pytest.fixture(params=CONFIGS)
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    """A tiny random model of each family."""
    return _model(request.param)


def _mlp_input(model: PreTrainedModel, layer: int) -> torch.Tensor:
    seen = []
    handle = blocks(model)[layer].mlp.register_forward_pre_hook(
        lambda _m, arguments, keywords: seen.append(arguments[0] if arguments else keywords["hidden_states"]),
        with_kwargs=True,
    )
    model(IDS)
    handle.remove()
    return seen[0]


def _by_hand(model: PreTrainedModel, layer: int, x: torch.Tensor) -> torch.Tensor:
    """Activations from the raw weights, in each family's own formula."""
    mlp: Any = blocks(model)[layer].mlp
    match model.config.model_type:
        case "gpt2":
            return torch.nn.functional.gelu(x @ mlp.c_fc.weight + mlp.c_fc.bias, approximate="tanh")
        case "bloom":
            hidden = x @ mlp.dense_h_to_4h.weight.T + mlp.dense_h_to_4h.bias
            return hidden * 0.5 * (1 + torch.tanh(0.79788456 * hidden * (1 + 0.044715 * hidden * hidden)))
        case "apertus":
            return mlp.act_fn(x @ mlp.up_proj.weight.T)
        case "gemma" | "gemma2" | "gemma3_text":
            gate = torch.nn.functional.gelu(x @ mlp.gate_proj.weight.T, approximate="tanh")
            return gate * (x @ mlp.up_proj.weight.T)
        case _:
            return torch.nn.functional.silu(x @ mlp.gate_proj.weight.T) * (x @ mlp.up_proj.weight.T)


@torch.no_grad()
def test_activations_are_those_of_a_forward_pass_by_hand(model: PreTrainedModel) -> None:
    """In every layer, at every position."""
    read: dict[int, torch.Tensor] = {}
    with reading(model, read.__setitem__):
        model(IDS)
    assert sorted(read) == list(range(LAYERS))
    for layer, activation in read.items():
        torch.testing.assert_close(activation, _by_hand(model, layer, _mlp_input(model, layer)), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_value_vectors_add_up_to_what_the_mlp_writes(model: PreTrainedModel) -> None:
    """Sum of activation times value vector, plus bias; in Gemma 2 and 3 after the scale of the norm that follows."""
    values = value_vectors(model)
    assert values.shape == (LAYERS, 4 * WIDTH if model.config.model_type == "bloom" else NEURONS, WIDTH)
    family = family_of(model)
    for layer in range(LAYERS):
        block: Any = blocks(model)[layer]
        caught: list[tuple[torch.Tensor, torch.Tensor]] = []
        handle = family.second_matrix(block).register_forward_hook(
            lambda _m, given, output, caught=caught: caught.append((given[0], output))
        )
        model(IDS)
        handle.remove()
        activation, written = caught[0]
        bias = family.second_matrix(block).bias
        expected = written if bias is None else written - bias
        if model.config.model_type in ("gemma2", "gemma3_text"):
            expected = expected * (1 + block.post_feedforward_layernorm.weight)
        torch.testing.assert_close(activation @ values[layer], expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_key_products_are_the_first_matrix_without_its_bias(model: PreTrainedModel) -> None:
    """The gate's, where there is one."""
    read: dict[int, torch.Tensor] = {}
    with reading_keys(model, by_layer([(1, 3), (1, 0)], model.device), read.__setitem__):
        model(IDS)
    x, mlp = _mlp_input(model, 1), blocks(model)[1].mlp
    names = {"gpt2": "c_fc", "bloom": "dense_h_to_4h", "apertus": "up_proj"}
    weight: Any = getattr(mlp, names.get(model.config.model_type, "gate_proj")).weight
    weight = weight if model.config.model_type == "gpt2" else weight.T
    torch.testing.assert_close(read[1], (x @ weight)[..., [0, 3]], atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("everywhere", [False, True])
def test_an_offset_is_a_push_along_the_value_vector(model: PreTrainedModel, everywhere: bool) -> None:
    """+d on a neuron's activation equals adding d times its row of the second matrix to that matrix's output."""
    family = family_of(model)
    second: Any = family.second_matrix(blocks(model)[1])
    weight = second.weight if model.config.model_type == "gpt2" else second.weight.T
    with offset(model, by_layer([(1, 5)], model.device), -1.5, everywhere):
        changed = model(IDS).logits
    with pushed(model, {1: -1.5 * weight[5]}, everywhere):
        expected = model(IDS).logits
    plain = model(IDS).logits
    torch.testing.assert_close(changed, expected, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(changed[:, -1], plain[:, -1], atol=1e-4)
    # The last layer's other positions feel nothing of a change at the last one.
    assert torch.allclose(changed[:, :-1], plain[:, :-1], atol=1e-6) != everywhere


@torch.no_grad()
def test_borrowing_from_oneself_changes_nothing_and_from_another_it_does(model: PreTrainedModel) -> None:
    """Token by token, with the cache and rows repeated after the prompt, as generation does."""
    other = _model(model.config.model_type, seed=1)
    chosen = by_layer([(0, 2), (0, 4), (1, 1)], model.device)
    expected = _two_steps(model)
    with borrowed(model, _copy(model), chosen):
        torch.testing.assert_close(_two_steps(model), expected, atol=1e-5, rtol=1e-4)
    with borrowed(model, other, chosen):
        patched = _two_steps(model)
    assert not torch.allclose(patched, expected, atol=1e-4)
    torch.testing.assert_close(patched, _patched_by_hand(model, other, chosen), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(_two_steps(model), expected)  # nothing stays behind


def _copy(model: PreTrainedModel) -> PreTrainedModel:
    twin = AutoModelForCausalLM.from_config(model.config, dtype=torch.float32).eval()
    twin.load_state_dict(model.state_dict())
    return twin


def _two_steps(model: PreTrainedModel) -> torch.Tensor:
    """Logits of a prompt and of one more token, each row twice from there."""
    output = model(input_ids=IDS[:, :4], use_cache=True)
    output.past_key_values.batch_repeat_interleave(2)
    again = IDS[:, 4:].repeat_interleave(2, dim=0)
    return model(input_ids=again, past_key_values=output.past_key_values, use_cache=True).logits[:, -1]


def _patched_by_hand(model: PreTrainedModel, donor: PreTrainedModel, chosen: Any) -> torch.Tensor:
    """One forward pass over the whole text without a cache, the donor's activations put in at every position."""
    read: dict[int, torch.Tensor] = {}
    with reading(donor, read.__setitem__):
        donor(IDS)
    handles = []
    for layer, index in chosen.items():

        def replace(_m: Any, given: Any, layer: int = layer, index: Any = index) -> tuple[torch.Tensor]:
            changed = given[0].clone()
            changed[..., index] = read[layer][..., index]
            return (changed,)

        handles.append(family_of(model).second_matrix(blocks(model)[layer]).register_forward_pre_hook(replace))
    logits = model(IDS).logits[:, -1].repeat_interleave(2, dim=0)
    for handle in handles:
        handle.remove()
    return logits


@torch.no_grad()
def test_hooks_are_gone_whatever_happens(model: PreTrainedModel) -> None:
    """Also when the block ends with an error."""
    before = model(IDS).logits
    with pytest.raises(RuntimeError, match="stop"), offset(model, by_layer([(0, 1)], model.device), 9.0, True):
        raise RuntimeError("stop")
    with pytest.raises(RuntimeError, match="stop"), borrowed(model, model, by_layer([(0, 1)], model.device)):
        raise RuntimeError("stop")
    assert torch.equal(model(IDS).logits, before)


def test_the_unembedding_is_that_of_the_logits(model: PreTrainedModel) -> None:
    """One row per token."""
    assert unembedding(model).shape == (VOCABULARY, WIDTH)


def test_an_unknown_family_is_refused_with_what_there_is() -> None:
    """The message lists the families and names the page that shows how to add one."""
    config = GPTNeoXConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24
    )
    model = AutoModelForCausalLM.from_config(config)
    with pytest.raises(ValueError, match=r"'gpt_neox'.*supported are gpt2, bloom, llama.*docs/mlp_families\.md"):
        family_of(model)


NNSIGHT = {"gpt2": "transformer.h.1.mlp.c_proj", "bloom": "transformer.h.1.mlp.dense_4h_to_h"}


@torch.no_grad()
def test_readings_and_offsets_agree_with_nnsight(model: PreTrainedModel) -> None:
    """Somebody else's hooks read the same activations and change the logits alike."""
    read: dict[int, torch.Tensor] = {}
    with reading(model, read.__setitem__):
        model(IDS)
    with offset(model, by_layer([(1, 5)], model.device), 2.5):
        changed = model(IDS).logits
    seen = NNsight(model)
    second = seen
    for name in NNSIGHT.get(model.config.model_type, "model.layers.1.mlp.down_proj").split("."):
        second = second[int(name)] if name.isdigit() else getattr(second, name)
    with seen.trace(IDS):
        activation = second.input.save()
        second.input[:, -1, 5] += 2.5
        logits = seen.output.logits.save()
    torch.testing.assert_close(logits, changed, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(activation[:, :-1], read[1][:, :-1], atol=1e-5, rtol=1e-4)
