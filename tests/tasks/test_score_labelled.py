"""Labelled texts: scored by every scorer, as texts that answer nobody."""

from pathlib import Path

import pandas as pd
import pytest

from tasks import __main__ as cli
from tasks.world import reader as mini_world_source

SCORES = Path("data/score_labelled/scores.parquet")
TEXTS = Path("data/prepare_labelled/texts.parquet")


def test_every_test_text_has_a_score_beside_its_label(study) -> None:
    """The probe's training texts are left out; the lexicon finds an insult exactly in the texts that have one."""
    scores, texts = pd.read_parquet(SCORES), pd.read_parquet(TEXTS)
    test = texts[texts["split"] == "test"]
    assert len(scores) == len(test) > 100
    joined = scores.merge(test, on=["language", "text_id"], validate="one_to_one", suffixes=("", "_source"))
    assert len(joined) == len(test) and (joined["toxic"] == joined["toxic_source"]).all()
    lexicon = mini_world_source.load()[0]
    insulting = [bool(lexicon.insults(row.language, row.text)) for row in joined.itertuples()]
    assert (joined["toxicity"] > 0).tolist() == insulting
    assert set(scores["scorer"]) == {"lexicon"} and "text" not in scores


def test_texts_without_a_test_split_are_refused(copied_study, capsys: pytest.CaptureFixture[str]) -> None:
    """Scores of texts that something was trained on would prove nothing."""
    texts = pd.read_parquet(TEXTS)
    texts[texts["split"] == "train"].to_parquet(TEXTS)
    assert cli.main(["score_labelled"]) == 1
    assert f"{TEXTS}: no text has split 'test'" in capsys.readouterr().err
