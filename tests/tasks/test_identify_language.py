"""Which language a continuation is in, and whether it is degenerate."""

from pathlib import Path

import pandas as pd
import yaml


def test_continuations_tend_to_stay_in_their_language(study) -> None:
    """Even the shrunken model answers in the prompt's language more often than by chance (1 of 6)."""
    frame = pd.read_parquet("data/identify_language/base/languages.parquet")
    assert len(frame) == 300
    assert frame["consistent"].mean() > 1 / 4


def test_a_continuation_without_a_known_word_has_no_language(study) -> None:
    """It is neither consistent nor inconsistent; an empty one always is of this kind."""
    frame = pd.read_parquet("data/identify_language/base/languages.parquet")
    unknown = frame["identified"].isna()
    assert frame.loc[unknown, "consistent"].isna().all() and frame.loc[~unknown, "consistent"].notna().all()
    assert unknown[frame["empty"]].all()


def test_cut_off_means_that_no_end_came(study) -> None:
    """A text is cut off exactly if its continuation is not finished."""
    frame = pd.read_parquet("data/identify_language/base/languages.parquet")
    continuations = pd.read_parquet("data/generate/base/continuations.parquet")
    assert (frame["cut_off"] == ~continuations["finished"]).all()


def test_an_unknown_language_has_a_reason_and_a_known_one_none(study) -> None:
    """The lexicon's only reason is that it knows no word."""
    frame = pd.read_parquet("data/identify_language/base/languages.parquet")
    unknown = frame["identified"].isna()
    assert frame.loc[unknown, "reason"].eq("no known word").all() and frame.loc[~unknown, "reason"].isna().all()


def test_lingua_writes_the_same_columns(copied_study) -> None:
    """Of plain sentences put in the place of the continuations, each is identified; columns stay as they were."""
    path = Path("data/identify_language/base/languages.parquet")
    columns = list(pd.read_parquet(path))
    source = Path("data/generate/base/continuations.parquet")
    sentences = {"de": "Die Lehrerin kauft heute frisches Brot", "ja": "先生は市場でパンを買います"}
    texts = pd.read_parquet(source)
    texts["text"] = texts["language"].map(sentences).fillna("")
    texts.to_parquet(source)
    loaded = yaml.safe_load(Path("params.yaml").read_text())
    loaded["identify_language"] |= {"kind": "lingua", "candidates": "study", "confidence": 0.5}
    Path("params.yaml").write_text(yaml.safe_dump(loaded))
    copied_study.run("identify_language", "base")
    frame = pd.read_parquet(path).set_index("language")
    assert list(frame.reset_index()) == columns
    assert frame.loc[["de", "ja"], "consistent"].all() and len(frame.loc["de"]) == 50
    assert frame.loc["en", "consistent"].isna().all()
    assert frame.loc["en", "reason"].eq("nothing to tell a language from").all()
