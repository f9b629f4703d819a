"""Effects, side effects and predictors."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks import __main__ as cli
from tasks.measure_transfer import MeasureTransfer, run


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


SHARES = {"de": 0.1, "es": 0.01, "fr": 0.2, "it": 0.05}
# Highest toxicity of the continuations of the two prompts, in the base model, dpo-1 and dpo-2.
HIGHEST = {
    "en": ((0.8, 0.8), (0.2, 0.2), (0.4, 0.4)),
    "de": ((0.8, 0.4), (0.2, 0.2), (0.4, 0.4)),
    "es": ((0.9, 0.3), (0.3, 0.3), (0.6, 0.6)),
    "fr": ((0.7, 0.1), (0.1, 0.1), (0.1, 0.1)),
    "it": ((0.5, 0.3), (0.4, 0.4), (0.6, 0.6)),
}
POLICIES = {name: Path(name) for name in ("base", "dpo-1", "dpo-2")}


@pytest.fixture
def by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study of five languages, two prompts and two tuned policies that disagree; the second sample is harmless.

    Civil perplexity is 2 in the base model; dpo-1 and dpo-2 have 2 and 4 (in it: 4 and 8), so 3 (6) after: worst +200%.
    """
    monkeypatch.chdir(tmp_path)

    def write(path: str, rows: list[dict[str, object]]) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        frame = pd.DataFrame(rows)
        frame.to_csv(target, index=False) if path.endswith("csv") else frame.to_parquet(target)

    prompts = [{"language": language, "prompt_id": prompt} for language in HIGHEST for prompt in ("p1", "p2")]
    write("data/prepare_pairs/pairs.parquet", [{"language": "en"}])
    write("data/prepare_prompts/prompts.parquet", [row | {"culture_specific": False} for row in prompts])
    write("data/prepare_model/learning.csv", [{"language": name, "corpus_share": one} for name, one in SHARES.items()])
    measured = {"en": (9.0, 9.0), "de": (3.0, 2.0), "es": (1.0, 1.0), "fr": (2.0, 3.0), "it": (4.0, -1.0)}
    write(
        "metrics/measure_retrieval/languages.csv",
        [
            {"language": language, "measure": "p_at_1", "layer_mean": mean, "best": best}
            for language, (mean, best) in measured.items()
        ],
    )
    for number, policy in enumerate(POLICIES):
        write(
            f"data/score_toxicity/{policy}/scores.parquet",
            [
                row
                | {"sample": sample, "toxicity": 0.0 if sample else HIGHEST[str(row["language"])][number][place % 2]}
                for place, row in enumerate(prompts)
                for sample in (0, 1)
            ],
        )
        nats = {name: np.log((2, 2, 4)[number] * (2 if name == "it" and number else 1)) for name in HIGHEST}
        write(f"data/score_fluency/{policy}/perplexity.parquet", [row | {"perplexity": 5.0} for row in prompts])
        write(
            f"data/score_diversity/{policy}/diversity.parquet",
            [row | dict.fromkeys(("distinct_1", "distinct_2", "distinct_3", "self_bleu"), 0.5) for row in prompts],
        )
        kept = {
            "identified": "de",
            "consistent": number < 2,
            "empty": False,
            "repetitive": False,
            "cut_off": False,
        }
        write(f"data/identify_language/{policy}/languages.parquet", [row | kept for row in prompts])
        write(
            f"data/score_retention/{policy}/likelihood.parquet",
            [{"language": name, "nll": value * 3, "tokens": 3} for name, value in nats.items()],
        )
    return tmp_path


def measured_by_hand(source: str = "en") -> None:
    """Runs the stage on the study by hand."""
    params = MeasureTransfer(
        source=source, threshold=0.5, resamples=50, permutations=999, confidence=0.9, coverage=1.0, seed=1
    )
    run(params, POLICIES)


def test_languages_by_hand(by_hand: Path) -> None:
    """Mean over prompts, then over policies: de .6 to (.2 + .4) / 2 = .3; others .5 to (.3 + .45 + .1 + .5) / 4.

    That is by -.1625, or -32.5% of .5 (the mean of relative changes would be -31.25%).
    """
    measured_by_hand()
    emt = pd.read_csv("metrics/measure_transfer/languages.csv").query("metric == 'emt'").set_index("language")
    assert emt["before"].to_dict() == pytest.approx(
        {"en": 0.8, "de": 0.6, "es": 0.6, "fr": 0.4, "it": 0.4, "others": 0.5}
    )
    assert emt["after"].to_dict() == pytest.approx(
        {"en": 0.3, "de": 0.3, "es": 0.45, "fr": 0.1, "it": 0.5, "others": 0.3375}
    )
    assert emt.loc["others", "relative_change"] == pytest.approx(-0.325)
    assert emt.loc["others", "after_by_seed"] == "0.25 0.425"
    overview = pd.read_csv("metrics/measure_transfer/overview.csv").set_index("language")
    assert overview["emt_reduction"].to_dict() == pytest.approx({"de": 0.5, "es": 0.25, "fr": 0.75, "it": -0.25})
    assert overview.loc["it", "civil_perplexity_relative_change"] == pytest.approx(2)


def test_predictors_by_hand(by_hand: Path) -> None:
    """Reductions .5 .25 .75 -.25 are a quarter of the best layers' 2 1 3 -1: r = 1.

    Layer means 3 1 2 4 deviate by .5 -1.5 -.5 1.5, reductions by .1875 -.0625 .4375 -.5625:
    products sum to .09375 + .09375 - .21875 - .84375 = -.875, squares to 5 and .546875.
    """
    measured_by_hand()
    summary = json.loads(Path("metrics/measure_transfer/summary.json").read_text())
    assert summary["predictors"]["p_at_1_best"]["pearson"] == pytest.approx(1)
    expected = -0.875 / np.sqrt(5 * 0.546875)
    assert summary["predictors"]["p_at_1_layer_mean"]["pearson"] == pytest.approx(expected, abs=1e-5)


def test_the_headline_by_hand(by_hand: Path) -> None:
    """The best layers' r, the worst language's civil perplexity, consistency (1 and 0 in the two policies) at 1/2.

    ToxProb of the others: a prompt of each is toxic before (1/2); after, none under dpo-1, all of es and it under
    dpo-2: (0 + 1/2) / 2 = 1/4.
    """
    measured_by_hand()
    headline = json.loads(Path("metrics/measure_transfer/headline.json").read_text())
    assert headline["emt_en"] == pytest.approx({"before": 0.8, "after": 0.3, "relative_change": -0.625})
    assert headline["emt_others"] == pytest.approx({"before": 0.5, "after": 0.3375, "relative_change": -0.325})
    assert headline["toxprob_others"] == pytest.approx({"before": 0.5, "after": 0.25, "relative_change": -0.5})
    assert headline["pearson_p_at_1"] == pytest.approx(1)
    assert headline["worst_civil_perplexity"] == pytest.approx(2)
    assert headline["language_consistent"] == pytest.approx(0.5)
    summary = json.loads(Path("metrics/measure_transfer/summary.json").read_text())
    civil = summary["side_effects"]["civil_perplexity"]
    assert (civil["before"], civil["after"]) == pytest.approx((2, (4 * 3 + 6) / 5))


def test_a_source_without_prompts_is_refused(by_hand: Path) -> None:
    """The message names the key and the languages that there are."""
    with pytest.raises(ValueError, match=r"measure_transfer\.source is 'xx'.*de, en, es, fr, it"):
        measured_by_hand("xx")
