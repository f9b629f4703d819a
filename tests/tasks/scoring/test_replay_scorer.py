"""Archived scores: found by their key, never by chance."""

from pathlib import Path

import pandas as pd
import pytest

from tasks.scoring.replay_scorer import ReplayScorer
from tasks.scoring.toxicity_scorer import Exchange, Score, ScorerCard

CARD = ScorerCard("perspective", "2024-05", "TOXICITY", ("en", "es"), "toxicity")
TEXTS = pd.DataFrame(
    {
        "language": ["en", "es", "en", "en"],
        "text": ["you fool", "you fool", "NA", "001"],
        "score": [0.7, 0.1 + 0.2, 0.5, None],
    }
)
ROWS = pd.DataFrame(
    {
        "policy": ["base", "dpo-1"],
        "language": ["en", "en"],
        "prompt_id": ["i0001", "i0001"],
        "sample": [3, 3],
        "score": [0.7, 0.2],
    }
)


def saved(frame: pd.DataFrame, folder: Path, kind: str) -> Path:
    path = folder / f"archive.{kind}"
    match kind:
        case "parquet":
            frame.to_parquet(path)
        case "csv":
            frame.to_csv(path, index=False)
        case "jsonl":
            frame.to_json(path, orient="records", lines=True, force_ascii=False, double_precision=15)
    return path


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_scores_are_found_by_language_and_text(kind: str, tmp_path: Path) -> None:
    """The same text in two languages has two scores; words that look like nulls or numbers are words."""
    scorer = ReplayScorer(saved(TEXTS, tmp_path, kind), CARD)
    english = scorer.score("en", [Exchange(text, "any") for text in ("you fool", "NA", "001", "1", "")])
    assert [score.value for score in english] == [0.7, 0.5, None, None, None]
    assert english[2].reason == f"no score in {tmp_path}/archive.{kind}"
    assert english[3].reason == english[4].reason == f"not in {tmp_path}/archive.{kind}"
    assert scorer.score("es", [Exchange("you fool")])[0].value == pytest.approx(0.3)


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_scores_are_found_by_policy_prompt_and_sample(kind: str, tmp_path: Path) -> None:
    """An archive without texts; one policy's score is never another's."""
    scorer = ReplayScorer(saved(ROWS, tmp_path, kind), CARD)
    rows = [("base", "i0001", 3), ("dpo-1", "i0001", 3), ("base", "i0001", 4), None]
    scores = scorer.score("en", [Exchange("text", row=row) for row in rows])
    assert [score.value for score in scores] == [0.7, 0.2, None, None]
    assert "no continuation of the study" in str(scores[3].reason)


def test_an_undeclared_language_has_no_score_even_if_the_file_has_one(tmp_path: Path) -> None:
    """What the archive's scorer does not declare is left out as for any other scorer."""
    frame = TEXTS.assign(language="ko").head(1)
    assert ReplayScorer(saved(frame, tmp_path, "csv"), CARD).score("ko", [Exchange("you fool")]) == [
        Score(None, "perspective does not know ko")
    ]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            TEXTS.drop(columns="language"),
            "no column 'language'; an archive needs score and language, text, or language,",
        ),
        (TEXTS.rename(columns={"score": "toxicity"}), "no column 'score'"),
        (ROWS.drop(columns="policy"), "no column 'policy'"),
        (TEXTS.assign(score=[0.7, 1.2, 0.5, 0.1]), r"row 1: score is '1.2', expected a number from 0 to 1"),
        (TEXTS.assign(score=["0.7", "high", "0.5", "0.1"]), "row 1: score is 'high'"),
        (pd.concat([TEXTS, TEXTS.head(1).assign(score=0.6)]), "row 4: another score than in a row before it"),
    ],
)
def test_a_broken_archive_is_refused_with_its_row(frame: pd.DataFrame, message: str, tmp_path: Path) -> None:
    """Nothing is guessed from a file that contradicts itself."""
    with pytest.raises(ValueError, match=message):
        ReplayScorer(saved(frame, tmp_path, "csv"), CARD)


def test_the_same_score_twice_is_one(tmp_path: Path) -> None:
    """Several samples may have the same text."""
    scorer = ReplayScorer(saved(pd.concat([TEXTS, TEXTS]), tmp_path, "csv"), CARD)
    assert scorer.score("en", [Exchange("you fool")]) == [Score(0.7)]


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    """A file that was cut off is not half an archive."""
    path = saved(TEXTS, tmp_path, "jsonl")
    path.write_text(path.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    with pytest.raises(ValueError, match=r"archive\.jsonl: line 4: not valid JSON"):
        ReplayScorer(path, CARD)


def test_another_format_is_refused(tmp_path: Path) -> None:
    """A pickle would run code."""
    (tmp_path / "archive.pkl").write_bytes(b"")
    with pytest.raises(ValueError, match=r"cannot read '.pkl'"):
        ReplayScorer(tmp_path / "archive.pkl", CARD)
