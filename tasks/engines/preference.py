"""Preference tuning with TRL."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from pydantic import BaseModel, Field
from transformers import (
    AutoModelForCausalLM,
    EarlyStoppingCallback,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    TrainerState,
)
from trl import DPOConfig, DPOTrainer

from tasks.engines.language_model import pad_id
from tasks.engines.preference_pair import Pair


class Recipe(BaseModel, frozen=True, extra="forbid"):
    """How to tune with DPO. Sources: the paper's Table 6 unless a line says otherwise."""

    beta: float = Field(gt=0, description="strength of the pull towards the reference model")
    learning_rate: float = Field(gt=0, description="after warm-up, constant; paper 1e-5")
    batch: int = Field(gt=0, description="pairs per step; paper 4")
    accumulation: int = Field(gt=0, description="batches per optimiser step; paper 1")
    epochs: int = Field(gt=0, description="at most; paper 5")
    warmup_steps: int = Field(ge=0, description="steps of linearly rising rate; Lee et al. 2024: 150")
    max_grad_norm: float = Field(gt=0, description="gradients are scaled down to this norm; paper 10")
    evaluate_every: int = Field(gt=0, description="steps between validations; paper's code 25")
    patience: int = Field(gt=0, description="validations without improvement before stopping; paper 10")
    min_improvement: float = Field(ge=0, description="fall of the validation loss that counts as improvement, in nats")
    end_completions: bool = Field(
        description="train on an end-of-text token after each completion; false for fragments"
    )


@dataclass(frozen=True)
class Trained:
    """The tuned model (best validation loss), the training curves and every resolved argument."""

    model: PreTrainedModel
    curves: list[dict[str, float]]
    best_step: int
    arguments: Mapping[str, Any]


class _TokenisedDPOTrainer(DPOTrainer):
    """TRL appends an end-of-text token to every text; these pairs are tokenised already, and end as they should."""

    def _prepare_dataset(self, dataset: Dataset, *_: object, **__: object) -> Dataset:
        return dataset


class _Log(TrainerCallback):
    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        metrics = kwargs["metrics"]
        self._report(
            f"step {state.global_step}: validation loss {metrics['eval_loss']:.4f}, "
            f"reward accuracy {metrics['eval_rewards/accuracies']:.3f}"
        )


def tune(
    base: Path,
    tokenizer: PreTrainedTokenizerBase,
    training: Sequence[Pair],
    validation: Sequence[Pair],
    recipe: Recipe,
    seed: int,
    device: torch.device,
    scratch: Path,
    live: bool,
    show_progress: bool,
    report: Callable[[str], None],
) -> Trained:
    """DPO (Rafailov et al. 2023) on sums of token log-probabilities, against the base model itself.

    Resumes from the newest checkpoint in `scratch`, where it also saves one at each validation; the weights that come
    out are then the same as without the interruption.

    Args:
        base: Model directory; also the reference, whose log-probabilities are computed once beforehand.
        tokenizer: The base model's.
        training: Pairs to learn from.
        validation: Pairs that choose the best checkpoint and stop early.
        recipe: Hyperparameters.
        seed: Order of the pairs.
        device: Where to train.
        scratch: Folder for checkpoints.
        live: Log to MLflow while training.
        show_progress: Show a bar.
        report: Receives one line per validation.
    """
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, use_safetensors=True, local_files_only=True)
    tokenizer.pad_token_id = pad_id(tokenizer)
    bf16 = device.type == "cuda"
    arguments = DPOConfig(
        output_dir=str(scratch),
        beta=recipe.beta,
        loss_type=["sigmoid"],
        precompute_ref_log_probs=True,
        precompute_ref_batch_size=64,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=recipe.warmup_steps,
        optim="rmsprop",
        weight_decay=0.0,
        max_grad_norm=recipe.max_grad_norm,
        per_device_train_batch_size=recipe.batch,
        per_device_eval_batch_size=64,
        gradient_accumulation_steps=recipe.accumulation,
        num_train_epochs=recipe.epochs,
        eval_strategy="steps",
        eval_steps=recipe.evaluate_every,
        eval_on_start=True,
        restore_callback_states_from_checkpoint=True,  # early stopping's patience
        save_strategy="steps",
        save_steps=recipe.evaluate_every,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_steps=recipe.evaluate_every,
        max_length=None,
        bf16=bf16,
        activation_checkpointing=bf16,
        use_cpu=device.type == "cpu",
        seed=seed,
        data_seed=seed,
        report_to="mlflow" if live else "none",
        run_name="train_dpo",
        disable_tqdm=not show_progress,
        dataloader_pin_memory=bf16,
    )
    recorded = arguments.to_dict()
    checkpoints = sorted(scratch.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    complete = [path for path in checkpoints if (path / "trainer_state.json").exists()]
    if complete:
        # transformers restores the patience, but not the decision to stop: a run that had ended, and was killed before
        # its result was kept, would be trained on.
        state = TrainerState.load_from_json(str(complete[-1] / "trainer_state.json"))
        if state.stateful_callbacks["TrainerControl"]["args"]["should_training_stop"]:
            kept = Path(str(state.best_model_checkpoint))
            model = AutoModelForCausalLM.from_pretrained(
                kept, dtype=torch.float32, use_safetensors=True, local_files_only=True
            )
            return Trained(model, _curves(state.log_history), int(kept.name.split("-")[1]), recorded)
    trainer = _TokenisedDPOTrainer(
        model=model,
        args=arguments,
        train_dataset=_dataset(training),
        eval_dataset=_dataset(validation),
        processing_class=tokenizer,
        callbacks=[EarlyStoppingCallback(recipe.patience, recipe.min_improvement), _Log(report)],
    )
    trainer.remove_callback(PrinterCallback)
    # A resumed run restores its patience, and must not validate the checkpoint a second time: that would use some up.
    trainer.args.eval_on_start = not complete
    trainer.train(resume_from_checkpoint=str(complete[-1]) if complete else None)
    best = trainer.state.best_model_checkpoint
    return Trained(
        model=model,
        curves=_curves(trainer.state.log_history),
        best_step=int(Path(best).name.split("-")[1]) if best else 0,
        arguments=recorded,
    )


def _dataset(pairs: Sequence[Pair]) -> Dataset:
    return Dataset.from_dict(
        {
            "prompt_ids": [list(pair.prompt) for pair in pairs],
            "chosen_ids": [list(pair.chosen) for pair in pairs],
            "rejected_ids": [list(pair.rejected) for pair in pairs],
        }
    )


_CURVES = {
    "loss": "loss",
    "rewards/chosen": "reward_chosen",
    "rewards/rejected": "reward_rejected",
    "rewards/margins": "reward_margin",
    "rewards/accuracies": "reward_accuracy",
}


def _curves(history: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """One row per logged step, training and validation values side by side; chosen and rejected rewards apart."""
    rows: dict[int, dict[str, float]] = {}
    for entry in history:
        for prefix, split in (("", "train"), ("eval_", "validation")):
            if f"{prefix}loss" in entry and f"{prefix}rewards/margins" in entry:
                row = rows.setdefault(int(entry["step"]), {"step": int(entry["step"])})
                row |= {f"{split}_{name}": float(entry[prefix + key]) for key, name in _CURVES.items()}
    return [rows[step] for step in sorted(rows)]
