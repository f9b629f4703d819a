"""Every family that people study goes the whole way: taken over, read, continued, tuned, merged, read again."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks.generation.decoding import Decoding, continue_prompts
from tasks.models.adopt import Loading, adopt
from tasks.models.language_model import UNSTATED_CONTEXT, adds_space, context_length, load
from tasks.models.likelihood import continuation_nll
from tasks.training.preference import Job, Trained, tune
from tasks.training.preference_pair import Pair, tokenise_pair
from tasks.training.recipe import Dpo, Full, Lora
from tasks.training.saving import save_policy
from tests import tiny_models

pytestmark = pytest.mark.slow  # trains ten models
CPU = torch.device("cpu")
LOADING = Loading(dtype="auto", attention=None, device_map=None, prompt_format="plain")
TEXTS = ("the teacher", "the doctor is very good and kind. the teacher buys red bread", "el", "शिक्षक")
ADAPTER = Lora(
    kind="lora", r=4, alpha=8, dropout=0.05, targets="all-linear", merge_tolerance=1e-3, base_dtype="float32"
)
RECIPE = Dpo(
    method="dpo",
    loss="sigmoid",
    label_smoothing=0.0,
    beta=0.1,
    tuning=Full(kind="full"),
    optimiser="rmsprop",
    schedule="constant_with_warmup",
    learning_rate=0.005,
    batch=4,
    accumulation=1,
    epochs=1,
    warmup_steps=0,
    max_grad_norm=10,
    evaluate_every=1,
    patience=3,
    min_improvement=0.0,
    end_completions=True,
)


@pytest.fixture(scope="module", params=tiny_models.FAMILIES, ids=lambda f: f"{f[0]}-{'tied' if f[1] else 'untied'}")
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bool, Path]:
    """Name, whether embeddings are tied, and the directory that prepare_model would make."""
    name, tied = request.param
    folder = tmp_path_factory.mktemp("families")
    source = tiny_models.make(folder / "source", name, tied)
    adopt(source, name, LOADING, folder / "base", {"kind": "local"})
    return name, tied, folder / "base"


def _tune(base: Path, recipe: Dpo, scratch: Path) -> tuple[Trained, list[Pair]]:
    tokenizer = load(base, CPU)[1]
    pairs = [
        tokenise_pair(tokenizer, f"the {who}", f" is {good}.", f" is {bad}.", end=True)
        for who in ("teacher", "doctor", "maestro", "market")
        for good, bad in (("good", "lazy"), ("very kind", "rude"), ("kind", "very bad"))
    ]
    job = Job(base, pairs[:8], pairs[8:], recipe, 1, "cpu", scratch, False, False)
    trained = tune(job, tokenizer, lambda line: None)
    return trained, pairs


def test_the_adopted_model_is_the_source(family: tuple[str, bool, Path]) -> None:
    """Same logits as transformers has for the source; embeddings tied as in the source; the context is that stated."""
    name, tied, base = family
    model, tokenizer = load(base, CPU)
    source = AutoModelForCausalLM.from_pretrained(base.parent / "source").eval()
    ids = torch.tensor([tokenizer(TEXTS[1])["input_ids"]])
    with torch.inference_mode():
        assert torch.equal(model(ids).logits, source(ids).logits)
    assert (model.get_input_embeddings().weight is model.get_output_embeddings().weight) == tied
    assert context_length(model) == (UNSTATED_CONTEXT if name == "bloom" else tiny_models.CONTEXT)
    assert UNSTATED_CONTEXT == 2048
    assert adds_space(tokenizer) == (name == "llama")


def test_texts_and_likelihoods_do_not_depend_on_the_batch(family: tuple[str, bool, Path]) -> None:
    """Three continuations of four prompts of 1 to 30 tokens: one prompt at a time, or all at once."""
    model, tokenizer = load(family[2], CPU)
    decoding = Decoding(samples=3, new_tokens=8, top_p=0.8, temperature=0.9)
    identities = [(1, "en", number) for number in range(4)]
    one, all_ = (continue_prompts(model, tokenizer, TEXTS, identities, decoding, batch) for batch in (1, 12))
    assert one == all_
    assert len({sample.text for samples in one for sample in samples}) > 3
    prompts = [tokenizer(text)["input_ids"] for text in TEXTS]
    continuations = [samples[0].tokens for samples in one]
    alone, together = (continuation_nll(model, tokenizer, prompts, continuations, batch) for batch in (1, 8))
    assert alone == pytest.approx(together, abs=1e-3)


def test_full_tuning_takes_two_steps(family: tuple[str, bool, Path], tmp_path: Path) -> None:
    """The loss starts at log 2, weights change, and the policy is an ordinary directory with the same ties."""
    _, tied, base = family
    trained, _ = _tune(base, RECIPE, tmp_path / "scratch")
    assert trained.curves[0]["validation_loss"] == pytest.approx(0.693147, abs=1e-4)
    assert [row["step"] for row in trained.curves] == [0, 1, 2]
    assert save_policy(trained, load(base, CPU)[1], RECIPE, tmp_path / "policy", CPU) is None
    policy, tokenizer = load(tmp_path / "policy", CPU)
    before = load(base, CPU)[0]
    assert not torch.equal(policy.get_input_embeddings().weight, before.get_input_embeddings().weight)
    assert (policy.get_input_embeddings().weight is policy.get_output_embeddings().weight) == tied
    assert tokenizer.get_vocab() == AutoTokenizer.from_pretrained(base).get_vocab()


def test_an_adapter_is_merged_into_what_was_trained(family: tuple[str, bool, Path], tmp_path: Path) -> None:
    """Linear layers change and embeddings do not; merged and reloaded logits are the trained ones to 1e-3."""
    _, tied, base = family
    recipe = RECIPE.model_copy(update={"tuning": ADAPTER})
    trained, _ = _tune(base, recipe, tmp_path / "scratch")
    gap = save_policy(trained, load(base, CPU)[1], recipe, tmp_path / "policy", CPU)
    assert gap is not None and max(gap.merged, gap.reloaded) < 1e-3
    policy, before = load(tmp_path / "policy", CPU)[0], load(base, CPU)[0]
    assert torch.equal(policy.get_input_embeddings().weight, before.get_input_embeddings().weight)
    assert torch.equal(policy.get_output_embeddings().weight, before.get_output_embeddings().weight)
    assert (policy.get_input_embeddings().weight is policy.get_output_embeddings().weight) == tied
    probe = torch.tensor([trained.adapted.probes[0]])  # type: ignore[union-attr]
    with torch.inference_mode():
        assert (policy(probe).logits - before(probe).logits).abs().max() > 1e-2
    names = {path.name for path in (tmp_path / "policy").rglob("*") if path.is_file()}
    assert {"adapter_config.json", "adapter_model.safetensors", "model.safetensors"} <= names
    assert trained.trainable < 0.5 * before.num_parameters()
