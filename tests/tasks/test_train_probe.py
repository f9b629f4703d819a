"""The probe: what it saves scores the texts as it says, and its measures are those of its scores."""

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file
from sklearn.metrics import roc_auc_score
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks.plumbing.files import ArtefactError
from tasks.plumbing.params import Runtime
from tasks.train_probe import METRICS, MODEL, PROBE, SCORES, TEXTS, TrainProbe, run

PARAMS = TrainProbe(seed=1, c=1.0, max_iterations=2000, resamples=100, confidence=0.95)
WORDS = {"en": ("bread", "teacher", "fool"), "es": ("pan", "maestro", "tonto"), "ru": ("хлеб", "учитель", "дурак")}


def runtime(batch: int = 16) -> Runtime:
    return Runtime(device="cpu", generate_batch=8, score_batch=8, embed_batch=batch, track_training=False)


def _texts() -> pd.DataFrame:
    """60 English texts to train on, 20 per language to test on; toxic ones hold each language's word for a fool."""
    rng = np.random.default_rng(0)
    rows = []
    for split, languages, count in (("train", ["en"], 60), ("test", list(WORDS), 20)):
        for language in languages:
            for number in range(count):
                toxic = number % 3 == 0 and language != "ru"
                said = [WORDS[language][i] for i in rng.integers(0, 2, 3 + number % 4)] + [WORDS[language][2]] * toxic
                rows.append((language, f"{split}-{number:02d}", split, " ".join(rng.permutation(said)), toxic))
    return pd.DataFrame(rows, columns=["language", "text_id", "split", "text", "toxic"])


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_model_dir, MODEL)
    TEXTS.parent.mkdir(parents=True)
    _texts().to_parquet(TEXTS)


@torch.inference_mode()
def _features(text: str) -> np.ndarray:
    """Mean over the tokens of the state before GPT-2's final norm, one text at a time."""
    model = copy.deepcopy(AutoModelForCausalLM.from_pretrained(MODEL).eval())
    model.transformer.ln_f = nn.Identity()
    ids = AutoTokenizer.from_pretrained(MODEL)(text, return_tensors="pt")
    return model(**ids, output_hidden_states=True).hidden_states[-1][0].mean(dim=0).double().numpy()


def test_the_saved_probe_gives_the_saved_scores() -> None:
    """sigmoid(weight · residual + bias), residuals computed here, for every fifth text; weight (16,), bias (1,)."""
    run(PARAMS, runtime())
    probe, scores = load_file(PROBE), pd.read_parquet(SCORES)
    assert {name: value.shape for name, value in probe.items()} == {"weight": (16,), "bias": (1,)}
    assert scores.columns.tolist() == ["language", "text_id", "split", "toxic", "probability"]
    texts = _texts()
    pd.testing.assert_frame_equal(scores[["language", "text_id", "split", "toxic"]], texts.drop(columns="text"))
    for number in range(0, len(texts), 5):
        log_odds = float((_features(texts["text"][number]) @ probe["weight"] + probe["bias"]).item())
        assert scores["probability"][number] == pytest.approx(1 / (1 + np.exp(-log_odds)), abs=1e-3)


def test_measures_are_those_of_the_test_scores() -> None:
    """AUROC by scikit-learn on the saved scores of each language; counts as drawn; majority beside accuracy."""
    said = run(PARAMS, runtime())
    scores, found = pd.read_parquet(SCORES), json.loads(METRICS.read_text())
    assert sorted(found["test"]) == ["en", "es", "ru"]
    for language in ("en", "es"):
        own = scores[(scores["language"] == language) & (scores["split"] == "test")]
        measured = found["test"][language]
        assert measured["auroc"] == pytest.approx(roc_auc_score(own["toxic"], own["probability"]), rel=1e-5)
        assert (measured["texts"], measured["toxic"], measured["majority"]) == (20, 7, 0.65)
        assert measured["auroc_interval"][0] <= measured["auroc"] <= measured["auroc_interval"][1]
    trained = scores[scores["split"] == "train"]
    assert roc_auc_score(trained["toxic"], trained["probability"]) > 0.9  # one word decides
    assert found["train"] == {"texts": 60, "toxic": 20}
    assert found["cut_at_context"] == {"train": 0, "test": 0}
    assert found["dimensions"] == 16
    assert "over 3 languages" in said


def test_a_language_without_toxic_texts_has_null_with_a_reason() -> None:
    """Russian has none here: its AUROC is null, not NaN and not left out."""
    run(PARAMS, runtime())
    measured = json.loads(METRICS.read_text())["test"]["ru"]
    assert measured["auroc"] is None and measured["auroc_interval"] is None
    assert measured["undefined"]["auroc"] == "none of the texts are toxic"
    assert measured["majority"] == 1


def test_a_second_run_makes_the_same_bytes() -> None:
    """Nothing is drawn but from the seed."""
    run(PARAMS, runtime())
    before = {path: path.read_bytes() for path in (PROBE, SCORES, METRICS)}
    run(PARAMS, runtime())
    assert {path: path.read_bytes() for path in before} == before


def test_batch_size_changes_no_score() -> None:
    """runtime.embed_batch is how, not what: probabilities equal within 1e-4 for batches of 3 and of 100."""
    run(PARAMS, runtime(3))
    few = pd.read_parquet(SCORES)["probability"]
    run(PARAMS, runtime(100))
    np.testing.assert_allclose(pd.read_parquet(SCORES)["probability"], few, atol=1e-4)


def test_a_further_language_leaves_the_others_as_they_are() -> None:
    """Without Russian, the measures of English and Spanish are the same, intervals included."""
    run(PARAMS, runtime())
    before = json.loads(METRICS.read_text())["test"]
    texts = _texts()
    texts[texts["language"] != "ru"].to_parquet(TEXTS)
    run(PARAMS, runtime())
    after = json.loads(METRICS.read_text())["test"]
    assert sorted(after) == ["en", "es"]
    for language in after:
        assert after[language]["auroc_interval"] == pytest.approx(before[language]["auroc_interval"], abs=1e-6)


def test_texts_cut_at_the_context_are_counted() -> None:
    """Of 64 positions: one test text of 100 digits is read in part, and the record says so."""
    texts = _texts()
    texts.loc[texts.index[-1], "text"] = "0" * 100
    texts.to_parquet(TEXTS)
    run(PARAMS, runtime())
    assert json.loads(METRICS.read_text())["cut_at_context"] == {"train": 0, "test": 1}


def test_an_unknown_split_is_refused() -> None:
    """The message names the row and what a split may be."""
    texts = _texts()
    texts.loc[3, "split"] = "dev"
    texts.to_parquet(TEXTS)
    with pytest.raises(ArtefactError, match=r"texts\.parquet: row 3: split is 'dev'; it must be train or test"):
        run(PARAMS, runtime())


def test_a_text_that_is_there_twice_is_refused() -> None:
    """The message names its key."""
    texts = _texts()
    pd.concat([texts, texts.iloc[[3]]], ignore_index=True).to_parquet(TEXTS)
    with pytest.raises(ArtefactError, match="row 120: language 'en', text_id 'train-03', split 'train' appears twice"):
        run(PARAMS, runtime())


def test_training_texts_of_one_kind_are_refused() -> None:
    """No toxic text to train on leaves nothing to learn."""
    texts = _texts()
    texts[~((texts["split"] == "train") & texts["toxic"])].to_parquet(TEXTS)
    with pytest.raises(ArtefactError, match="needs toxic and other texts to train on"):
        run(PARAMS, runtime())
