"""Diversity over the continuations of one prompt."""

import pandas as pd


def test_distinct_n_by_hand_for_one_prompt(study) -> None:
    """Distinct n-grams over all n-grams of the five continuations, counted here anew."""
    continuations = pd.read_parquet("data/generate/base/continuations.parquet")
    scored = pd.read_parquet("data/score_diversity/base/diversity.parquet").set_index(["language", "prompt_id"])
    tokens = continuations[(continuations["language"] == "es") & (continuations["prompt_id"] == "w003")]["tokens"]
    for n in (1, 2, 3):
        grams = [tuple(ids[i : i + n]) for ids in tokens for i in range(len(ids) - n + 1)]
        assert scored.loc[("es", "w003"), f"distinct_{n}"] == len(set(grams)) / len(grams)


def test_there_is_one_row_per_prompt_with_shares_in_range(study) -> None:
    """60 prompts; every measure is a share, or missing where too few continuations have words."""
    scored = pd.read_parquet("data/score_diversity/base/diversity.parquet")
    assert len(scored) == 60
    shares = scored[["distinct_1", "distinct_2", "distinct_3", "self_bleu"]].stack().dropna()
    assert shares.between(0, 1).all()
