"""The numbers of a run are those of the files that its stage wrote."""

import csv
import json
from pathlib import Path

import pytest

from tasks.plumbing.files import ArtefactError
from tasks.plumbing.lineage import LockedStage, locked_stages
from tasks.plumbing.mirrored_metrics import curves_of, files_of, metrics_of, study_metrics_of

LANGUAGES = """language,metric,before,after,after_by_seed,subset
ar,emt,0.5,0.25,0.1 0.4,aligned
others,emt,0.30000000000000004,0.2,0.2 0.2,aligned
others,emt,0.9,0.8,0.8 0.8,culture_specific
"""
# The second policy comes first in the alphabet, as dpo-10 does beside dpo-2.
EFFECTS = """effect,language,before,after,change,relative_change,after_dpo-2,after_dpo-10
civil_perplexity,ar,7,8.5,1.5,0.2,8,9
repetitive,ar,0,0.5,0.5,,0,1
language_unknown,ar,,,,,0.25,
"""


def _stage(name: str, outs: tuple[str, ...] = ()) -> LockedStage:
    return LockedStage(name, f"python -m tasks {name}", {}, {}, dict.fromkeys(outs, "md5"))


def _write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="utf-8")


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """A project with the files of measure_transfer."""
    summary = {
        "emt": {"before": {"ar": 0.5}},
        "predictors": {"p_at_1_best": {"pearson": None}},
        "note": "x",
        "on": True,
    }
    _write(tmp_path, "metrics/measure_transfer/summary.json", json.dumps(summary))
    _write(tmp_path, "metrics/measure_transfer/languages.csv", LANGUAGES)
    _write(tmp_path, "metrics/measure_transfer/side_effects.csv", EFFECTS)
    return tmp_path


def test_every_policy_has_its_numbers_by_language(measured: Path) -> None:
    """The summary's and every policy's: the order of policies is that of the files; what has no value is no metric."""
    assert metrics_of(measured, _stage("measure_transfer")) == {
        "emt/before/ar": 0.5,
        "emt/base/ar": 0.5,
        "emt/dpo-2/ar": 0.1,
        "emt/dpo-10/ar": 0.4,
        "emt/base/others": 0.30000000000000004,
        "emt/dpo-2/others": 0.2,
        "emt/dpo-10/others": 0.2,
        "civil_perplexity/base/ar": 7,
        "civil_perplexity/dpo-2/ar": 8,
        "civil_perplexity/dpo-10/ar": 9,
        "repetitive/base/ar": 0,
        "repetitive/dpo-2/ar": 0,
        "repetitive/dpo-10/ar": 1,
        "language_unknown/dpo-2/ar": 0.25,
    }


def test_a_policy_too_many_is_an_error(measured: Path) -> None:
    """Numbers that cannot be told apart are given to nobody."""
    _write(measured, "metrics/measure_transfer/languages.csv", LANGUAGES.replace("0.1 0.4", "0.1 0.4 0.5"))
    with pytest.raises(ArtefactError, match=r"emt ar has 3 numbers for 2 tuned policies \(dpo-2, dpo-10\)"):
        metrics_of(measured, _stage("measure_transfer"))


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the stage that makes it."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtefactError, match=r"measure_retrieval/summary.json.*dvc repro measure_retrieval"):
        metrics_of(Path(), _stage("measure_retrieval"))


def test_training_is_told_by_its_record_and_its_curves(tmp_path: Path) -> None:
    """Which step was best, and losses; not the arguments. A cell without a value is no point of its curve."""
    record = {
        "seed": 2,
        "pairs": {"train": 90, "validation": 10},
        "best_step": 25,
        "last_step": 50,
        "validation_loss": {"before": 0.693147, "best": 0.2058},
        "versions": {"torch": "2.13.0"},
        "arguments": {"beta": 0.1, "learning_rate": 0.0001},
    }
    _write(tmp_path, "data/train_dpo/2/run.json", json.dumps(record))
    _write(tmp_path, "data/train_dpo/2/curves.csv", "step,validation_loss,train_loss\n0,0.693147,\n25,0.2058,0.3\n")
    assert metrics_of(tmp_path, _stage("train_dpo@2")) == {
        "best_step": 25,
        "last_step": 50,
        "pairs/train": 90,
        "pairs/validation": 10,
        "validation_loss/before": 0.693147,
        "validation_loss/best": 0.2058,
    }
    assert curves_of(tmp_path, _stage("train_dpo@2")) == [
        (0, {"validation_loss": 0.693147}),
        (25, {"validation_loss": 0.2058, "train_loss": 0.3}),
    ]


def test_a_stage_that_writes_no_numbers_has_none(tmp_path: Path) -> None:
    """What its texts scored is measure_transfer's, whose parameters and code made the numbers, too."""
    for name in ("generate@base", "score_toxicity@dpo-1", "report", "no_such_stage"):
        assert metrics_of(tmp_path, _stage(name)) == {}
        assert curves_of(tmp_path, _stage(name)) == []
        assert files_of(_stage(name, (f"data/{name}",))) == {}


def test_models_are_not_read_for_numbers() -> None:
    """A model may be large; what is hashed before it is believed is what is read."""
    outs = ("models/train_dpo/2", "data/train_dpo/2")
    assert files_of(_stage("train_dpo@2", outs)) == {"data/train_dpo/2": "md5"}


def test_a_study_tells_what_it_measured(measured: Path) -> None:
    """Its summaries; of stages that were not executed, nothing."""
    assert study_metrics_of(measured, {"measure_transfer": _stage("measure_transfer")}) == {"emt/before/ar": 0.5}
    assert study_metrics_of(measured, {}) == {}


def test_numbers_of_a_real_study_are_complete(study) -> None:
    """Every number of the tables, read with the csv module and counted: 3 measures, 14 effects, 3 policies."""
    stages = locked_stages()
    metrics = metrics_of(Path(), stages["measure_transfer"])
    with Path("metrics/measure_transfer/languages.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["subset"] == "aligned"]
    assert len(rows) == 21
    for row in rows:
        assert metrics[f"{row['metric']}/base/{row['language']}"] == float(row["before"])
        after = [metrics[f"{row['metric']}/{policy}/{row['language']}"] for policy in ("dpo-1", "dpo-2")]
        assert after == [float(value) for value in row["after_by_seed"].split()]
    with Path("metrics/measure_transfer/side_effects.csv").open(encoding="utf-8") as file:
        effects = list(csv.DictReader(file))
    assert len(effects) == 14 * 6
    for row in effects:
        for policy, column in {"base": "before", "dpo-1": "after_dpo-1", "dpo-2": "after_dpo-2"}.items():
            name = f"{row['effect']}/{policy}/{row['language']}"
            assert (metrics.get(name) == float(row[column])) if row[column] else name not in metrics
    with Path("data/prepare_model/learning.csv").open(encoding="utf-8") as file:
        learning = {row["language"]: float(row["loss_per_token"]) for row in csv.DictReader(file)}
    found = metrics_of(Path(), stages["prepare_model"])
    assert {language: found[f"loss_per_token/{language}"] for language in learning} == learning
    assert len(learning) == 6
