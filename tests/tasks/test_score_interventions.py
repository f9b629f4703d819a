"""Continuations written under interventions are scored as all others are."""

from pathlib import Path

import pandas as pd

from tasks.world import reader as mini_world_source

FOLDER = Path("data/score_interventions")


def test_every_continuation_has_the_lexicons_score(study) -> None:
    """None where no insult stands, and something above it where one does."""
    lexicon = mini_world_source.load()[0]
    for name, source in (
        ("intervene_neurons", Path("data/intervene_neurons/continuations.parquet")),
        ("dpo-1", Path("data/explain_effect/dpo-1/continuations.parquet")),
    ):
        texts, scores = pd.read_parquet(source), pd.read_parquet(FOLDER / f"{name}.parquet")
        assert len(scores) == len(texts) and "text" not in scores
        key = [column for column in texts if column not in ("text", "tokens", "nll")]
        joined = texts.merge(scores[[*key, "toxicity"]], on=key, validate="one_to_one")
        assert len(joined) == len(texts)
        insulting = [bool(lexicon.insults(row.language, row.text)) for row in joined.itertuples()]
        assert (joined["toxicity"] > 0).tolist() == insulting
