"""Every method and loss trains on the same token ids, and its loss is what its paper says."""

import math
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch.nn.functional import logsigmoid
from transformers import PreTrainedModel
from trl import DPOConfig

from tasks.models.language_model import load
from tasks.training import methods
from tasks.training.preference import Job, Trained, tune
from tasks.training.preference_pair import Pair, tokenise_pair
from tasks.training.recipe import Dpo, Recipe

pytestmark = pytest.mark.slow  # trains many tiny models
CPU = torch.device("cpu")
COMMON: dict[str, Any] = {
    "tuning": {"kind": "full"},
    "optimiser": "rmsprop",
    "schedule": "constant_with_warmup",
    "learning_rate": 0.002,
    "batch": 4,
    "accumulation": 1,
    "epochs": 1,
    "warmup_steps": 0,
    "max_grad_norm": 10,
    "evaluate_every": 2,
    "patience": 3,
    "min_improvement": 0.0,
    "end_completions": True,
}
METHODS: dict[str, dict[str, Any]] = {
    "dpo": {"method": "dpo", "loss": "sigmoid", "beta": 0.1, "label_smoothing": 0.0},
    "kto": {"method": "kto", "loss": "kto", "beta": 0.1, "desirable_weight": 1.0, "undesirable_weight": 1.0},
    "orpo": {"method": "orpo", "beta": 0.1},
    "cpo": {"method": "cpo", "loss": "sigmoid", "beta": 0.1, "chosen_weight": 1.0},
    "simpo": {"method": "simpo", "beta": 2.0, "gamma": 1.0},
    "sft": {"method": "sft"},
}
LOSSES = get_args(Dpo.model_fields["loss"].annotation)


def recipe(values: dict[str, Any], **changes: Any) -> Any:
    return TypeAdapter(Recipe).validate_python({**COMMON, **values, **changes})


@pytest.fixture(scope="module")
def pairs(tiny_model_dir: Path) -> list[Pair]:
    """Eight to train on and four to validate; the lengths of prompts and completions differ."""
    tokenizer = load(tiny_model_dir, CPU)[1]
    return [
        tokenise_pair(tokenizer, f"the {who}", f" is {good}." * (1 + n % 2), f" is {bad}.", end=True)
        for n, (who, good, bad) in enumerate(
            (who, good, bad)
            for who in ("teacher", "doctor", "king", "old market")
            for good, bad in (("good", "lazy"), ("very kind", "rude"), ("kind", "very bad"))
        )
    ]


def _tune(base: Path, pairs: list[Pair], values: Any, scratch: Path) -> Trained:
    tokenizer = load(base, CPU)[1]
    return tune(Job(base, pairs[:8], pairs[8:], values, 1, "cpu", scratch, False, False), tokenizer, lambda line: None)


@torch.inference_mode()
def _log_prob(model: PreTrainedModel, prompt: tuple[int, ...], completion: tuple[int, ...]) -> float:
    ids = [*prompt, *completion]
    logs = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(dim=-1)
    return math.fsum(float(logs[at - 1, ids[at]]) for at in range(len(prompt), len(ids)))


def _by_hand(method: str, model: PreTrainedModel, pairs: list[Pair]) -> float:
    """Loss of the untrained model, where policy and reference are one: from log-probabilities token by token."""
    chosen = [(_log_prob(model, pair.prompt, pair.chosen), len(pair.chosen)) for pair in pairs]
    rejected = [(_log_prob(model, pair.prompt, pair.rejected), len(pair.rejected)) for pair in pairs]
    likelihood = -sum(total for total, _ in chosen) / sum(length for _, length in chosen)
    both = list(zip(chosen, rejected, strict=True))
    if method == "dpo":  # -log sigmoid(0)
        return math.log(2)
    if method == "kto":  # 1 - sigmoid(beta * (0 - 0)) for either side
        return 0.5
    if method == "sft":
        return likelihood
    if method == "cpo":
        margins = torch.tensor([0.1 * (c - r) for (c, _), (r, _) in both], dtype=torch.float64)
        return float(-logsigmoid(margins).mean()) + likelihood
    if method == "simpo":
        margins = torch.tensor([2.0 * (c / n - r / m) - 1.0 for (c, n), (r, m) in both], dtype=torch.float64)
        return float(-logsigmoid(margins).mean())
    odds = []  # ORPO: log odds of the mean token probability, p / (1 - p)
    for (c, n), (r, m) in both:
        log_odds = (c / n - r / m) - (math.log1p(-math.exp(c / n)) - math.log1p(-math.exp(r / m)))
        odds.append(log_odds)
    # ORPO's authors take the likelihood of prompt and chosen together.
    texts = [
        (_log_prob(model, p.prompt[:1], (*p.prompt[1:], *p.chosen)), len(p.prompt) + len(p.chosen) - 1) for p in pairs
    ]
    whole = -sum(total for total, _ in texts) / sum(length for _, length in texts)
    return whole - 0.1 * float(logsigmoid(torch.tensor(odds, dtype=torch.float64)).mean())


