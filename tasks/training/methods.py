"""TRL's trainers, one per method, on pairs that are token ids already.

TRL tokenises by itself: it joins prompt and completion before it does, so that the prompt may end in other tokens than
generation reads, and it appends an end-of-text token. Each trainer here is TRL's own with that one step replaced.
"""

import contextlib
import os
import random
from collections.abc import Callable, Sequence
from typing import Any, assert_never

from datasets import Dataset
from peft import LoraConfig
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainerCallback
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

from tasks.training.preference_pair import Pair
from tasks.training.recipe import Cpo, Dpo, Kto, Orpo, Recipe, Sft, Simpo

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # ORPO and CPO live in trl.experimental, which warns of itself
from trl.experimental.cpo import CPOConfig, CPOTrainer  # after the variable is set
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

Arguments = DPOConfig | KTOConfig | ORPOConfig | CPOConfig | SFTConfig
IGNORED = -100  # label that no loss counts


class _TokenisedDPOTrainer(DPOTrainer):
    def _prepare_dataset(self, dataset: Dataset, *_: object, **__: object) -> Dataset:
        return dataset


class _TokenisedKTOTrainer(KTOTrainer):
    def _prepare_dataset(self, dataset: Dataset, *_: object, **__: object) -> Dataset:
        return dataset


class _TokenisedSFTTrainer(SFTTrainer):
    def _prepare_dataset(self, dataset: Dataset, *_: object, **__: object) -> Dataset:
        return dataset


class _TokenisedORPOTrainer(ORPOTrainer):
    def tokenize_row(self, feature: dict[str, Any], model: object = None) -> dict[str, Any]:
        return _sequences(feature)


class _TokenisedCPOTrainer(CPOTrainer):
    def tokenize_row(self, feature: dict[str, Any], model: object = None) -> dict[str, Any]:
        return _sequences(feature)


def arguments(
    recipe: Recipe, longest: int, common: dict[str, Any], keep_dropout: bool, one_process: bool = True
) -> Arguments:
    """TRL's configuration of the method: `common` for all of them, and what is the method's own.

    Args:
        recipe: What params.yaml says.
        longest: Tokens of the longest sequence, so that none is cut.
        common: Arguments of transformers' Trainer.
        keep_dropout: Leave dropout as it is, which only adapters have.
        one_process: Compute the reference's log-probabilities beforehand, which saves its memory. TRL hands them from
            process to process in a file that only a data set read from disk has.
    """
    quiet: dict[str, Any] = {"disable_dropout": False} if keep_dropout else {}
    match recipe:
        case Dpo():
            return DPOConfig(
                beta=recipe.beta,
                loss_type=[recipe.loss],
                label_smoothing=recipe.label_smoothing,
                precompute_ref_log_probs=one_process,
                precompute_ref_batch_size=64,
                max_length=None,
                **common,
                **quiet,
            )
        case Kto():
            size = 2 * recipe.batch
            return KTOConfig(
                beta=recipe.beta,
                loss_type=recipe.loss,
                desirable_weight=recipe.desirable_weight,
                undesirable_weight=recipe.undesirable_weight,
                precompute_ref_log_probs=True,
                precompute_ref_batch_size=64,
                max_length=None,
                **common | {"per_device_train_batch_size": size, "train_sampling_strategy": "sequential"},
                **quiet,
            )
        case Orpo():
            return ORPOConfig(beta=recipe.beta, max_length=longest, remove_unused_columns=False, **common, **quiet)
        case Cpo():
            return CPOConfig(
                beta=recipe.beta,
                loss_type=recipe.loss,
                cpo_alpha=recipe.chosen_weight,
                max_length=longest,
                remove_unused_columns=False,
                **common,
                **quiet,
            )
        case Simpo():
            return CPOConfig(
                beta=recipe.beta,
                loss_type="simpo",
                simpo_gamma=recipe.gamma,
                cpo_alpha=0.0,
                max_length=longest,
                remove_unused_columns=False,
                **common,
                **quiet,
            )
        case Sft():
            return SFTConfig(max_length=None, **common)
        case _:
            assert_never(recipe)


