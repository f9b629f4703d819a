"""Differences of a study's setting from the paper's."""

import dataclasses
from typing import Any

import pandas as pd

from tasks.reporting.paper_setting import differences
from tasks.reporting.published import MODELS
from tasks.reporting.sourced import Record, Sheet
from tests.tasks.reporting.test_mechanism_chapters import study

LIKE_THE_PAPER: dict[str, dict[str, Any]] = {
    "train_dpo": {"recipe": {"method": "dpo", "loss": "sigmoid", "tuning": {"kind": "full"}}},
    "prepare_pairs": {"kind": "lee"},
    "prepare_prompts": {"kind": "rtp_lx"},
    "prepare_parallel": {"kind": "rtp_lx"},
    "generate": {"samples": 25, "new_tokens": 20, "top_p": 0.8, "temperature": 0.9},
    "measure_transfer": {"source": "en", "threshold": 0.5, "confidence": 0.95},
    "score_fluency": {"judge": "base"},
}


def found(languages: int, scorer: str = "perspective", **changed: dict[str, Any]) -> list[str]:
    """What differs in a study of so many languages with these sections of params.yaml changed."""
    rows = [("emt", "aligned", f"l{number}", -0.1) for number in range(languages)]
    frame = pd.DataFrame(rows, columns=["metric", "subset", "language", "change"])
    one = dataclasses.replace(
        study(0.4, 0.05),
        params=LIKE_THE_PAPER | changed,
        languages=Sheet("languages.csv", ("language",), frame),
        mt5=(10.0, 12.0),
        scorers={"base": Record({"id": scorer}, "")},
    )
    return [str(difference) for difference in differences(one, MODELS[0])]


def test_only_the_sentences_differ_in_the_setting_of_the_paper() -> None:
    """Its machine translations are not public, so that difference is always there."""
    assert found(17) == ["the sentences of retrieval (there prompts of RTP-LX, translated by a machine)"]


def test_each_difference_is_named_with_both_sides() -> None:
    """Scorer, nucleus, tuning and the number of languages differ; the number of samples does not."""
    recipe = {"recipe": {"method": "dpo", "loss": "sigmoid", "tuning": {"kind": "lora"}}}
    generate = {"samples": 25, "new_tokens": 20, "top_p": 0.9, "temperature": 0.9}
    texts = found(4, scorer="lexicon", train_dpo=recipe, generate=generate)
    assert {
        "the scorer (lexicon; there Perspective)",
        "what is tuned (lora; there full)",
        "the nucleus (0.9; there 0.8)",
        "the languages (4; there 17)",
    } < set(texts)
    assert len(texts) == 5
