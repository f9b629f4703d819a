"""Adapters change what they should, survive a kill, and a merge that moves a logit is refused."""

import json
from pathlib import Path

import pytest
import torch

from tasks.models.language_model import load
from tasks.training import adapters
from tasks.training.adapters import MergeError, MergeGap
from tasks.training.preference import Job, Trained, tune
from tasks.training.preference_pair import tokenise_pair
from tasks.training.recipe import Dpo, Full, Lora, Qlora
from tasks.training.saving import save_policy
from tests import tiny_models

pytestmark = pytest.mark.slow  # trains many tiny models
CPU = torch.device("cpu")
LORA = Lora(kind="lora", r=4, alpha=8, dropout=0.1, targets="all-linear", merge_tolerance=1e-3, base_dtype="float32")
QLORA = Qlora(kind="qlora", r=4, alpha=8, dropout=0.0, targets="all-linear", merge_tolerance=2.0)
RECIPE = Dpo(
    method="dpo",
    loss="sigmoid",
    label_smoothing=0.0,
    beta=0.1,
    tuning=LORA,
    optimiser="adamw_torch",
    schedule="linear",
    learning_rate=0.005,
    batch=4,
    accumulation=1,
    epochs=2,
    warmup_steps=0,
    max_grad_norm=10,
    evaluate_every=1,
    patience=3,
    min_improvement=0.0,
    end_completions=True,
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.make(tmp_path_factory.mktemp("base") / "m", "llama", tied=True)


def _tune(base: Path, scratch: Path, recipe: Dpo = RECIPE, stop_at: int | None = None) -> Trained:
    tokenizer = load(base, CPU)[1]
    pairs = [
        tokenise_pair(tokenizer, f"the {who}", f" is {good}.", f" is {bad}.", end=True)
        for who in ("teacher", "doctor", "maestro", "market")
        for good, bad in (("good", "lazy"), ("very kind", "rude"), ("kind", "very bad"))
    ]
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        if len(lines) == stop_at:
            raise KeyboardInterrupt

    return tune(Job(base, pairs[:8], pairs[8:], recipe, 1, "cpu", scratch, False, False), tokenizer, report)


def _same(one: Trained, other: Trained) -> None:
    first, second = one.model.state_dict(), other.model.state_dict()
    assert len(first) > 10 and list(first) == list(second)
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert one.curves == other.curves and one.best_step == other.best_step


def test_a_killed_adapter_resumes_and_ends_at_the_same_bytes(base: Path, tmp_path: Path) -> None:
    """Uninterrupted, killed at the third validation and called again, and called again when finished: one result."""
    whole = _tune(base, tmp_path / "whole")
    assert whole.best_step > 0
    with pytest.raises(KeyboardInterrupt):
        _tune(base, tmp_path / "killed", stop_at=3)
    _same(_tune(base, tmp_path / "killed"), whole)
    _same(_tune(base, tmp_path / "killed"), whole)
    for name in ("one", "two"):
        save_policy(whole, load(base, CPU)[1], RECIPE, tmp_path / name, CPU)
    files = [path.relative_to(tmp_path / "one") for path in sorted((tmp_path / "one").rglob("*")) if path.is_file()]
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)
    targets = json.loads((tmp_path / "one/adapter/adapter_config.json").read_text())["target_modules"]
    assert targets == sorted(targets) and len(targets) == 2 * 7


def test_the_adapters_own_dropout_is_kept(base: Path, tmp_path: Path) -> None:
    """TRL's disable_dropout would switch it off as well: with .1 and with 0, other weights come out."""
    without = RECIPE.model_copy(update={"tuning": LORA.model_copy(update={"dropout": 0.0})})
    one, other = _tune(base, tmp_path / "a"), _tune(base, tmp_path / "b", without)
    assert one.curves[0]["validation_loss"] == other.curves[0]["validation_loss"]
    assert one.curves[-1]["validation_loss"] != other.curves[-1]["validation_loss"]
    assert one.arguments["disable_dropout"] is False


