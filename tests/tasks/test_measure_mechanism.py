"""Published tables say what the scored continuations say, recomputed here."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tasks import __main__ as cli

FOLDER = Path("metrics/measure_mechanism")


def _mean(scores: pd.DataFrame) -> float:
    """Over samples, prompts and languages, each counting alike (all have equally many)."""
    return float(scores["toxicity"].astype(float).mean())


def test_doses_are_means_over_the_scored_continuations(study) -> None:
    """Toxicity of every set and dose, its change from the unchanged model, and the sources less each control."""
    doses = pd.read_csv(FOLDER / "doses.csv")
    doses = doses[doses["language"] == "mean"].set_index(["neurons", "dose"])
    scores = pd.read_parquet("data/score_interventions/intervene_neurons.parquet")
    start = _mean(scores[scores["neurons"] == "unchanged"])
    for (name, dose), rows in scores.groupby(["neurons", "dose"]):
        row = doses.loc[(name, dose)]
        assert row["toxicity"] == pytest.approx(_mean(rows), abs=1e-5)
        assert row["change"] == pytest.approx(_mean(rows) - start, abs=1e-5)
        assert row["toxicity_low"] <= row["toxicity"] <= row["toxicity_high"]
        if name in ("random", "matched", "direction"):
            sources = scores[(scores["neurons"] == "actual") & (scores["dose"] == dose)]
            assert row["sources_less_control"] == pytest.approx(_mean(sources) - _mean(rows), abs=1e-5)


def test_shares_are_parts_of_the_effect(study) -> None:
    """(tuned - patched) / (tuned - base) for restoring, (base - patched) / (base - tuned) for imposing."""
    found = pd.read_csv(FOLDER / "explained.csv")
    found = found[found["language"] == "mean"].set_index(["way", "neurons"])
    scores = pd.read_parquet("data/score_interventions/dpo-1.parquet")
    part = {name: _mean(rows) for name, rows in scores.groupby(["way", "neurons"])}
    tuned, base = part["restore", "unchanged"], part["impose", "unchanged"]
    assert tuned != base
    for (way, name), value in part.items():
        start, end = (tuned, base) if way == "restore" else (base, tuned)
        assert found.loc[(way, name), "share"] == pytest.approx((start - value) / (start - end), abs=1e-4)
    assert found.loc[("restore", "unchanged"), "share"] == 0
    less = found.loc[("restore", "actual"), "share"] - found.loc[("restore", "random"), "share"]
    assert found.loc[("restore", "actual"), "less_control"] == pytest.approx(less, abs=1e-4)


def test_activations_before_and_after_are_means_over_prompts(study) -> None:
    """Per language and decoding, of the base model and the tuned one."""
    table = pd.read_csv(FOLDER / "activations.csv").set_index(["decoding", "measure", "language"])
    for when, policy in (("before", "base"), ("after", "dpo-1")):
        frame = pd.read_parquet(f"data/trace_activations/{policy}/activations.parquet")
        for (decoding, language), rows in frame.groupby(["decoding", "language"]):
            for measure in ("activation", "key_product"):
                mean = table.loc[(decoding, measure, language), when]
                assert mean == pytest.approx(rows[measure].mean(), abs=1e-5)
        others = frame[(frame["language"] != "en") & (frame["decoding"] == "greedy")]
        assert table.loc[("greedy", "activation", "others"), when] == pytest.approx(
            others["activation"].mean(), abs=1e-5
        )


def test_the_summary_repeats_the_tables(study) -> None:
    """What `dvc metrics` and the log line say."""
    summary = json.loads((FOLDER / "summary.json").read_text())
    explained = pd.read_csv(FOLDER / "explained.csv")
    row = explained[
        (explained["language"] == "mean") & (explained["way"] == "restore") & (explained["neurons"] == "actual")
    ]
    assert summary["restored"]["share"] == pytest.approx(row["share"].iloc[0], abs=1e-5)
    assert summary["sources"] == pd.read_csv(FOLDER / "neurons.csv")["actual"].sum()
    assert summary["neurons"] == 256


def test_a_continuation_without_a_score_is_refused(copied_study, capsys) -> None:
    """A share of an effect over fewer prompts than its parts would be a wrong one."""
    path = Path("data/score_interventions/dpo-1.parquet")
    frame = pd.read_parquet(path)
    frame.loc[3, "toxicity"] = None
    path.unlink()
    frame.to_parquet(path)
    assert cli.main(["measure_mechanism"]) == 1
    assert "has no score" in capsys.readouterr().err
