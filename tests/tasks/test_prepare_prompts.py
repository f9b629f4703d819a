"""Prompts: aligned across languages, leaning to different degrees."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from tasks import __main__ as cli


def test_aligned_prompts_have_the_same_ids_in_every_language(study) -> None:
    """8 aligned prompts are shared by all six languages; 2 more per language belong to it alone."""
    prompts = pd.read_parquet("data/prepare_prompts/prompts.parquet")
    aligned = prompts[~prompts["culture_specific"]]
    ids = aligned.groupby("language")["prompt_id"].agg(tuple)
    assert len(ids) == 6
    assert ids.nunique() == 1 and len(ids.iloc[0]) == 8
    specific = prompts[prompts["culture_specific"]]
    assert specific.groupby("language").size().eq(2).all()
    assert specific["prompt_id"].is_unique


def test_aligned_prompts_lean_alike_in_every_language(study) -> None:
    """A translation says the same, so it leans the same; different prompts lean differently."""
    prompts = pd.read_parquet("data/prepare_prompts/prompts.parquet")
    leans = prompts[~prompts["culture_specific"]].groupby("prompt_id")["lean"].nunique()
    assert (leans == 1).all()
    assert prompts["lean"].between(0, 1).all()
    assert prompts["lean"].nunique() > 5


def test_a_second_run_makes_the_same_bytes(study) -> None:
    """The prompts depend on nothing but seed and world."""
    before = study.files("data/prepare_prompts")
    study.run("prepare_prompts")
    assert study.files("data/prepare_prompts") == before


@pytest.mark.parametrize(
    ("languages", "said"), [([], "languages"), (["en", "xx"], "'xx'"), (["en", "en"], "'en' appears twice")]
)
def test_bad_languages_are_refused(copied_study, capsys: pytest.CaptureFixture[str], languages, said) -> None:
    """No language, a language without a lexicon, or one named twice: the message says which."""
    loaded = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump(loaded | {"languages": languages}))
    assert cli.main(["prepare_prompts"]) == 1
    assert said in capsys.readouterr().err