def test_only_the_named_layers_are_adapted(base: Path) -> None:
    """q_proj and v_proj of two layers, by their full names."""
    model = adapters.base_model(base, LORA, CPU)
    config = adapters.lora_config(model, LORA.model_copy(update={"targets": ["q_proj", "v_proj"]}))
    wanted = {f"model.layers.{layer}.self_attn.{name}" for layer in (0, 1) for name in ("q_proj", "v_proj")}
    assert config.target_modules == wanted


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("lm_head", "'lm_head' is an embedding or the output layer"),
        ("embed_tokens", "'embed_tokens' is an embedding or the output layer"),
        ("query_key_value", "no layer 'query_key_value'; there are down_proj, gate_proj, k_proj"),
    ],
)
def test_tied_or_unknown_layers_are_refused(base: Path, target: str, message: str) -> None:
    """A merged update of an embedding would change the output layer that is tied to it (peft#2018)."""
    model = adapters.base_model(base, LORA, CPU)
    with pytest.raises(ValueError, match=message):
        adapters.lora_config(model, LORA.model_copy(update={"targets": [target]}))


def test_a_merge_that_moves_a_logit_is_refused(base: Path, tmp_path: Path) -> None:
    """An adapter in bf16 weights is rounded when merged: more than 1e-6, so the policy is not accepted."""
    strict = LORA.model_copy(update={"base_dtype": "bfloat16", "merge_tolerance": 1e-6})
    trained = _tune(base, tmp_path / "s", RECIPE.model_copy(update={"tuning": strict}))
    assert trained.adapted is not None and trained.adapted.merged_gap > 1e-4
    with pytest.raises(MergeError, match=r"differs from the trained one by .*merge_tolerance allows 1e-06"):
        save_policy(trained, load(base, CPU)[1], RECIPE.model_copy(update={"tuning": strict}), tmp_path / "p", CPU)


def test_either_gap_counts_and_a_gap_that_is_no_number_does_too() -> None:
    """Tolerance .001: .0011 after merging or after reading again fails; logits that are NaN are infinitely far."""
    adapters.check_merge(MergeGap(0.001, 0.001), LORA)
    for gap in (MergeGap(0.0011, 0.0), MergeGap(0.0, 0.0011), MergeGap(float("inf"), 0.0)):
        with pytest.raises(MergeError):
            adapters.check_merge(gap, LORA)
    nan = torch.full((1, 2), float("nan"))
    assert adapters.largest_gap([torch.zeros(1, 2), nan], [torch.ones(1, 2), nan]) == float("inf")
    assert adapters.largest_gap([torch.zeros(1, 2)], [torch.tensor([[0.5, -2.0]])]) == 2.0


def test_qlora_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU, and with one but without bitsandbytes; the other kinds need neither."""
    with pytest.raises(ValueError, match="needs a CUDA GPU"):
        adapters.check_installed(QLORA, CPU)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="needs bitsandbytes: `pip install bitsandbytes`"):
        adapters.check_installed(QLORA, torch.device("cuda"))
    adapters.check_installed(LORA, CPU)
    adapters.check_installed(Full(kind="full"), CPU)


@pytest.mark.filterwarnings("ignore")  # bitsandbytes' and torch's own, on a processor that they are not made for
def test_four_bits_are_merged_into_the_weights_that_were_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NF4 on the CPU, where bitsandbytes can: merged logits are the trained ones but for bf16, far from the base's."""
    pytest.importorskip("bitsandbytes")
    monkeypatch.setattr(adapters, "check_installed", lambda tuning, device: None)
    base = tiny_models.make(tmp_path / "base", "qwen3", width=128)
    trained = _tune(base, tmp_path / "s", RECIPE.model_copy(update={"tuning": QLORA, "epochs": 1}))
    assert trained.adapted is not None and trained.adapted.merged_gap < 2
    unquantised = adapters.probe_logits(load(base, CPU)[0], trained.adapted.probes)
    assert adapters.largest_gap(unquantised, trained.adapted.logits) > 3 * trained.adapted.merged_gap
    recipe = RECIPE.model_copy(update={"tuning": QLORA})
    assert save_policy(trained, load(base, CPU)[1], recipe, tmp_path / "policy", CPU) is not None
    assert "quantization_config" not in json.loads((tmp_path / "policy/config.json").read_text())
