"""A section with missing fields is answered with the smallest section that works."""

import copy
import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.plumbing.params import ParamsError, section

KINDS = [
    ("prepare_model", "PrepareModel", {"kind": "local"}),
    ("prepare_model", "PrepareModel", {"kind": "hub"}),
    ("prepare_pairs", "PreparePairs", {"kind": "lee"}),
    ("prepare_pairs", "PreparePairs", {"kind": "table"}),
    ("prepare_pairs", "PreparePairs", {"kind": "hf"}),
    ("prepare_pairs", "PreparePairs", {"kind": "rtp_lx"}),
    ("score_fluency", "ScoreFluency", {"judge": "causal_lm"}),
    ("score_fluency", "ScoreFluency", {"judge": "mt5_published"}),
]


@pytest.mark.parametrize(("stage", "name", "given"), KINDS, ids=[" ".join(v.values()) for _, _, v in KINDS])
def test_the_section_shown_is_accepted(stage: str, name: str, given: dict[str, Any]) -> None:
    """What the message offers to paste keeps the values that were given and passes the same check."""
    kind = getattr(importlib.import_module(f"tasks.{stage}"), name)
    with pytest.raises(ParamsError) as caught:
        section({stage: copy.deepcopy(given)}, stage, kind, Path("p.yaml"))
    first, _, shown = str(caught.value).partition("\n")
    assert first.startswith(f"p.yaml: {stage}.") and ": missing" in first and "{" not in first
    pasted = yaml.safe_load(shown.partition("\n")[2])
    assert given.items() <= pasted[stage].items()
    section(pasted, stage, kind)


def test_a_missing_kind_names_the_choices() -> None:
    """Without the key that chooses there is no section to show; the message has the key and its values."""
    kind = importlib.import_module("tasks.score_fluency").ScoreFluency
    with pytest.raises(ParamsError) as caught:
        section({"score_fluency": {"model": "x"}}, "score_fluency", kind, Path("p.yaml"))
    assert str(caught.value) == "p.yaml: score_fluency.judge: missing; one of 'base', 'causal_lm', 'mt5_published'"
