"""The base model: an ordinary model directory that learned something, and says how much."""

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks import __main__ as cli
from tasks import prepare_model
from tasks.models import pinned
from tests import tiny_models

ROOT = Path(__file__).resolve().parents[2]


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


# -- models from elsewhere ---------------------------------------------------------------------------------------------

ELSEWHERE = {
    "dtype": "auto",
    "attention": None,
    "device_map": None,
    "prompt_format": "plain",
    "corpus_share": {"en": 0.4, "ar": 0.05},
}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the shipped graph and parameters and a tiny model beside it."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    tiny_models.make(tmp_path / "mine", "qwen3")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _prepare(section: dict[str, Any]) -> int:
    loaded = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    Path("params.yaml").write_text(yaml.safe_dump(loaded | {"prepare_model": section}), encoding="utf-8")
    return cli.main(["prepare_model"])


def test_a_local_model_becomes_the_base_model(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary directory with a card; of the languages, what the user knows stands in learning.csv and no more."""
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert _prepare({"kind": "local", "path": "mine", **ELSEWHERE}) == 0
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    card = json.loads(Path("models/prepare_model/model_card.json").read_text())
    assert card["kind"] == "local" and card["model_type"] == "qwen3"
    assert AutoModelForCausalLM.from_pretrained("models/prepare_model").num_parameters() == card["parameters"]
    learning = pd.read_csv("data/prepare_model/learning.csv")
    assert list(learning.columns) == prepare_model.LEARNING_COLUMNS
    assert learning.set_index("language")["corpus_share"].to_dict() == {"ar": 0.05, "en": 0.4}
    assert learning["loss_per_token"].isna().all()


def test_only_a_hub_model_may_ask_the_network(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_HUB_OFFLINE is left alone for kind hub alone, and a user's own stands; the card names id and commit."""
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(pinned, "snapshot_download", lambda *args, **kwargs: "mine")
    hub = {"kind": "hub", "path": "params.yaml", "id": "owner/name", "revision": COMMIT, **ELSEWHERE}
    assert _prepare(hub) == 0
    assert "HF_HUB_OFFLINE" not in os.environ
    card = json.loads(Path("models/prepare_model/model_card.json").read_text())
    assert (card["kind"], card["id"], card["revision"]) == ("hub", "owner/name", COMMIT)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert _prepare(hub) == 0
    assert os.environ["HF_HUB_OFFLINE"] == "1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"revision": "REQUIRED"}, "git ls-remote https://huggingface.co/ID HEAD"),
        ({"id": "name"}, ".id: String should match"),
        ({"corpus_share": {"en": 40}}, "en has 40"),
        ({"prompt_format": "chatty"}, "prompt_format"),
    ],
)
def test_a_section_that_cannot_be_meant_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], message: str
) -> None:
    """Exit status 1, and the message says which key."""
    section = {"kind": "hub", "path": "params.yaml", "id": "owner/name", "revision": COMMIT, **ELSEWHERE, **changes}
    assert _prepare(section) == 1
    assert message in capsys.readouterr().err
