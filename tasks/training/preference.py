"""Preference tuning with TRL: one policy from pairs, by the recipe's method."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    TrainerState,
    set_seed,
)

from tasks.models.language_model import context_length, pad_id
from tasks.training import adapters
from tasks.training.curves import curves
from tasks.training.methods import Arguments, arguments, make_trainer
from tasks.training.preference_pair import Pair
from tasks.training.recipe import Full, Lora, Qlora, Recipe

# Pairs per validation batch; a model over this size has no room for more than it trains on.
_EVALUATION_BATCH, _SMALL_MODEL = 64, 100_000_000
_PROBES = 4  # validation pairs on which a merged model is compared with the trained one


@dataclass(frozen=True)
class Adapted:
    """What a low-rank adapter leaves behind: its folder, and the logits by which its merging is judged."""

    folder: Path
    probes: list[tuple[int, ...]]
    logits: list[torch.Tensor]
    merged_gap: float


@dataclass(frozen=True)
class Job:
    """What is trained on what; with it a process can train that shares no memory with the one that asks.

    Attributes:
        base: Model directory; also the reference of methods that have one.
        training: Pairs to learn from; those that do not fit the model's context are dropped and counted.
        validation: Pairs that choose the best checkpoint and stop early.
        recipe: Method and hyperparameters.
        seed: Order of the pairs, and the adapter's first weights.
        device: cpu or cuda.
        scratch: Folder for checkpoints, one at each validation.
        live: Log to MLflow while training.
        show_progress: Show a bar.
    """

    base: Path
    training: Sequence[Pair]
    validation: Sequence[Pair]
    recipe: Recipe
    seed: int
    device: str
    scratch: Path
    live: bool
    show_progress: bool


@dataclass(frozen=True)
class Trained:
    """The tuned model (best validation loss) as plain weights, the training curves and every resolved argument."""

    model: PreTrainedModel
    curves: list[dict[str, float]]
    best_step: int
    arguments: Mapping[str, Any]
    dropped: int  # pairs that do not fit the model's context
    trainable: int  # parameters
    adapted: Adapted | None


class _Log(TrainerCallback):
    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        metrics = kwargs["metrics"]
        accuracy = metrics.get("eval_rewards/accuracies")
        told = "" if accuracy is None else f", reward accuracy {accuracy:.3f}"
        self._report(f"step {state.global_step}: validation loss {metrics['eval_loss']:.4f}{told}")


def tune(job: Job, tokenizer: PreTrainedTokenizerBase, report: Callable[[str], None]) -> Trained:
    """One policy, by the method of the recipe.

    Resumes from the newest checkpoint in `scratch`; the weights that come out are then the same as without the
    interruption. If training had ended there, be it in other processes, only its best checkpoint is read.

    Args:
        job: What to train.
        tokenizer: The base model's.
        report: Receives one line per validation.

    Raises:
        ValueError: This machine cannot train so, or no pair fits the model's context.
    """
    tuning, device = job.recipe.tuning, torch.device(job.device)
    adapters.check_installed(tuning, device)
    model = adapters.base_model(job.base, tuning, device)
    tokenizer.pad_token_id = pad_id(tokenizer)
    training, validation = _fitting(job, model)
    configured = _arguments(job, model, max(map(_length, training + validation)), processes=1)
    recorded = configured.to_dict()  # type: ignore[no-untyped-call]
    complete = _complete(job.scratch)
    ended = _ended(complete[-1]) if complete else None
    if ended:
        kept_at = Path(str(ended.best_model_checkpoint))
        best: Any = (
            adapters.base_model(kept_at, tuning, device)
            if isinstance(tuning, Full)
            else adapters.with_adapter(job.base, kept_at, tuning, device)
        )
        history, best_step = ended.log_history, int(kept_at.name.split("-")[1])
    else:
        trainer = _train(job, model, configured, training, validation, tokenizer, report)
        best, history = trainer.model, trainer.state.log_history
        found = trainer.state.best_model_checkpoint
        best_step = int(Path(found).name.split("-")[1]) if found else 0
    full = isinstance(tuning, Full)
    trainable = sum(v.numel() for n, v in best.named_parameters() if full or "lora_" in n)
    adapted = None
    if not isinstance(tuning, Full):
        best, adapted = _merged(best, job.base, tuning, job.scratch / "adapter", validation, device)
    dropped = len(job.training) + len(job.validation) - len(training) - len(validation)
    return Trained(best, curves(history), best_step, recorded, dropped, trainable, adapted)


def train_only(job: Job, tokenizer: PreTrainedTokenizerBase, processes: int, report: Callable[[str], None]) -> None:
    """This process's part of a training run in several; what is left are its checkpoints, from which `tune` goes on.

    The global batch is the recipe's: each process has its share of it.

    Raises:
        ValueError: The batch cannot be shared so, or the method needs all of it in one process.
    """
    device = torch.device(job.device)
    model = adapters.base_model(job.base, job.recipe.tuning, device)
    tokenizer.pad_token_id = pad_id(tokenizer)
    training, validation = _fitting(job, model)
    configured = _arguments(job, model, max(map(_length, training + validation)), processes)
    _train(job, model, configured, training, validation, tokenizer, report)


def has_ended(scratch: Path) -> bool:
    """Whether training had ended in this folder, so that nothing is left to train."""
    complete = _complete(scratch)
    return bool(complete) and _ended(complete[-1]) is not None


def _train(
    job: Job,
    model: PreTrainedModel,
    configured: Arguments,
    training: list[Pair],
    validation: list[Pair],
    tokenizer: PreTrainedTokenizerBase,
    report: Callable[[str], None],
) -> Any:
    """TRL's trainer after training."""
    recipe = job.recipe
    lora = None if isinstance(recipe.tuning, Full) else adapters.lora_config(model, recipe.tuning)
    complete = _complete(job.scratch)
    if lora:
        set_seed(job.seed)  # of the adapter's first weights
    trainer = make_trainer(
        model,
        configured,
        recipe,
        training,
        validation,
        tokenizer,
        [EarlyStoppingCallback(recipe.patience, recipe.min_improvement), _Log(report)],
        lora,
    )
    trainer.remove_callback(PrinterCallback)
    # A resumed run restores its patience, and must not validate the checkpoint a second time: that would use some up.
    trainer.args.eval_on_start = not complete
    trainer.train(resume_from_checkpoint=str(complete[-1]) if complete else None)
    return trainer


