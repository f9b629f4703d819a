"""Training curves from the history that a trainer logged.

Pure: no files, clock, network or globals.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

_CURVES = {
    "loss": "loss",
    "rewards/chosen": "reward_chosen",
    "rewards/rejected": "reward_rejected",
    "rewards/margins": "reward_margin",
    "rewards/accuracies": "reward_accuracy",
}


def curves(history: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """One row per logged step, training and validation values side by side; chosen and rejected rewards apart.

    A value that the method does not have, such as a reward of SFT, is not a number.
    """
    rows: dict[int, dict[str, float]] = {}
    for entry in history:
        for prefix, split in (("", "train"), ("eval_", "validation")):
            if f"{prefix}loss" in entry:
                row = rows.setdefault(int(entry["step"]), {"step": int(entry["step"])})
                row |= {f"{split}_{name}": float(entry.get(prefix + key, math.nan)) for key, name in _CURVES.items()}
    return [rows[step] for step in sorted(rows)]
