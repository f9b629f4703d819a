"""Writes a tuned policy as a plain model directory, and checks that it is the model that was trained."""

import json
import shutil
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from tasks.models.language_model import load
from tasks.training import adapters
from tasks.training.adapters import MergeGap
from tasks.training.preference import Trained
from tasks.training.recipe import Full, Recipe


def save_policy(
    trained: Trained, tokenizer: PreTrainedTokenizerBase, recipe: Recipe, target: Path, device: torch.device
) -> MergeGap | None:
    """Writes a plain model directory, with the adapter beside the weights where there is one, and reads it again.

    Raises:
        MergeError: The plain model is not the one that was trained.
    """
    trained.model.save_pretrained(target, safe_serialization=True)
    tokenizer.save_pretrained(target)
    if trained.adapted is None or isinstance(recipe.tuning, Full):
        return None
    beside = target / "adapter"
    beside.mkdir()
    shutil.copy(trained.adapted.folder / "adapter_model.safetensors", beside)
    config = json.loads((trained.adapted.folder / "adapter_config.json").read_text(encoding="utf-8"))
    config["target_modules"] = sorted(config["target_modules"])  # PEFT keeps a set, which has another order every time
    (beside / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    reloaded = load(target, device)[0]
    gap = MergeGap(
        trained.adapted.merged_gap,
        adapters.largest_gap(adapters.probe_logits(reloaded, trained.adapted.probes), trained.adapted.logits),
    )
    adapters.check_merge(gap, recipe.tuning)
    return gap
