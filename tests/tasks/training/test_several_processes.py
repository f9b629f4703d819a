"""Training in several processes gives what one process gives."""

import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from tasks.models.language_model import load
from tasks.training import several_processes
from tasks.training.preference import Job, has_ended, tune
from tasks.training.preference_pair import tokenise_pair
from tasks.training.recipe import Dpo, Full, Kto
from tests import tiny_models

ROOT = Path(__file__).resolve().parents[3]
RECIPE = Dpo(
    method="dpo", loss="sigmoid", label_smoothing=0.0, beta=0.1, tuning=Full(kind="full"), optimiser="rmsprop",
    schedule="constant_with_warmup", learning_rate=0.002, batch=4, accumulation=1, epochs=1, warmup_steps=0,
    max_grad_norm=10, evaluate_every=2, patience=3, min_improvement=0.0, end_completions=True,
)  # fmt: skip
# Processes that wait for each other wait for ever.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama without dropout."""
    return tiny_models.make(tmp_path_factory.mktemp("model") / "base", "llama", tied=False)


@pytest.fixture(autouse=True)
def _root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes are started where the project's modules are."""
    monkeypatch.chdir(ROOT)


def job(base: Path, scratch: Path, recipe: Dpo | Kto = RECIPE) -> Job:
    """Sixteen training pairs, four steps; four validation pairs."""
    scratch.mkdir(parents=True)
    tokenizer = load(base, torch.device("cpu"))[1]
    pairs = [
        tokenise_pair(tokenizer, f"the {who} {number}", " is good.", " is bad and lazy.", end=True)
        for who in ("teacher", "doctor", "maestro", "market")
        for number in range(5)
    ]
    return Job(base, pairs[:16], pairs[16:], recipe, 1, "cpu", scratch, False, False)


def test_two_processes_train_what_one_trains(base: Path, tmp_path: Path) -> None:
    """Same global batches, so the same losses and weights up to the order of sums, and arguments of one process."""
    tokenizer = load(base, torch.device("cpu"))[1]
    lines: list[str] = []
    alone = tune(job(base, tmp_path / "one"), tokenizer, lambda line: None)
    shared = job(base, tmp_path / "two")
    several_processes.train(shared, TWO)
    assert has_ended(shared.scratch)
    together = tune(shared, tokenizer, lines.append)
    assert lines == []  # nothing was trained again
    assert [row["step"] for row in together.curves] == [0, 2, 4] and together.best_step == alone.best_step
    for one, two in zip(alone.curves, together.curves, strict=True):
        assert two["validation_loss"] == pytest.approx(one["validation_loss"], rel=1e-4)
    start = AutoModelForCausalLM.from_pretrained(base).state_dict()
    weights = together.model.state_dict()
    for name, value in alone.model.state_dict().items():
        torch.testing.assert_close(weights[name], value, atol=2e-4, rtol=1e-3)
    assert any(not torch.equal(weights[name], start[name]) for name in weights)
    assert together.arguments["per_device_train_batch_size"] == 4


def test_an_accelerate_configuration_starts_the_training(base: Path, tmp_path: Path) -> None:
    """`accelerate launch` with a file of `accelerate config`; a second time nothing is left to train."""
    config = tmp_path / "mine.yaml"
    config.write_text(
        "compute_environment: LOCAL_MACHINE\ndistributed_type: 'NO'\nmixed_precision: 'no'\nnum_machines: 1\n"
        "num_processes: 1\nuse_cpu: true\n"
    )
    asked = job(base, tmp_path / "scratch")
    several_processes.train(asked, several_processes.launcher(str(config)))
    trained = tune(asked, load(base, torch.device("cpu"))[1], lambda line: None)
    assert trained.curves[-1]["step"] == 4
    several_processes.train(asked, ["/no/such/command"])


def test_a_configuration_is_a_file_or_one_of_trl(tmp_path: Path) -> None:
    """Names of TRL's presets stand for their files; anything else is refused with those that there are."""
    assert several_processes.configuration("fsdp2").read_text().count("fsdp_version: 2") == 1
    with pytest.raises(ValueError, match=r"'eight' is no file, and none of .*fsdp2, multi_gpu, .*zero2, zero3"):
        several_processes.configuration("eight")


@pytest.mark.parametrize(
    ("change", "said"),
    [({"batch": 3}, "batch is 3, which 2 processes cannot share equally"), ({}, "kto estimates a divergence")],
    ids=["batch", "kto"],
)
def test_what_cannot_be_shared_is_refused(
    base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], change: dict[str, int], said: str
) -> None:
    """The processes say why, and the study fails with their command; no checkpoint is taken for a result."""
    shared = {name: value for name, value in RECIPE.model_dump().items() if name not in ("loss", "label_smoothing")}
    kto = Kto(**shared | {"method": "kto", "loss": "kto", "desirable_weight": 1.0, "undesirable_weight": 1.0})
    recipe = RECIPE.model_copy(update=change) if change else kto
    asked = job(base, tmp_path / "scratch", recipe)
    with pytest.raises(RuntimeError, match=r"training processes ended with status 1; .*torch\.distributed\.run"):
        several_processes.train(asked, TWO)
    assert said in capfd.readouterr().err
    assert not has_ended(asked.scratch)
