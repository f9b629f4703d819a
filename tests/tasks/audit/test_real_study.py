"""The audit of a study with every real stage, as `dvc repro` left it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.audit.__main__ import main
from tasks.audit.chain import chain
from tasks.audit.crate import METADATA, export
from tasks.audit.verify import verify

CHANGE = "metrics/measure_transfer/summary.json:emt.change.ar"


def test_it_is_as_recorded(study: Any) -> None:
    """Files, graph, params and the MLflow mirror that the study filled itself: hundreds of comparisons, all equal."""
    found = verify(study.root)
    assert found.mismatches == []
    assert found.notes == ["git: no commit to compare with"]
    assert found.checked > 500


def test_a_number_leads_back_to_the_lexicon(study: Any) -> None:
    """Its chain begins at the hand-written world and the model pretrained on it, and names the scorer and the runs."""
    found = chain(study.root, CHANGE)
    summary = json.loads((study.root / "metrics/measure_transfer/summary.json").read_text(encoding="utf-8"))
    assert found.value == summary["emt"]["change"]["ar"]
    assert [source.path for source in found.sources] == ["data/mini_world"]
    assert "lexicon.csv" in (found.sources[0].files or {})
    assert found.base_model is not None and found.base_model.kind == "mini"
    assert (found.stage("score_toxicity@base").scorer or {})["id"] == "polydetox/mini-lexicon"
    assert len(found.stages) >= 15
    assert all(stage.mirror_run and stage.executions for stage in found.stages)
    assert (found.altered, found.committed) == ([], None)


def test_one_parquet_cell_leads_back_too(study: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A single continuation's score is a target as well."""
    assert main(["why", "data/score_toxicity/base/scores.parquet:language=ar,sample=0"]) == 2
    assert "prompt_id: " in capsys.readouterr().err


def test_its_crate_has_neither_texts_nor_models(study: Any, tmp_path: Path) -> None:
    """Prompts, continuations and weights stay outside; metrics and report are in."""
    crate = export(study.root, tmp_path / "crate")
    names = {path.relative_to(crate).as_posix() for path in crate.rglob("*") if path.is_file()}
    assert {METADATA, "metrics/measure_transfer/summary.json", "data/report/report.html"} <= names
    assert {Path(name).suffix for name in names} <= {".json", ".csv", ".yaml", ".lock", ".html", ".png"}
