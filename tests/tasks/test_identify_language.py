"""Which language a continuation is in, and whether it is degenerate."""

import pandas as pd


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
