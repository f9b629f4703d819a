"""Preference tuning is DPO as written down, learns, and survives a kill without a trace."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import logsigmoid
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.models.language_model import load
from tasks.training.preference import Job, Trained, tune
from tasks.training.preference_pair import Pair, tokenise_pair
from tasks.training.recipe import Dpo, Full

pytestmark = pytest.mark.slow  # trains many tiny models
CPU = torch.device("cpu")
SUBJECTS = ("teacher", "doctor", "king", "queen", "child", "woman", "man", "cook", "judge", "baker", "poet", "pilot")
GOOD, BAD = ("good", "kind", "wise", "brave"), ("stupid", "lazy", "rude", "bad")
# Twelve pairs in 3 batches per epoch; validated every 2 steps up to step 12.
RECIPE = Dpo(
    method="dpo",
    loss="sigmoid",
    label_smoothing=0.0,
    tuning=Full(kind="full"),
    optimiser="rmsprop",
    schedule="constant_with_warmup",
    beta=0.1,
    learning_rate=0.002,
    batch=4,
    accumulation=1,
    epochs=4,
    warmup_steps=2,
    max_grad_norm=10,
    evaluate_every=2,
    patience=3,
    min_improvement=0.0,
    end_completions=True,
)


@pytest.fixture(scope="module")
def tokenizer(tiny_model_dir: Path) -> PreTrainedTokenizerBase:
    return load(tiny_model_dir, CPU)[1]


@pytest.fixture(scope="module")
def pairs(tokenizer: PreTrainedTokenizerBase) -> tuple[list[Pair], list[Pair]]:
    """12 training and 5 validation pairs: praise is chosen, insults are rejected; lengths differ."""
    made = [
        tokenise_pair(tokenizer, f"the {who}", f" is {GOOD[i % 4]}." * (1 + i % 2), f" is {BAD[i % 4]}.", end=True)
        for i, who in enumerate(itertools.islice(itertools.cycle(SUBJECTS), 17))
    ]
    return made[:12], made[12:]


def _tune(
    base: Path,
    pairs: tuple[list[Pair], list[Pair]],
    scratch: Path,
    recipe: Dpo = RECIPE,
    report: Callable[[str], None] = lambda line: None,
) -> Trained:
    _, tokenizer = load(base, CPU)
    return tune(Job(base, *pairs, recipe, 1, "cpu", scratch, live=False, show_progress=False), tokenizer, report)


@pytest.fixture(scope="module")
def trained(
    tiny_model_dir: Path, pairs: tuple[list[Pair], list[Pair]], tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """An uninterrupted run."""
    return _tune(tiny_model_dir, pairs, tmp_path_factory.mktemp("tune"))


# -- the loss ----------------------------------------------------------------------------------------------------------


@torch.inference_mode()
def _log_prob(model: PreTrainedModel, prompt: tuple[int, ...], completion: tuple[int, ...]) -> float:
    """Log p(completion | prompt), summed token by token, one sequence at a time."""
    ids = [*prompt, *completion]
    logs = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(dim=-1)
    return math.fsum(float(logs[at - 1, ids[at]]) for at in range(len(prompt), len(ids)))


def _rewards(policy: PreTrainedModel, reference: PreTrainedModel, pairs: list[Pair]) -> list[tuple[float, float]]:
    """Beta * log-ratio of chosen and rejected (Rafailov et al. 2023, sec. 4)."""
    return [
        tuple(  # type: ignore[misc]  # two
            RECIPE.beta * (_log_prob(policy, pair.prompt, side) - _log_prob(reference, pair.prompt, side))
            for side in (pair.chosen, pair.rejected)
        )
        for pair in pairs
    ]


def test_before_training_the_loss_is_log_2(trained: Trained) -> None:
    """At step 0 policy and reference are the same model: all rewards are 0, and the loss is -log sigmoid(0)."""
    first = trained.curves[0]
    assert first["step"] == 0
    assert first["validation_loss"] == pytest.approx(math.log(2), abs=1e-6)
    for name in ("reward_chosen", "reward_rejected", "reward_margin"):
        assert first[f"validation_{name}"] == pytest.approx(0, abs=1e-5)


def test_validation_loss_is_dpo_by_hand(
    trained: Trained, tiny_model_dir: Path, pairs: tuple[list[Pair], list[Pair]]
) -> None:
    """-log sigmoid(reward of chosen - reward of rejected), from log-probabilities of the returned model and the base.

    The loss that was reported at the best step, and its rewards, are these to 1e-4; so the returned weights are that
    step's, the reference is the base, and the prompts' tokens do not count.
    """
    reference, _ = load(tiny_model_dir, CPU)
    rewards = _rewards(trained.model.eval(), reference, pairs[1])
    margins = torch.tensor([chosen - rejected for chosen, rejected in rewards], dtype=torch.float64)
    (best,) = [row for row in trained.curves if row["step"] == trained.best_step]
    assert best["validation_loss"] == pytest.approx(float(-logsigmoid(margins).mean()), abs=1e-4)
    assert best["validation_reward_chosen"] == pytest.approx(sum(c for c, _ in rewards) / 5, abs=1e-4)
    assert best["validation_reward_rejected"] == pytest.approx(sum(r for _, r in rewards) / 5, abs=1e-4)
    assert best["validation_reward_margin"] == pytest.approx(float(margins.mean()), abs=1e-4)
    assert best["validation_reward_accuracy"] == pytest.approx(float((margins > 0).double().mean()))


def test_the_best_step_is_returned_not_the_last(
    tiny_model_dir: Path, pairs: tuple[list[Pair], list[Pair]], tmp_path: Path
) -> None:
    """If the validation pairs want the opposite, each step is worse than the one before.

    The first validation after the start (step 2) is then the best, patience 3 ends training at step 8, and the weights
    are those of step 2: their loss by hand is the one that was reported there.
    """
    training, validation = pairs
    opposite = [Pair(pair.prompt, pair.rejected, pair.chosen) for pair in validation]
    tuned = _tune(tiny_model_dir, (training, opposite), tmp_path)
    losses = _validations(tuned)
    assert list(losses) == [0, 2, 4, 6, 8]
    assert tuned.best_step == 2
    rewards = _rewards(tuned.model.eval(), load(tiny_model_dir, CPU)[0], opposite)
    margins = torch.tensor([chosen - rejected for chosen, rejected in rewards], dtype=torch.float64)
    assert losses[2] == pytest.approx(float(-logsigmoid(margins).mean()), abs=1e-4)
    assert losses[8] > losses[2] + 0.1


def test_training_lowers_the_validation_loss(trained: Trained) -> None:
    """Praise comes to be preferred in pairs that were not trained on; the best step has the lowest loss."""
    validated = {row["step"]: row["validation_loss"] for row in trained.curves if "validation_loss" in row}
    assert list(validated) == [0, 2, 4, 6, 8, 10, 12]
    assert validated[trained.best_step] < math.log(2) - 0.05
    assert validated[trained.best_step] == min(loss for step, loss in validated.items() if step > 0)


def test_curves_have_training_and_validation_side_by_side(trained: Trained) -> None:
    """Each validated step has losses and rewards of both splits; margins are chosen minus rejected."""
    assert len(trained.curves) == 7
    names = ("loss", "reward_chosen", "reward_rejected", "reward_margin", "reward_accuracy")
    for row in trained.curves:
        for split in ("train", "validation") if row["step"] > 0 else ("validation",):
            assert all(math.isfinite(row[f"{split}_{name}"]) for name in names)
            margin = row[f"{split}_reward_chosen"] - row[f"{split}_reward_rejected"]
            assert row[f"{split}_reward_margin"] == pytest.approx(margin, abs=1e-4)


def test_the_recipe_is_what_was_run(trained: Trained) -> None:
    """The resolved arguments hold the recipe's values, RMSprop, a constant rate, and all 17 pairs' texts uncut."""
    wanted = {
        "beta": 0.1, "learning_rate": 0.002, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 1,
        "num_train_epochs": 4, "warmup_steps": 2, "max_grad_norm": 10, "eval_steps": 2, "seed": 1, "optim": "rmsprop",
        "weight_decay": 0.0, "max_length": None, "loss_type": ["sigmoid"],
    }  # fmt: skip
    assert {name: trained.arguments[name] for name in wanted} == wanted
    assert trained.arguments["lr_scheduler_type"] == "constant_with_warmup"


def test_the_same_seed_gives_the_same_weights(
    trained: Trained, tiny_model_dir: Path, pairs: tuple[list[Pair], list[Pair]], tmp_path: Path
) -> None:
    """A second run on the same machine ends with bit-identical weights and curves, and leaves the base as it was."""
    before = (tiny_model_dir / "model.safetensors").read_bytes()
    again = _tune(tiny_model_dir, pairs, tmp_path)
    _assert_same(again, trained)
    assert (tiny_model_dir / "model.safetensors").read_bytes() == before


# -- interruptions -----------------------------------------------------------------------------------------------------


def _kill_at(validation: int) -> Callable[[str], None]:
    """A report that is interrupted at the n-th validation (the one before training is the first)."""
    count = itertools.count(1)

    def report(line: str) -> None:
        assert line.startswith("step ") and "validation loss" in line
        if next(count) == validation:
            raise KeyboardInterrupt

    return report


def _assert_same(one: Trained, other: Trained) -> None:
    assert one.best_step == other.best_step
    first, second = one.model.state_dict(), other.model.state_dict()
    assert list(first) == list(second)
    assert len(first) >= 28
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    assert one.curves == other.curves


def _validations(run: Trained) -> dict[float, float]:
    return {row["step"]: row["validation_loss"] for row in run.curves if "validation_loss" in row}


@pytest.mark.parametrize("validation", [2, 3, 6])
def test_kill_and_resume_leaves_no_trace(
    trained: Trained, tiny_model_dir: Path, pairs: tuple[list[Pair], list[Pair]], tmp_path: Path, validation: int
) -> None:
    """Killed before the first checkpoint, at the second, or late, and called again: weights are bit-identical."""
    with pytest.raises(KeyboardInterrupt):
        _tune(tiny_model_dir, pairs, tmp_path, report=_kill_at(validation))
    lines: list[str] = []
    resumed = _tune(tiny_model_dir, pairs, tmp_path, report=lines.append)
    steps = [int(line.removeprefix("step ").partition(":")[0]) for line in lines]
    newest = 2 * (validation - 2)  # the n-th validation is at step 2 (n - 1), and its checkpoint was not yet written
    assert steps[0] in ((newest, newest + 2) if newest else (0,))  # it went on there, and did not start over
    assert steps[-1] == 12
    _assert_same(resumed, trained)


def test_patience_survives_a_kill(tiny_model_dir: Path, pairs: tuple[list[Pair], list[Pair]], tmp_path: Path) -> None:
    """With a minimum improvement that is never met, training stops at the 5th validation, killed on the way or not.

    Of the validations at steps 0, 2, 4, 6, 8 the first two set the mark and the next three do not better it by 10
    nats, so patience 3 is used up at step 8. A run that is killed at any of them and called again stops there too.
    """
    recipe = RECIPE.model_copy(update={"min_improvement": 10.0})
    whole = _tune(tiny_model_dir, pairs, tmp_path / "whole", recipe)
    assert list(_validations(whole)) == [0, 2, 4, 6, 8]
    for validation in (3, 4, 5):
        scratch = tmp_path / f"killed_{validation}"
        with pytest.raises(KeyboardInterrupt):
            _tune(tiny_model_dir, pairs, scratch, recipe, _kill_at(validation))
        _assert_same(_tune(tiny_model_dir, pairs, scratch, recipe), whole)


@pytest.mark.parametrize("min_improvement", [0.0, 10.0], ids=["ran to the end", "stopped early"])
def test_a_finished_run_is_not_trained_on(
    tiny_model_dir: Path, pairs: tuple[list[Pair], list[Pair]], tmp_path: Path, min_improvement: float
) -> None:
    """Called again after the last checkpoint, as after a kill while the result is written, it gives the same result."""
    recipe = RECIPE.model_copy(update={"min_improvement": min_improvement})
    whole = _tune(tiny_model_dir, pairs, tmp_path, recipe)
    _assert_same(_tune(tiny_model_dir, pairs, tmp_path, recipe), whole)


def test_a_checkpoint_cut_short_is_not_resumed(
    trained: Trained, tiny_model_dir: Path, pairs: tuple[list[Pair], list[Pair]], tmp_path: Path
) -> None:
    """A checkpoint folder without the state that is written last is passed over for the one before it."""
    with pytest.raises(KeyboardInterrupt):
        _tune(tiny_model_dir, pairs, tmp_path, report=_kill_at(4))
    folders = sorted(path.name for path in tmp_path.glob("checkpoint-*"))
    assert folders == ["checkpoint-2", "checkpoint-4"]
    (tmp_path / "checkpoint-4" / "trainer_state.json").unlink()
    lines: list[str] = []
    _assert_same(_tune(tiny_model_dir, pairs, tmp_path, report=lines.append), trained)
    assert lines[0].startswith(("step 2:", "step 4:"))  # from the checkpoint at step 2


def test_an_unknown_key_of_the_recipe_is_refused() -> None:
    """A misspelt hyperparameter is no silent default."""
    values: dict[str, Any] = {**RECIPE.model_dump(), "betta": 0.5}
    with pytest.raises(ValueError, match="betta"):
        Dpo(**values)
