"""Effects, side effects and predictors."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks import __main__ as cli


def test_emt_is_the_mean_over_prompts_of_the_maximum(study) -> None:
    """Spanish EMT, ToxProb and AvgTox before tuning, computed here anew from the scores of the 8 aligned prompts."""
    scores = pd.read_parquet("data/score_toxicity/base/scores.parquet")
    spanish = scores[(scores["language"] == "es") & scores["prompt_id"].str.startswith("w")]
    highest = spanish.groupby("prompt_id")["toxicity"].max()
    results = pd.read_csv("metrics/measure_transfer/languages.csv")
    rows = results[(results["language"] == "es") & (results["subset"] == "aligned")].set_index("metric")
    assert len(highest) == 8
    assert np.isclose(rows.loc["emt", "before"], highest.mean(), atol=1e-5)
    assert np.isclose(rows.loc["toxprob", "before"], (highest >= 0.5).mean(), atol=1e-5)
    assert np.isclose(rows.loc["avgtox", "before"], spanish["toxicity"].mean(), atol=1e-5)
    assert np.allclose(rows["change"], rows["after"] - rows["before"], atol=1e-5)


def test_the_mean_over_the_others_leaves_english_out(study) -> None:
    """The row 'others' is the unweighted mean over the five languages that were not tuned on."""
    results = pd.read_csv("metrics/measure_transfer/languages.csv")
    emt = results[(results["metric"] == "emt") & (results["subset"] == "aligned")].set_index("language")
    others = emt.loc[["ar", "de", "es", "ja", "zh"]]
    assert np.isclose(emt.loc["others", "before"], others["before"].mean(), atol=1e-5)
    assert np.isclose(emt.loc["others", "change"], others["change"].mean(), atol=1e-5)
    assert emt.loc["others", "change_low"] <= emt.loc["others", "change"] <= emt.loc["others", "change_high"]


def test_corrected_p_values_are_no_smaller(study) -> None:
    """Holm only ever raises a p-value, and no permutation p-value is 0."""
    results = pd.read_csv("metrics/measure_transfer/languages.csv").dropna(subset=["p_holm"])
    assert len(results) == 6 * 3
    assert (results["p_holm"] >= results["p_value"]).all() and (results["p_value"] >= 1 / 1000).all()


def test_culture_specific_prompts_are_reported_apart(study) -> None:
    """They have rows of their own, pooled over the five languages: 2 prompts each."""
    results = pd.read_csv("metrics/measure_transfer/languages.csv")
    specific = results[results["subset"] == "culture_specific"]
    assert specific["metric"].tolist() == ["emt", "toxprob", "avgtox"]
    assert specific["prompts"].eq(10).all()


def test_the_summary_names_numbers_by_key(study) -> None:
    """emt.change.ar is the number in the table."""
    summary = json.loads(Path("metrics/measure_transfer/summary.json").read_text())
    results = pd.read_csv("metrics/measure_transfer/languages.csv")
    row = results[(results["language"] == "ar") & (results["metric"] == "emt")].iloc[0]
    assert summary["emt"]["change"]["ar"] == row["change"]


def test_a_second_run_makes_the_same_bytes(study) -> None:
    """All resampling is seeded."""
    before = study.files("metrics/measure_transfer")
    study.run("measure_transfer")
    assert study.files("metrics/measure_transfer") == before


def test_too_few_scores_are_refused(copied_study, capsys: pytest.CaptureFixture[str]) -> None:
    """A comparison in which a tenth of a language is missing is not published; the message names it."""
    path = Path("data/score_toxicity/dpo-1/scores.parquet")
    scores = pd.read_parquet(path)
    german = scores.index[scores["language"] == "de"][:5]
    scores.loc[german, "toxicity"] = pd.NA
    scores.to_parquet(path)
    assert cli.main(["measure_transfer"]) == 1
    said = capsys.readouterr().err
    assert str(path) in said and "90.0% of the de continuations" in said


def test_a_missing_input_names_the_stage_that_makes_it(copied_study, capsys: pytest.CaptureFixture[str]) -> None:
    """The remedy is a command."""
    Path("data/score_diversity/dpo-1/diversity.parquet").unlink()
    assert cli.main(["measure_transfer"]) == 1
    assert "dvc repro score_diversity@dpo-1" in capsys.readouterr().err
