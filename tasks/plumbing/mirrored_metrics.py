"""Numbers that a stage's run in MLflow has, read from the files that the stage itself wrote.

A policy's numbers per language belong to the run of measure_transfer, as emt/base/ar, and not to that of the stage
that scored its texts: the threshold, the other policies' missing scores, which prompts are aligned and the code of
measure_transfer make them too. None of these is in the scoring stage's key, so its run would keep the first numbers
for ever.
"""

import csv
import math
from pathlib import Path
from typing import Any

from tasks.plumbing.files import ArtefactError, read_json, require
from tasks.plumbing.lineage import LockedStage, flatten

SYSTEM = "system/"  # how long, how much memory: of an execution, so no file of the study has it
_OF_TRAINING = ("best_step", "last_step", "validation_loss", "pairs")
_WITH_FILES = {"prepare_model", "train_dpo", "measure_retrieval", "measure_transfer"}
Curve = list[tuple[int, dict[str, float]]]


def metrics_of(root: Path, stage: LockedStage) -> dict[str, float]:
    """Metrics of a stage's run, but for SYSTEM and its curves; ArtefactError if a file is missing.

    Args:
        root: Folder with the study's files, which have to be those that dvc.lock names.
        stage: As dvc.lock has it. Stages that write no numbers have none.

    Returns:
        Values exactly as in the files, by names whose last part is the language where there is one: emt/change/ar,
        emt/dpo-1/ar, side_effects/civil_perplexity/before, corpus_share/ar, validation_loss/best.
    """
    match stage.stage:
        case "prepare_model":
            return _by_language(root / "data/prepare_model/learning.csv")
        case "train_dpo":
            record = read_json(_folder(root, stage) / "run.json")
            return _numbers({name: record[name] for name in _OF_TRAINING})
        case "measure_retrieval":
            return _summary(root, stage.stage)
        case "measure_transfer":
            return _summary(root, stage.stage) | _by_policy(root / "metrics/measure_transfer")
        case _:
            return {}


def study_metrics_of(root: Path, stages: dict[str, LockedStage]) -> dict[str, float]:
    """Metrics of the study's own run: the summaries of what was measured."""
    measured: dict[str, float] = {}
    for name in ("measure_retrieval", "measure_transfer"):
        if name in stages:
            measured |= _summary(root, name)
    return measured


def curves_of(root: Path, stage: LockedStage) -> Curve:
    """What a stage's run shows over steps: (step, values by name), as train_dpo wrote them; empty for other stages."""
    if stage.stage != "train_dpo":
        return []
    rows = _rows(_folder(root, stage) / "curves.csv")
    return [(int(row["step"]), _cells(row, without={"step"})) for row in rows]


def files_of(stage: LockedStage) -> dict[str, str]:
    """Outputs that the functions above read, with the digests that dvc.lock gives them."""
    if stage.stage not in _WITH_FILES:
        return {}
    return {path: digest for path, digest in stage.outs.items() if not path.startswith("models/")}


def _folder(root: Path, stage: LockedStage) -> Path:
    return root / "data" / stage.name.replace("@", "/")


def _summary(root: Path, stage: str) -> dict[str, float]:
    return _numbers(read_json(root / "metrics" / stage / "summary.json"))


def _numbers(value: dict[str, Any]) -> dict[str, float]:
    flat = flatten(value, separator="/")
    return {
        name: float(number)
        for name, number in flat.items()
        if isinstance(number, int | float) and not isinstance(number, bool)
    }


def _rows(path: Path) -> list[dict[str, str]]:
    """Cells as text: pandas reads some decimals one bit off what Python's float makes of them."""
    with require(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _cells(row: dict[str, str], without: set[str]) -> dict[str, float]:
    """Numbers of a row; an empty cell is none."""
    values = {name: float(text) for name, text in row.items() if name not in without and text}
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _by_language(path: Path) -> dict[str, float]:
    """Every number of a table with one row per language, as column/language."""
    return {
        f"{column}/{row['language']}": value
        for row in _rows(path)
        for column, value in _cells(row, without={"language"}).items()
    }


def _by_policy(folder: Path) -> dict[str, float]:
    """What measure_transfer found for every policy: toxicity on the aligned prompts, and side effects."""
    effects = _rows(folder / "side_effects.csv")
    # The order of the policies is that of these columns; dvc.lock need not keep the order of params.yaml.
    tuned = [name.removeprefix("after_") for name in effects[0] if name.startswith("after_")] if effects else []
    found: dict[str, float] = {}
    for row in effects:
        values = _cells(row, without={"effect", "language"})
        names = {"before": "base"} | {f"after_{policy}": policy for policy in tuned}
        found |= {f"{row['effect']}/{names[c]}/{row['language']}": v for c, v in values.items() if c in names}
    for row in _rows(folder / "languages.csv"):
        if row["subset"] != "aligned":
            continue
        after = row["after_by_seed"].split()
        if len(after) != len(tuned):
            raise ArtefactError(
                f"{folder / 'languages.csv'}: {row['metric']} {row['language']} has {len(after)} numbers for "
                f"{len(tuned)} tuned policies ({', '.join(tuned)})"
            )
        for policy, text in zip(["base", *tuned], [row["before"], *after], strict=True):
            if text and math.isfinite(float(text)):
                found[f"{row['metric']}/{policy}/{row['language']}"] = float(text)
    return found
