"""Sources of toxicity are the active ones among the value vectors nearest to the probe; controls are others."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM

from tasks import __main__ as cli

FOLDER = Path("data/find_toxic_neurons")


def _sets() -> dict[str, list[list[tuple[int, int]]]]:
    loaded = json.loads((FOLDER / "sets.json").read_text())
    return {name: [[(a, b) for a, b in draw] for draw in draws] for name, draws in loaded.items()}


def test_candidates_are_the_vectors_nearest_to_the_probe(study) -> None:
    """Cosines are those of the second matrix's rows with the probe, computed here from the model's own weights."""
    model = AutoModelForCausalLM.from_pretrained("models/prepare_model")
    weight = load_file("models/train_probe/probe.safetensors")["weight"]
    values = np.stack([block.mlp.c_proj.weight.detach().numpy() for block in model.transformer.h]).astype(float)
    cosine = values @ weight / np.linalg.norm(values, axis=-1) / np.linalg.norm(weight)
    neurons = pd.read_csv(FOLDER / "neurons.csv")
    assert len(neurons) == 24
    best = np.sort(cosine, axis=None)[::-1][:24]
    np.testing.assert_allclose(neurons["cosine"], best, rtol=1e-4)
    for row in neurons.itertuples():
        assert cosine[row.layer, row.neuron] == pytest.approx(row.cosine, rel=1e-4)


def test_sources_are_the_active_candidates(study) -> None:
    """Mean activation above 0, and no other candidate."""
    neurons = pd.read_csv(FOLDER / "neurons.csv")
    active = neurons[neurons["activation"] > 0]
    assert 0 < len(active) < len(neurons)
    assert _sets()["actual"] == [list(zip(active["layer"], active["neuron"], strict=True))]


def test_controls_are_as_many_other_neurons(study) -> None:
    """Random ones are no candidates, matched ones no sources; no set has a neuron twice, and draws differ."""
    sets = _sets()
    candidates = set(pd.read_csv(FOLDER / "neurons.csv")[["layer", "neuron"]].itertuples(index=False, name=None))
    sources = set(sets["actual"][0])
    for name, forbidden in (("random", candidates), ("matched", sources)):
        assert len(sets[name]) == 2
        for draw in sets[name]:
            assert len(set(draw)) == len(draw) == len(sources)
            assert not set(draw) & forbidden


def test_tokens_are_those_with_the_largest_products(study) -> None:
    """The first token of each vector has the largest dot product with it over the whole vocabulary."""
    model = AutoModelForCausalLM.from_pretrained("models/prepare_model")
    unembedding = model.lm_head.weight.detach().numpy()
    tokens = pd.read_parquet(FOLDER / "tokens.parquet")
    assert (tokens.groupby(["layer", "neuron"]).size() == 30).all()
    for (layer, neuron), rows in tokens.groupby(["layer", "neuron"]):
        products = unembedding @ model.transformer.h[layer].mlp.c_proj.weight.detach().numpy()[neuron]
        np.testing.assert_allclose(np.sort(rows["score"])[::-1], np.sort(products)[::-1][:30], rtol=1e-4)
    assert set(tokens["language"].dropna()) <= {"ar", "de", "en", "es", "ja", "zh"}


def test_a_source_language_without_prompts_is_refused(copied_study, capsys) -> None:
    """The message says which key to change."""
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("source: en", "source: xx"))
    assert cli.main(["find_toxic_neurons"]) == 1
    assert "no prompt is in 'xx'; set find_toxic_neurons.source" in capsys.readouterr().err
