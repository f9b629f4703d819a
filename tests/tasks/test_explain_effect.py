"""Patched models continue the same prompts; a patch of nothing changes nothing."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tasks import __main__ as cli

FOLDER = Path("data/explain_effect/dpo-1")


def test_both_ways_have_the_same_conditions(study) -> None:
    """Unchanged, sources, two draws of two controls, the groups that have a neuron, their union and control, all."""
    frame = pd.read_parquet(FOLDER / "continuations.parquet")
    sizes = frame.groupby(["way", "neurons", "draw"]).size()
    assert (sizes == 24).all()
    conditions = {way: set(rows["neurons"]) for way, rows in frame.groupby("way")}
    assert conditions["restore"] == conditions["impose"]
    fixed = {"unchanged", "actual", "random", "matched", "four groups", "random for four groups", "all neurons"}
    assert fixed <= conditions["restore"] <= fixed | {"TP-", "TN+", "AP+", "AN-"}


def test_groups_are_disjoint_and_their_union_is_the_four_groups(study) -> None:
    """All neurons are as many as the model has: 2 layers of 4 times 32."""
    sizes = json.loads((FOLDER / "sizes.json").read_text())
    assert sum(sizes.get(name, 0) for name in ("TP-", "TN+", "AP+", "AN-")) == sizes["four groups"]
    assert sizes["random for four groups"] == sizes["four groups"]
    assert sizes["all neurons"] == 256


def test_the_unpatched_models_are_those_that_intervene_and_generate_use(study) -> None:
    """What the base model writes unpatched here is what it writes unchanged there, with the same seed and settings."""
    here = pd.read_parquet(FOLDER / "continuations.parquet")
    here = here[(here["way"] == "impose") & (here["neurons"] == "unchanged")]
    there = pd.read_parquet("data/intervene_neurons/continuations.parquet")
    there = there[there["neurons"] == "unchanged"]
    key = ["language", "prompt_id", "sample", "text"]
    pd.testing.assert_frame_equal(here[key].reset_index(drop=True), there[key].reset_index(drop=True))


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ({"dpo-3": "models/train_dpo/3"}, "dpo-3: models/train_dpo/3 is not among `policies`"),
        ({}, "explain_effect@dpo-1: not in explain_effect.policies"),
    ],
)
def test_a_policy_that_is_not_judged_is_refused(copied_study, capsys, policies: dict[str, str], said: str) -> None:
    """The message names it."""
    loaded = yaml.safe_load(Path("params.yaml").read_text())
    loaded["explain_effect"]["policies"] = policies
    Path("params.yaml").write_text(yaml.safe_dump(loaded))
    assert cli.main(["explain_effect", "dpo-1"]) == 1
    assert said in capsys.readouterr().err
