"""Every model family that people study, as a directory in the hub's format, runs by params alone.

Two of them run the whole graph, the others the stages in which families differ: those that load the model.

Models are tiny and random, and everything else is in the formats that real data is published in. What comes out means
nothing; that it comes out, complete and consistent, is what is tested here.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.torch import load_file

from tasks import __main__ as cli
from tasks.models.pinned import folder_digest
from tests import tiny_models
from tests.published_data import ROOT, json_lines, rtp_lx_row, rtp_lx_zip
from tests.scorer_models import save_classifier, save_guard

WORDS = {"de": "du bist", "en": "you are", "es": "tu eres", "fr": "tu es", "it": "tu sei"}
LANGUAGES = list(WORDS)
# One with an output layer of its own, and one with tied embeddings, norms after the MLP and a gated MLP.
WHOLE = [("llama", False), ("gemma3", True)]
# Stages that load the model, and those before them that prepare what they read.
MODEL_STAGES = {
    "prepare_model", "prepare_pairs", "prepare_prompts", "prepare_parallel", "prepare_labelled", "train_dpo",
    "generate", "score_fluency", "score_retention", "embed_parallel", "train_probe", "find_toxic_neurons",
    "trace_activations", "intervene_neurons", "explain_effect",
}  # fmt: skip
LORA = {
    "kind": "lora", "r": 4, "alpha": 8, "dropout": 0.05, "targets": "all-linear", "merge_tolerance": 1e-3,
    "base_dtype": "float32",
}  # fmt: skip


def write_data(raw: Path) -> None:
    """RTP-LX's archive with marks, pairs, parallel sentences, and two scorers, below `raw`."""
    locales = {
        language.upper(): [
            rtp_lx_row(number, f"{words} {number}", f"a {'fool' if number % 2 else 'friend'} {number}")
            | {
                name: {"Toxicity": 4.0 if number % 2 else 1.0}
                for name in ("PromptAnnotations", "CompletionAnnotations")
            }
            for number in [*range(12), 1000]
        ]
        for language, words in WORDS.items()
    }
    rtp_lx_zip(raw / "RTP-LX.zip", locales)
    pairs = [
        {"prompt": f"you {who}", "chosen": f" are {good} {number}", "rejected": f" are a {bad} {number}"}
        for number in range(3)
        for who in ("who buy bread", "who sell milk", "in the market", "at home")
        for good, bad in (("kind", "fool"), ("good", "liar"))
    ]
    (raw / "pairs.jsonl").write_bytes(json_lines(pairs))
    rows = [[f"{words} good {number}" for words in WORDS.values()] for number in range(10)]
    (raw / "parallel.tsv").write_text("".join("\t".join(row) + "\n" for row in [LANGUAGES, *rows]), encoding="utf-8")
    save_classifier(raw / "classifier", ["neutral", "toxic"], "single_label_classification")
    save_guard(raw / "guard")


