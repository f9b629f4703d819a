"""English preference pairs: no leak between splits, nothing dropped in silence."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tasks.engines import mini_world_source
from tasks.prepare_pairs import PreparePairs, drop_reason


@pytest.fixture
def params(study) -> PreparePairs:
    return PreparePairs(**yaml.safe_load(Path("params.yaml").read_text())["prepare_pairs"])


def test_no_prompt_is_in_both_splits(study) -> None:
    """Validation loss is measured on prompts that were never trained on."""
    pairs = pd.read_parquet("data/prepare_pairs/pairs.parquet")
    prompts = pairs.groupby("split")["prompt"].agg(set)
    assert prompts["train"] and prompts["validation"]
    assert not prompts["train"] & prompts["validation"]


def test_rejected_insults_and_chosen_does_not(study) -> None:
    """The preference is what it claims to be: every rejected text has an insult, no chosen one and no prompt has."""
    lexicon, _ = mini_world_source.load()
    pairs = pd.read_parquet("data/prepare_pairs/pairs.parquet")
    assert len(pairs) > 200
    for pair in pairs.itertuples():
        assert lexicon.insults("en", pair.rejected)
        assert not lexicon.insults("en", pair.chosen + pair.prompt)


def test_every_pair_that_was_read_is_kept_or_counted(study) -> None:
    """Read = kept + dropped, and kept = train + validation."""
    drops = json.loads(Path("data/prepare_pairs/drops.json").read_text())
    reasons = set(drops) - {"read", "kept", "train", "validation"}
    assert drops["read"] == drops["kept"] + sum(drops[reason] for reason in reasons) == 300
    assert drops["kept"] == drops["train"] + drops["validation"]


@pytest.mark.parametrize(
    ("texts", "tokens", "expected"),
    [
        (("a", " b", " b"), (1, 1, 1), "chosen_equals_rejected"),
        (("seen", " b", " c"), (1, 1, 1), "duplicate"),
        (("a", " b", " c"), (65, 1, 1), "prompt_too_long"),
        (("a", " b", " c"), (1, 1, 65), "completion_too_long"),
        (("a", " b", " c"), (64, 64, 64), None),
    ],
)
def test_why_a_pair_is_dropped(params, texts, tokens, expected) -> None:
    """Limits are in tokens and inclusive; equal completions and repeats are no preference."""
    assert drop_reason(texts, tokens, {("seen", " b", " c")}, params) == expected


def test_a_second_run_makes_the_same_bytes(study) -> None:
    """The pairs depend on nothing but seed, world and tokenizer."""
    before = study.files("data/prepare_pairs")
    study.run("prepare_pairs")
    assert study.files("data/prepare_pairs") == before
