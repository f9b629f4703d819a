"""Retrieval measures per layer and language."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file


def test_accuracy_is_the_share_of_sentences_whose_nearest_neighbour_is_their_translation(study) -> None:
    """Counted here anew with numpy for German at layer 1, in both directions."""
    states = load_file("data/embed_parallel/states.safetensors")
    english, german = (
        states[name][1] / np.linalg.norm(states[name][1], axis=1, keepdims=True) for name in ("en", "de")
    )
    cosine = english.astype(float) @ german.astype(float).T
    forward = (cosine.argmax(axis=1) == np.arange(20)).mean()
    backward = (cosine.argmax(axis=0) == np.arange(20)).mean()
    layers = pd.read_csv("metrics/measure_retrieval/layers.csv")
    rows = layers[(layers["language"] == "de") & (layers["layer"] == 1)].set_index("measure")["value"]
    assert np.isclose(rows["p_at_1_forward"], forward) and np.isclose(rows["p_at_1_backward"], backward)
    assert np.isclose(rows["p_at_1"], (forward + backward) / 2)
    assert np.isclose(rows["mean_cosine"], cosine.diagonal().mean(), atol=1e-5)


def test_every_interval_holds_its_value(study) -> None:
    """5 languages x 3 layers x 7 measures, each with an interval around it."""
    layers = pd.read_csv("metrics/measure_retrieval/layers.csv")
    assert len(layers) == 5 * 3 * 7
    assert (layers["low"] <= layers["value"] + 1e-9).all() and (layers["value"] <= layers["high"] + 1e-9).all()


def test_the_best_layer_of_a_language_is_chosen_by_the_others(study) -> None:
    """German's layer is the one with the highest mean accuracy over Arabic, Spanish, Japanese and Chinese."""
    layers = pd.read_csv("metrics/measure_retrieval/layers.csv")
    table = layers[layers["measure"] == "p_at_1"].pivot(index="layer", columns="language", values="value")
    expected = table.drop(columns="de").mean(axis=1).idxmax()
    languages = pd.read_csv("metrics/measure_retrieval/languages.csv").set_index(["language", "measure"])
    assert languages.loc[("de", "p_at_1"), "best_layer"] == expected
    assert np.isclose(languages.loc[("de", "p_at_1"), "best"], table.loc[expected, "de"])
    summary = json.loads(Path("metrics/measure_retrieval/summary.json").read_text())
    assert np.isclose(summary["best_layer"]["p_at_1"]["de"], table.loc[expected, "de"])


def test_a_second_run_makes_the_same_bytes(study) -> None:
    """The bootstrap is seeded."""
    before = study.files("metrics/measure_retrieval")
    study.run("measure_retrieval")
    assert study.files("metrics/measure_retrieval") == before