def parameters(raw: Path, model: Path) -> dict[str, Any]:
    """The shipped parameters, with real kinds of everything and small numbers."""
    loaded = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    scorers = {
        name: {"kind": name, "model": str(raw / name), "revision": folder_digest(raw / name), "languages": LANGUAGES}
        for name in ("classifier", "guard")
    }
    scorers["classifier"]["label"] = "toxic"
    recipe = {"tuning": LORA, "evaluate_every": 2, "warmup_steps": 0, "learning_rate": 0.005, "min_improvement": 0.0}
    few = {"prompts": 2, "new_tokens": 4}
    archive = {"kind": "rtp_lx", "path": str(raw / "RTP-LX.zip"), "seed": 1}
    return loaded | {
        "languages": LANGUAGES,
        "runtime": loaded["runtime"] | {"track_training": False},
        "policies": {"base": "models/prepare_model", "dpo-1": "models/train_dpo/1"},
        "prepare_model": {
            "kind": "local", "path": str(model), "dtype": "auto", "attention": None, "device_map": None,
            "prompt_format": "plain", "corpus_share": {"en": 0.5, "de": 0.1},
        },
        "prepare_pairs": {
            "kind": "table", "path": str(raw / "pairs.jsonl"), "seed": 1, "language": "en", "validation": 0.25,
            "max_prompt_tokens": 32, "max_completion_tokens": 32, "limit": None,
            "columns": {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"},
        },
        "prepare_prompts": archive | {"limit": 6, "culture_specific": 1},
        "prepare_labelled": archive | {"threshold": 3, "test_share": 0.5},
        "prepare_parallel": {"kind": "tsv", "path": str(raw / "parallel.tsv"), "seed": None, "limit": None},
        "train_dpo": {"seeds": [1], "recipe": loaded["train_dpo"]["recipe"] | recipe},
        "generate": loaded["generate"] | {"samples": 3, "new_tokens": 6},
        "score_toxicity": {"primary": "classifier", "scorers": scorers},
        "identify_language": {
            "kind": "lingua", "candidates": "study", "confidence": 0.0, "repeated_ngram": 3, "repeated_share": 0.5
        },
        "train_probe": loaded["train_probe"] | {"resamples": 50},
        "find_toxic_neurons": loaded["find_toxic_neurons"] | {"candidates": 12, "permutations": 50, "new_tokens": 4},
        "trace_activations": loaded["trace_activations"] | few,
        "intervene_neurons": loaded["intervene_neurons"] | few | {"doses": [-1]},
        "explain_effect": {
            "policies": {"dpo-1": "models/train_dpo/1"}, "recipe": loaded["explain_effect"]["recipe"] | few
        },
        "compare_scorers": loaded["compare_scorers"] | {"resamples": 50},
        "measure_mechanism": loaded["measure_mechanism"] | {"resamples": 50},
        "measure_retrieval": loaded["measure_retrieval"] | {"resamples": 50},
        "measure_transfer": loaded["measure_transfer"] | {"resamples": 50, "permutations": 999},
    }  # fmt: skip


def run_the_graph(params: dict[str, Any], whole: bool) -> int:
    """Stages of dvc.yaml in this process, in the file's order; how many ran. MLflow's mirror needs dvc.lock."""
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    shutil.copy(ROOT / "dvc.yaml", ".")
    stages = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    ran = 0
    for name, stage in stages.items():
        if name == "mirror_mlflow" or not (whole or name in MODEL_STAGES):
            continue
        items: list[Any] = [None]
        if over := stage.get("foreach"):
            items = params
            for key in over.removeprefix("${").removesuffix("}").split("."):
                items = items[key]
        for item in items:
            assert cli.main([name] if item is None else [name, str(item)]) == 0, (name, item)
            ran += 1
    return ran


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and scorers, shared by all families."""
    folder = tmp_path_factory.mktemp("raw")
    write_data(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("family", "tied"), tiny_models.FAMILIES, ids=lambda value: str(value))
def test_a_family_runs_by_params_alone(
    family: str, tied: bool, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tuned with LoRA and merged; in the whole graph every language has its numbers, by two scorers, and a report."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLYDETOX_SCORES", str(tmp_path / "scores"))
    model = tiny_models.make(tmp_path / "model", family, tied)
    whole = (family, tied) in WHOLE
    ran = run_the_graph(parameters(raw, model), whole)
    # Stages that run once; the one seed and the one effect; those of two policies.
    assert ran == (16 + 2 + 7 * 2 if whole else 9 + 2 + 4 * 2)
    card = json.loads(Path("models/prepare_model/model_card.json").read_text())
    assert card["kind"] == "local"
    weights = load_file("models/train_dpo/1/model.safetensors")
    assert tied == (not any("lm_head" in name for name in weights))
    base, tuned = (
        pd.read_parquet(f"data/trace_activations/{policy}/activations.parquet") for policy in ("base", "dpo-1")
    )
    assert len(base) == len(tuned) == 2 * 2 * len(LANGUAGES)  # two prompts, two ways of decoding
    assert np.isfinite(base["activation"]).all() and not np.allclose(base["activation"], tuned["activation"])
    texts = pd.read_parquet("data/generate/dpo-1/continuations.parquet")
    assert texts.groupby("language").size().to_dict() == dict.fromkeys(LANGUAGES, 7 * 3)
    if not whole:
        return
    languages = pd.read_csv("metrics/measure_transfer/languages.csv")
    emt = languages[(languages["metric"] == "emt") & (languages["subset"] == "aligned")].set_index("language")
    assert set(emt.index) == {*LANGUAGES, "others"}
    scores = pd.read_parquet("data/score_toxicity/base/scores.parquet")
    shared = scores[scores["prompt_id"].str.removeprefix("i").astype(int) < 999]
    expected = shared.groupby(["language", "prompt_id"])["toxicity"].max().groupby("language").mean()
    np.testing.assert_allclose(emt.loc[LANGUAGES, "before"], expected[LANGUAGES].astype(float), atol=1e-6)
    validity = pd.read_csv("metrics/compare_scorers/validity.csv")
    assert set(zip(validity["scorer"], validity["language"], strict=True)) == {
        (scorer, language) for scorer in ("classifier", "guard") for language in LANGUAGES
    }
    assert len(pd.read_csv("metrics/compare_scorers/agreement.csv")) == len(LANGUAGES)
    layers = pd.read_csv("metrics/measure_retrieval/layers.csv")
    assert layers["layer"].max() == 2  # two blocks after the embeddings
    assert pd.read_csv("metrics/measure_mechanism/explained.csv")["share"].notna().any()
    page = Path("data/report/report.html").read_text(encoding="utf-8")
    assert "mini world" not in page.lower()
