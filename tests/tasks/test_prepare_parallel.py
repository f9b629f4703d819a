"""Parallel sentences: complete, distinct, never pretrained on."""

import pandas as pd

from tasks.engines import mini_world_source


def test_every_sentence_exists_in_every_language_once(study) -> None:
    """20 sentences x 6 languages, no text twice within a language (retrieval would be ambiguous)."""
    sentences = pd.read_parquet("data/prepare_parallel/sentences.parquet")
    assert sentences.groupby("language").size().to_dict() == dict.fromkeys(["ar", "de", "en", "es", "ja", "zh"], 20)
    assert not sentences.duplicated(["language", "sentence_id"]).any()
    assert not sentences.duplicated(["language", "text"]).any()


def test_they_are_civil(study) -> None:
    """Retention is measured on them, so they hold no insult."""
    lexicon, _ = mini_world_source.load()
    sentences = pd.read_parquet("data/prepare_parallel/sentences.parquet")
    assert not [row.text for row in sentences.itertuples() if lexicon.insults(row.language, row.text)]


def test_a_second_run_makes_the_same_bytes(study) -> None:
    """The sentences depend on nothing but seed and world."""
    before = study.files("data/prepare_parallel")
    study.run("prepare_parallel")
    assert study.files("data/prepare_parallel") == before
