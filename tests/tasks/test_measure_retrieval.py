"""Retrieval measures per layer and language."""

import functools
import json
import os
import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.evaluation import TranslationEvaluator
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from sklearn.metrics.pairwise import cosine_similarity
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from tasks import __main__ as cli
from tasks.world.pretraining import train_tokenizer
from tests.conftest import SENTENCES as WORDS
from tests.published_data import LANGUAGES, ROOT, project

# Where docs/data.md puts NTREX-128; it is real data, so no part of the repository.
NTREX = Path(os.environ.get("POLYDETOX_NTREX", ROOT / "data/raw/NTREX/NTREX-128"))


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


@pytest.fixture
def long_context_model(tmp_path: Path) -> Path:
    """Directory of a seeded GPT-2 that reads 1,024 tokens, most of them single bytes."""
    tokenizer = train_tokenizer(WORDS, vocabulary=320, context=1024)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=1024, n_embd=16, n_layer=2, n_head=2, initializer_range=0.5
    )
    with torch.random.fork_rng():
        torch.manual_seed(20)
        GPT2LMHeadModel(config).save_pretrained(tmp_path / "models/prepare_model")
    tokenizer.save_pretrained(tmp_path / "models/prepare_model")
    return tmp_path


def measured(root: Path, monkeypatch: pytest.MonkeyPatch, languages: list[str], **section: object) -> pd.DataFrame:
    """Sentences, embeddings and retrieval from params.yaml alone: P@1 in both directions by language and layer."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    project(
        root,
        languages=languages,
        prepare_parallel={"seed": None} | section,
        measure_retrieval=raw["measure_retrieval"] | {"resamples": 10},
        runtime=raw["runtime"] | {"device": "cpu", "embed_batch": 16},
    )
    monkeypatch.chdir(root)
    for stage in ("prepare_parallel", "embed_parallel", "measure_retrieval"):
        assert cli.main([stage]) == 0
    layers = pd.read_csv("metrics/measure_retrieval/layers.csv")
    return layers.pivot(index=["language", "layer"], columns="measure", values="value")


def recomputed(texts: dict[str, tuple[list[str], list[str]]]) -> Iterator[tuple[str, int, float, float]]:
    """P@1 anew, with transformers and scikit-learn alone: language, layer, from the pivot, to the pivot.

    `texts` has the pivot's sentences and their translations by language; each goes through the model by itself.
    """
    model = AutoModelForCausalLM.from_pretrained("models/prepare_model").eval()
    tokenizer = AutoTokenizer.from_pretrained("models/prepare_model")

    @functools.cache
    def one(sentence: str) -> np.ndarray:
        with torch.no_grad():
            states = model.transformer(**tokenizer(sentence, return_tensors="pt"), output_hidden_states=True)
        return np.array([state[0].mean(0).double().numpy() for state in states.hidden_states])

    def embed(sentences: list[str]) -> np.ndarray:
        return np.array([one(sentence) for sentence in sentences])

    for language, (pivot, other) in texts.items():
        source, target = embed(pivot), embed(other)
        for layer in range(source.shape[1]):
            cosine = cosine_similarity(source[:, layer], target[:, layer])
            right = np.arange(len(pivot))
            yield language, layer, (cosine.argmax(1) == right).mean(), (cosine.argmax(0) == right).mean()


def translation_accuracy(texts: dict[str, tuple[list[str], list[str]]]) -> Iterator[tuple[str, float, float]]:
    """Of the last layer, by the evaluator of sentence-transformers: language, from the pivot, to the pivot."""
    model = SentenceTransformer(
        modules=[(whole := Transformer("models/prepare_model")), Pooling(whole.get_embedding_dimension(), "mean")],
        device="cpu",
    )
    for language, (pivot, other) in texts.items():
        found = TranslationEvaluator(pivot, other, batch_size=1, write_csv=False)(model)
        yield language, found["src2trg_accuracy"], found["trg2src_accuracy"]


def write_ntrex(folder: Path, codes: list[str]) -> None:
    """A corpus in NTREX's form: the same shuffled words in every language, some with the language's own ending."""
    folder.mkdir()
    for code in codes:
        rng = random.Random(1)
        lines = []
        for _ in range(20):
            words = [rng.choice(WORDS).split()[0] + (code if rng.random() < 0.2 else "") for _ in range(9)]
            lines.append(" ".join(words))
        kind = "src" if code == "eng" else "ref"
        (folder / f"newstest2019-{kind}.{code}.txt").write_bytes("".join(f"{line}\r\n" for line in lines).encode())


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["written here", "NTREX-128"])
def test_ntrex_from_params_alone_agrees_with_an_independent_computation(
    long_context_model: Path, monkeypatch: pytest.MonkeyPatch, corpus: str
) -> None:
    """17 languages, 20 sentences, every layer, both directions: the same P@1 to 1e-6."""
    codes = "arb ces deu eng spa fra hin ind ita jpn kor nld pol por rus swe zho-CN".split()  # noqa: SIM905  # a table
    path = NTREX
    if corpus == "written here":
        path = long_context_model / "raw"
        write_ntrex(path, codes)
    elif not path.is_dir():
        pytest.skip(f"NTREX-128 is not at {path}; set POLYDETOX_NTREX to its folder")
    found = measured(long_context_model, monkeypatch, LANGUAGES, kind="ntrex", path=str(path), limit=20)
    texts = {}
    for language, code in zip(LANGUAGES, codes, strict=True):
        kind = "src" if code == "eng" else "ref"
        content = (path / f"newstest2019-{kind}.{code}.txt").read_bytes().decode("utf-8")
        # Real Hindi has letters that NFC writes otherwise, so the model reads other bytes.
        texts[language] = [unicodedata.normalize("NFC", line).strip() for line in content.split("\r\n")[:20]]
    pairs = {language: (texts["en"], texts[language]) for language in LANGUAGES if language != "en"}
    assert found.index.get_level_values("language").nunique() == 16
    checked = 0
    for language, layer, forward, backward in recomputed(pairs):
        row = found.loc[(language, layer)]
        assert row["p_at_1_forward"] == pytest.approx(forward, abs=1e-6), (language, layer)
        assert row["p_at_1_backward"] == pytest.approx(backward, abs=1e-6), (language, layer)
        assert row["p_at_1"] == pytest.approx((forward + backward) / 2, abs=1e-6)
        checked += 1
    assert checked == 16 * 3
    for language, forward, backward in translation_accuracy(pairs):
        assert found.loc[(language, 2), "p_at_1_forward"] == pytest.approx(forward, abs=1e-6), language
        assert found.loc[(language, 2), "p_at_1_backward"] == pytest.approx(backward, abs=1e-6), language
    assert 1 / 20 < found["p_at_1"].mean() < 1  # neither chance nor a copy, which any computation would agree on


def test_each_language_of_tatoeba_is_compared_with_its_own_english(
    long_context_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """German has 12 pairs and Chinese 10, with other English sentences; no sentence meets a stranger."""
    rng = random.Random(2)
    folder = long_context_model / "raw"
    folder.mkdir()
    pairs = {}
    for language, code, count in (("de", "deu", 12), ("zh", "cmn", 10)):
        english = [f"{number} " + " ".join(rng.choices(WORDS, k=2)) for number in rng.sample(range(100, 999), count)]
        other = [f"{sentence[::-1]} {language} {sentence[:3]}" for sentence in english]
        pairs[language] = (english, other)
        for end, lines in (("eng", english), (code, other)):
            text = "".join(f"{line}\n" for line in lines)
            (folder / f"tatoeba.{code}-eng.{end}").write_text(text, encoding="utf-8")
    found = measured(long_context_model, monkeypatch, ["de", "en", "zh"], kind="tatoeba", path=str(folder), limit=None)
    states = load_file("data/embed_parallel/states.safetensors")
    assert {name: tensor.shape for name, tensor in states.items()} == {
        "de/de": (3, 12, 16), "de/en": (3, 12, 16), "zh/en": (3, 10, 16), "zh/zh": (3, 10, 16)
    }  # fmt: skip
    results = list(recomputed(pairs))
    assert len(results) == 2 * 3
    for language, layer, forward, backward in results:
        row = found.loc[(language, layer)]
        assert row["p_at_1_forward"] == pytest.approx(forward, abs=1e-6)
        assert row["p_at_1_backward"] == pytest.approx(backward, abs=1e-6)


def test_a_pivot_that_was_not_paired_is_refused(
    long_context_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tatoeba pairs with English only; German as the pivot has nothing to say about Chinese."""
    folder = long_context_model / "raw"
    folder.mkdir()
    for code in ("deu", "cmn"):
        for end in (code, "eng"):
            (folder / f"tatoeba.{code}-eng.{end}").write_text("a b\nc d\n", encoding="utf-8")
    measured(long_context_model, monkeypatch, ["de", "en", "zh"], kind="tatoeba", path=str(folder), limit=None)
    loaded = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    loaded["measure_retrieval"]["pivot"] = "de"
    Path("params.yaml").write_text(yaml.safe_dump(loaded), encoding="utf-8")
    assert cli.main(["measure_retrieval"]) == 1
    assert (
        "the sentences paired for zh have no de version (measure_retrieval.pivot), only en, zh"
        in capsys.readouterr().err
    )
