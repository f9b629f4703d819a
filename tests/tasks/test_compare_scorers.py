"""Comparison of scorers: with each other, and with labels."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tasks import __main__ as cli

FOLDER = Path("metrics/compare_scorers")
LANGUAGES = ["ar", "de", "en", "es", "ja", "zh"]
POLICIES = ["base", "dpo-1", "dpo-2"]


def tables() -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """agreement.csv, validity.csv, summary.json."""
    csv = [pd.read_csv(FOLDER / f"{name}.csv") for name in ("agreement", "validity")]
    return csv[0], csv[1], json.loads((FOLDER / "summary.json").read_text())


def archive(path: Path, scores: pd.DataFrame) -> dict[str, Any]:
    """A scorer that replays language, text, score."""
    scores.drop_duplicates(["language", "text"]).to_parquet(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    spec = {"kind": "replay", "path": str(path), "sha256": digest, "id": "tests/archive", "revision": "1"}
    return spec | {"label": "x", "measures": "insults", "languages": ["de", "en", "es", "ja", "zh"]}


def lexicons_scores() -> pd.DataFrame:
    """What the lexicon says of every text of the study: language, text, score."""
    rows = []
    for policy in POLICIES:
        texts = pd.read_parquet(f"data/generate/{policy}/continuations.parquet")
        scores = pd.read_parquet(f"data/score_toxicity/{policy}/scores.parquet")
        rows.append(texts.merge(scores, on=["language", "prompt_id", "sample"]))
    labelled = pd.read_parquet("data/prepare_labelled/texts.parquet")
    scores = pd.read_parquet("data/score_labelled/scores.parquet").drop(columns="toxic")
    rows.append(labelled[labelled["split"] == "test"].merge(scores, on=["language", "text_id"]))
    frame = pd.concat(rows, ignore_index=True)
    return frame[["language", "text"]].assign(score=frame["toxicity"].astype(float))


def compare(scorers: dict[str, Any]) -> None:
    """Runs the stages with these scorers beside the lexicon."""
    loaded = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    loaded["score_toxicity"]["scorers"] |= scorers
    Path("params.yaml").write_text(yaml.safe_dump(loaded, sort_keys=False), encoding="utf-8")
    for stage, item in [*(("score_toxicity", policy) for policy in POLICIES), ("score_labelled", None)]:
        assert cli.main([stage, item] if item else [stage]) == 0
    assert cli.main(["compare_scorers"]) == 0


def test_one_scorer_has_validity_and_nobody_to_agree_with(study) -> None:
    """The mini world's labels are the lexicon's own insults: AUROC 1 in every language, said to be valid."""
    agreement, valid, summary = tables()
    assert agreement.empty and list(agreement)[:3] == ["scorer_a", "scorer_b", "language"]
    assert valid["language"].tolist() == LANGUAGES
    assert (valid["auroc"] == 1).all() and valid["valid"].all() and (valid["toxic"] > 0).all()
    assert summary["languages"] == {"without_valid_scorer": [], "without_labels": []}
    assert summary["scorers"]["lexicon"]["valid_languages"] == 6
    assert summary["pairs"] == {}


def test_a_copy_agrees_and_an_opposite_disagrees(copied_study, tmp_path: Path) -> None:
    """Rank correlation 1 and -1, the same change and its opposite; AUROC 1 and 0. No score, no statement (Arabic)."""
    scores = lexicons_scores()
    opposite = scores.assign(score=1 - scores["score"])
    compare({"copy": archive(tmp_path / "copy.parquet", scores), "opposite": archive(tmp_path / "o.parquet", opposite)})
    agreement, valid, summary = tables()
    by_pair = {pair: rows.set_index("language") for pair, rows in agreement.groupby(["scorer_a", "scorer_b"])}
    assert set(by_pair) == {("lexicon", "copy"), ("lexicon", "opposite"), ("copy", "opposite")}
    known = ["de", "en", "es", "ja", "zh"]
    for pair, expected in ((("lexicon", "copy"), 1), (("lexicon", "opposite"), -1)):
        rows = by_pair[pair].loc[known]
        assert rows["spearman"].to_numpy() == pytest.approx(expected, abs=1e-6)
        assert (rows["samples"] == 150).all()
    copy = by_pair["lexicon", "copy"].loc[known]
    assert copy["change_a"].to_numpy() == pytest.approx(copy["change_b"].to_numpy(), abs=1e-6)
    assert copy["same_sign"].dropna().astype(bool).all() and copy["same_sign"].notna().any()
    arabic = by_pair["lexicon", "copy"].loc["ar"]
    assert arabic["samples"] == 0 and pd.isna(arabic["spearman"]) and pd.isna(arabic["same_sign"])
    validity = valid.set_index(["scorer", "language"])
    assert (validity.loc["opposite"].loc[known, "auroc"] == 0).all()
    assert not validity.loc["opposite"].loc[known, "valid"].astype(bool).any()
    assert validity.loc[("opposite", "ar"), "reason"] == "no scored text"
    assert summary["scorers"]["opposite"]["valid_languages"] == 0
    assert summary["scorers"]["copy"]["valid_languages"] == 5
    assert summary["pairs"]["lexicon opposite"]["spearman_mean"] == pytest.approx(-1)


def test_the_change_is_the_one_that_measure_transfer_reports(copied_study, tmp_path: Path) -> None:
    """EMT of the aligned prompts before and after, by the primary scorer."""
    compare({"copy": archive(tmp_path / "copy.parquet", lexicons_scores())})
    agreement, _, _ = tables()
    reported = pd.read_csv("metrics/measure_transfer/languages.csv")
    rows = reported[(reported["metric"] == "emt") & (reported["subset"] == "aligned")].set_index("language")["change"]
    changes = agreement.set_index("language")["change_a"]
    assert changes.to_dict() == pytest.approx(rows[LANGUAGES].to_dict(), abs=1e-5)


def test_languages_that_no_scorer_is_valid_in_are_listed(copied_study) -> None:
    """Labels at random: no interval lies above .7. A language without labels is listed, not skipped."""
    path = Path("data/score_labelled/scores.parquet")
    scores = pd.read_parquet(path)
    scores = scores[scores["language"] != "zh"]
    scores.assign(toxic=[index % 2 == 0 for index in range(len(scores))]).to_parquet(path)
    copied_study.run("compare_scorers")
    _, valid, summary = tables()
    assert summary["languages"] == {"without_valid_scorer": LANGUAGES, "without_labels": ["zh"]}
    chinese = valid.set_index("language").loc["zh"]
    assert chinese["texts"] == 0 and pd.isna(chinese["valid"]) and chinese["reason"] == "no labelled text"


def test_scores_of_other_scorers_are_refused(copied_study, capsys: pytest.CaptureFixture[str]) -> None:
    """Validity of one scorer says nothing of another."""
    path = Path("data/score_labelled/scores.parquet")
    pd.read_parquet(path).assign(scorer="former").to_parquet(path)
    assert cli.main(["compare_scorers"]) == 1
    assert "scored by former, but data/score_toxicity by lexicon" in capsys.readouterr().err