def make_trainer(
    model: PreTrainedModel,
    configured: Arguments,
    recipe: Recipe,
    training: Sequence[Pair],
    validation: Sequence[Pair],
    tokenizer: PreTrainedTokenizerBase,
    callbacks: list[TrainerCallback],
    adapter: LoraConfig | None,
) -> Trainer:
    """The method's trainer, ready to train."""
    given: dict[str, Any] = {
        "model": model,
        "args": configured,
        "processing_class": tokenizer,
        "callbacks": callbacks,
        **({"peft_config": adapter} if adapter else {}),
    }
    match recipe:
        case Dpo():
            return _TokenisedDPOTrainer(train_dataset=_pairs(training), eval_dataset=_pairs(validation), **given)
        case Kto():
            rows = [
                _unpaired(pairs, random.Random(f"kto {split} {configured.seed}"), 2 * recipe.batch)
                for split, pairs in (("train", training), ("validation", validation))
            ]
            return _TokenisedKTOTrainer(train_dataset=rows[0], eval_dataset=rows[1], **given)
        case Orpo():
            return _quietly(
                _TokenisedORPOTrainer, train_dataset=_pairs(training), eval_dataset=_pairs(validation), **given
            )
        case Cpo() | Simpo():
            return _quietly(
                _TokenisedCPOTrainer, train_dataset=_pairs(training), eval_dataset=_pairs(validation), **given
            )
        case Sft():
            return _TokenisedSFTTrainer(train_dataset=_chosen(training), eval_dataset=_chosen(validation), **given)
        case _:
            assert_never(recipe)


def _quietly(make: Callable[..., Trainer], **given: Any) -> Trainer:
    """ORPO's and CPO's trainers map their datasets with a progress bar of their own."""
    from datasets import disable_progress_bars, enable_progress_bars  # noqa: PLC0415

    with contextlib.ExitStack() as around:
        disable_progress_bars()
        around.callback(enable_progress_bars)
        return make(**given)


def _pairs(pairs: Sequence[Pair]) -> Dataset:
    return Dataset.from_dict(
        {
            "prompt_ids": [list(pair.prompt) for pair in pairs],
            "chosen_ids": [list(pair.chosen) for pair in pairs],
            "rejected_ids": [list(pair.rejected) for pair in pairs],
        }
    )


def _chosen(pairs: Sequence[Pair]) -> Dataset:
    return Dataset.from_dict(
        {
            "input_ids": [[*pair.prompt, *pair.chosen] for pair in pairs],
            "labels": [[*[IGNORED] * len(pair.prompt), *pair.chosen] for pair in pairs],
        }
    )


def _unpaired(pairs: Sequence[Pair], rng: random.Random, batch: int) -> Dataset:
    """Every completion by itself; beside it the one before it in its batch, from which KTO estimates the divergence."""
    rows = [
        (pair.prompt, side, wanted) for pair in pairs for side, wanted in ((pair.chosen, True), (pair.rejected, False))
    ]
    rng.shuffle(rows)
    others = []
    for start in range(0, len(rows), batch):
        completions = [list(completion) for _, completion, _ in rows[start : start + batch]]
        others += [completions[-1], *completions[:-1]]
    return Dataset.from_dict(
        {
            "prompt_ids": [list(prompt) for prompt, _, _ in rows],
            "completion_ids": [list(completion) for _, completion, _ in rows],
            "KL_completion_ids": others,
            "label": [wanted for _, _, wanted in rows],
        }
    )


def _sequences(feature: dict[str, Any]) -> dict[str, Any]:
    """What ORPO's and CPO's collator pads: each side after its prompt, whose tokens are no labels."""
    prompt = feature["prompt_ids"]
    batch = {"prompt_input_ids": prompt, "prompt_attention_mask": [1] * len(prompt)}
    for side in ("chosen", "rejected"):
        completion = feature[f"{side}_ids"]
        batch |= {
            f"{side}_input_ids": [*prompt, *completion],
            f"{side}_attention_mask": [1] * (len(prompt) + len(completion)),
            f"{side}_labels": [*[IGNORED] * len(prompt), *completion],
        }
    return batch
