"""The base model: an ordinary model directory that learned something, and says how much."""

import json
import math

import pandas as pd
from transformers import AutoModelForCausalLM, AutoTokenizer


def test_the_base_model_is_an_ordinary_directory_with_safetensors_only(study) -> None:
    """Transformers loads it by itself, and nothing in it is a pickle."""
    folder = study.root / "models/prepare_model"
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.config.vocab_size == len(tokenizer)


def test_no_language_beats_the_entropy_of_the_world(study) -> None:
    """The entropy is a floor: no model can have a lower expected loss on documents of the world."""
    learning = pd.read_csv(study.root / "data/prepare_model/learning.csv")
    assert len(learning) == 6
    assert (learning["loss_per_token"] > learning["entropy_per_token"]).all()
    assert learning["corpus_share"].sum() == 1


def test_it_learned_more_than_word_frequencies(study) -> None:
    """Its loss is far below that of a uniform guess over the vocabulary."""
    learning = pd.read_csv(study.root / "data/prepare_model/learning.csv")
    vocabulary = json.loads((study.root / "models/prepare_model/config.json").read_text())["vocab_size"]
    uniform = math.log(vocabulary)
    assert learning.set_index("language")["loss_per_token"]["en"] < uniform / 2