@pytest.mark.parametrize("method", METHODS)
def test_the_first_loss_is_that_of_the_paper(
    method: str, tiny_model_dir: Path, pairs: list[Pair], tmp_path: Path
) -> None:
    """Before the first step, the validation loss is the formula by hand, on the ids of the pairs and no others."""
    trained = _tune(tiny_model_dir, pairs, recipe(METHODS[method]), tmp_path)
    expected = _by_hand(method, load(tiny_model_dir, CPU)[0], pairs[8:])
    assert trained.curves[0]["step"] == 0
    assert trained.curves[0]["validation_loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_and_keeps_the_columns(
    method: str, tiny_model_dir: Path, pairs: list[Pair], tmp_path: Path
) -> None:
    """After six steps the validation loss is lower; columns are those of DPO, empty where there is nothing."""
    trained = _tune(tiny_model_dir, pairs, recipe(METHODS[method], epochs=3), tmp_path)
    assert [row["step"] for row in trained.curves] == [0, 2, 4, 6]
    assert trained.curves[-1]["validation_loss"] < trained.curves[0]["validation_loss"]
    names = ("loss", "reward_chosen", "reward_rejected", "reward_margin", "reward_accuracy")
    assert set(trained.curves[-1]) == {"step", *(f"{s}_{n}" for s in ("train", "validation") for n in names)}
    missing = {name for name in names if math.isnan(trained.curves[-1][f"validation_{name}"])}
    expected = {"sft": set(names) - {"loss"}, "kto": {"reward_accuracy"}}
    assert missing == expected.get(method, set())
    assert trained.arguments["per_device_train_batch_size"] == (8 if method == "kto" else 4)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_of_dpo_trains(loss: str, tiny_model_dir: Path, pairs: list[Pair], tmp_path: Path) -> None:
    """Two steps with each loss: finite, and the weights move."""
    smoothing = 0.001 if loss == "exo_pair" else 0.0
    values = recipe(METHODS["dpo"], loss=loss, label_smoothing=smoothing)
    trained = _tune(tiny_model_dir, pairs, values, tmp_path)
    assert trained.arguments["loss_type"] == [loss]
    assert all(math.isfinite(row["validation_loss"]) for row in trained.curves)
    before = load(tiny_model_dir, CPU)[0].state_dict()
    assert any(not torch.equal(tensor, before[name]) for name, tensor in trained.model.state_dict().items())


def test_the_losses_are_those_of_the_installed_trl() -> None:
    """TRL's own help names these and `sft`, which is a method here."""
    told = DPOConfig.__dataclass_fields__["loss_type"].metadata["help"]
    named = {word.strip("`',. ") for word in told.partition("Possible values are:")[2].partition(". If")[0].split()}
    assert named == {*LOSSES, "sft"}


def test_kto_pairs_each_completion_with_its_neighbour(pairs: list[Pair]) -> None:
    """Within a batch the completions are turned by one place, so they are the same set; every completion is there."""
    import random  # noqa: PLC0415

    rows = methods._unpaired(pairs[:6], random.Random("x"), 4)
    assert len(rows) == 12 and sum(rows["label"]) == 6
    for start in (0, 4, 8):
        batch = rows[start : start + 4]
        assert batch["KL_completion_ids"] == [batch["completion_ids"][-1], *batch["completion_ids"][:-1]]
    assert sorted(map(tuple, rows["completion_ids"])) == sorted(s for p in pairs[:6] for s in (p.chosen, p.rejected))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({**METHODS["dpo"], "label_smoothing": 0.1}, "label_smoothing has no effect on loss 'sigmoid'"),
        ({**METHODS["dpo"], "loss": "exo_pair"}, "undefined without label_smoothing"),
        ({**METHODS["dpo"], "loss": "kto_pair"}, "sigmoid_norm"),
        ({**METHODS["sft"], "beta": 0.1}, "beta"),
        ({**METHODS["dpo"], "tuning": {"kind": "lora", "r": 4}}, "merge_tolerance"),
        ({"method": "ppo"}, "'dpo', 'kto', 'orpo', 'cpo', 'simpo', 'sft'"),
    ],
)
def test_a_recipe_that_would_not_do_what_it_says_is_refused(values: dict[str, Any], message: str) -> None:
    """A knob without effect, a missing or foreign key, an unknown method: the message names it."""
    with pytest.raises(ValidationError, match=message):
        recipe(values)


def test_pairs_longer_than_the_context_are_dropped_and_counted(
    tiny_model_dir: Path, pairs: list[Pair], tmp_path: Path
) -> None:
    """Of a model of 64 positions, a pair of 64 tokens is trained on and one of 65 is not; none left is an error."""
    fits, long = (Pair((1,) * 32, (3,) * length, (4,)) for length in (32, 33))
    trained = _tune(tiny_model_dir, [fits, long, *pairs[2:]], recipe(METHODS["orpo"]), tmp_path / "a")
    assert trained.dropped == 1
    assert trained.arguments["max_length"] == 64
    with pytest.raises(ValueError, match="no training pair fits the model's context of 64 tokens"):
        _tune(tiny_model_dir, [long] * 8 + pairs[8:], recipe(METHODS["dpo"]), tmp_path / "b")