def _fitting(job: Job, model: PreTrainedModel) -> tuple[list[Pair], list[Pair]]:
    """Training and validation pairs that fit the model's context."""
    limit = context_length(model)
    kept = [[pair for pair in pairs if _length(pair) <= limit] for pairs in (job.training, job.validation)]
    for name, pairs in zip(("training", "validation"), kept, strict=True):
        if not pairs:
            raise ValueError(f"no {name} pair fits the model's context of {limit} tokens: shorten the pairs")
    return kept[0], kept[1]


def _complete(scratch: Path) -> list[Path]:
    """Checkpoints that were written whole, the newest last."""
    checkpoints = sorted(scratch.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    return [path for path in checkpoints if (path / "trainer_state.json").exists()]


def _length(pair: Pair) -> int:
    return len(pair.prompt) + max(len(pair.chosen), len(pair.rejected))


def _arguments(job: Job, model: PreTrainedModel, longest: int, processes: int) -> Arguments:
    recipe, seed, bf16 = job.recipe, job.seed, job.device.startswith("cuda")
    if recipe.batch % processes:
        raise ValueError(
            f"train_dpo.recipe.batch is {recipe.batch}, which {processes} processes cannot share equally; so that one "
            "GPU or several train alike, choose a number of processes that divides it"
        )
    if processes > 1 and recipe.method == "kto":
        raise ValueError("kto estimates a divergence from all of a batch, so it is trained in one process only")
    common = {
        "output_dir": str(job.scratch),
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": recipe.schedule,
        "warmup_steps": recipe.warmup_steps,
        "optim": recipe.optimiser,
        "weight_decay": 0.0,
        "max_grad_norm": recipe.max_grad_norm,
        "per_device_train_batch_size": recipe.batch // processes,
        "per_device_eval_batch_size": _EVALUATION_BATCH if model.num_parameters() < _SMALL_MODEL else recipe.batch,
        "gradient_accumulation_steps": recipe.accumulation,
        "num_train_epochs": recipe.epochs,
        "eval_strategy": "steps",
        "eval_steps": recipe.evaluate_every,
        "eval_on_start": True,
        "restore_callback_states_from_checkpoint": True,  # early stopping's patience
        "save_strategy": "steps",
        "save_steps": recipe.evaluate_every,
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
        "greater_is_better": False,
        "logging_steps": recipe.evaluate_every,
        "bf16": bf16,
        "activation_checkpointing": bf16,
        "use_cpu": job.device == "cpu",
        "seed": seed,
        "data_seed": seed,
        "report_to": "mlflow" if job.live else "none",
        "run_name": "train_dpo",
        "disable_tqdm": not job.show_progress,
        "dataloader_pin_memory": bf16,
    }
    return arguments(recipe, longest, common, not isinstance(recipe.tuning, Full), processes == 1)


def _ended(checkpoint: Path) -> TrainerState | None:
    """The state of a run that had ended, and was killed before its result was kept.

    transformers restores the patience, but not the decision to stop: such a run would be trained on.
    """
    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    return state if state.stateful_callbacks["TrainerControl"]["args"]["should_training_stop"] else None


def _merged(
    best: PeftModel, base: Path, tuning: Lora | Qlora, folder: Path, validation: Sequence[Pair], device: torch.device
) -> tuple[PreTrainedModel, Adapted]:
    """The plain model with the adapter in its weights, and how far its logits moved."""
    best.eval()
    best.save_pretrained(str(folder))
    probes = [(*pair.prompt, *pair.chosen) for pair in validation[:_PROBES]]
    logits = adapters.probe_logits(best, probes)
    merged = adapters.merge(best, base, folder, tuning, device)
    gap = adapters.largest_gap(adapters.probe_logits(merged, probes), logits)
    return merged, Adapted(folder, probes, logits, gap)
