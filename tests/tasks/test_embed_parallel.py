"""Sentence embeddings of every layer."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks import __main__ as cli


def test_states_are_means_over_tokens_of_each_layer(study) -> None:
    """One sentence at a time, without padding, gives the same vectors, in the order of sentence ids."""
    states = load_file("data/embed_parallel/states.safetensors")
    assert sorted(states) == ["ar", "de", "en", "es", "ja", "zh"]
    assert states["ja"].shape == (3, 20, 32)  # embeddings and two blocks, twenty sentences, width 32
    model = AutoModelForCausalLM.from_pretrained("models/prepare_model").eval()
    tokenizer = AutoTokenizer.from_pretrained("models/prepare_model")
    sentences = pd.read_parquet("data/prepare_parallel/sentences.parquet")
    texts = sentences[sentences["language"] == "ja"].sort_values("sentence_id")["text"].tolist()
    for number in (0, 7, 19):
        with torch.no_grad():
            hidden = model(**tokenizer([texts[number]], return_tensors="pt"), output_hidden_states=True).hidden_states
        for layer in range(3):
            expected = hidden[layer][0].mean(dim=0).numpy()
            np.testing.assert_allclose(states["ja"][layer, number], expected, rtol=1e-4, atol=1e-5)


def test_batch_size_changes_no_state(copied_study) -> None:
    """runtime.embed_batch is how, not what: equal within 1e-5 for batches of 3 and of 128."""
    expected = load_file("data/embed_parallel/states.safetensors")
    loaded = yaml.safe_load(Path("params.yaml").read_text())
    loaded["runtime"]["embed_batch"] = 3
    Path("params.yaml").write_text(yaml.safe_dump(loaded))
    copied_study.run("embed_parallel")
    found = load_file("data/embed_parallel/states.safetensors")
    for language in expected:
        np.testing.assert_allclose(found[language], expected[language], rtol=1e-5, atol=1e-5)


def test_a_sentence_without_a_translation_is_refused(copied_study, capsys: pytest.CaptureFixture[str]) -> None:
    """Retrieval needs every sentence in every language; the message names the hole."""
    path = Path("data/prepare_parallel/sentences.parquet")
    sentences = pd.read_parquet(path)
    hole = (sentences["language"] == "de") & (sentences["sentence_id"] == "s0004")
    sentences[~hole].to_parquet(path)
    assert cli.main(["embed_parallel"]) == 1
    assert "sentence s0004 has no de version" in capsys.readouterr().err


def test_a_sentence_longer_than_the_context_is_dropped_in_all_languages(
    copied_study, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nineteen of twenty are left everywhere, those of before; the count is kept and the text is not printed."""
    before = load_file("data/embed_parallel/states.safetensors")
    path = Path("data/prepare_parallel/sentences.parquet")
    sentences = pd.read_parquet(path)
    ids = sorted(sentences["sentence_id"].unique())
    sentences.loc[(sentences["language"] == "de") & (sentences["sentence_id"] == ids[4]), "text"] = "zzyzx " * 2000
    sentences.to_parquet(path)
    copied_study.run("embed_parallel")
    after = load_file("data/embed_parallel/states.safetensors")
    for language, states in before.items():
        np.testing.assert_allclose(after[language], np.delete(states, 4, axis=1), rtol=1e-5, atol=1e-5)
    assert json.loads(Path("data/embed_parallel/dropped.json").read_text()) == {"sentences": 1, "too_long": {"de": 1}}
    said = capsys.readouterr()
    assert "zzyzx" not in said.out + said.err
