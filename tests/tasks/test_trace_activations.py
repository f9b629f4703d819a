"""Activations of the sources are means over what comes next, per prompt, and per language for every neuron."""

import json
from pathlib import Path

import pandas as pd
import pytest
from safetensors.torch import load_file

FOLDER = Path("data/trace_activations")


@pytest.mark.parametrize("policy", ["base", "dpo-1", "dpo-2"])
def test_every_prompt_is_traced_with_both_ways_of_decoding(study, policy: str) -> None:
    """Six languages, six prompts, greedy and sampled."""
    frame = pd.read_parquet(FOLDER / policy / "activations.parquet")
    assert (frame.groupby(["decoding", "language"]).size() == 6).all()
    assert len(frame) == 2 * 6 * 6
    assert frame["activation"].notna().all() and frame["key_product"].notna().all()


def test_means_per_language_agree_with_those_per_prompt(study) -> None:
    """The mean over prompts of the sources' mean is the mean of their entries in the table of all neurons."""
    frame = pd.read_parquet(FOLDER / "base" / "activations.parquet")
    tables = load_file(FOLDER / "base" / "neurons.safetensors")
    sources = json.loads(Path("data/find_toxic_neurons/sets.json").read_text())["actual"][0]
    for (decoding, language), rows in frame.groupby(["decoding", "language"]):
        table = tables[f"{decoding}.{language}"]
        mean = sum(float(table[layer, index]) for layer, index in sources) / len(sources)
        assert rows["activation"].mean() == pytest.approx(mean, abs=1e-5)


def test_policies_were_traced_on_the_same_prompts(study) -> None:
    """Before and after can be paired, and differ."""
    before, after = (pd.read_parquet(FOLDER / name / "activations.parquet") for name in ("base", "dpo-1"))
    key = ["language", "prompt_id", "decoding"]
    pd.testing.assert_frame_equal(before[key], after[key])
    assert (before["activation"] != after["activation"]).any()
