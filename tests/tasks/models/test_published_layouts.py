"""Every preset's repository, as a tiny copy with the files that it is published with, becomes a base model.

Of mGPT these are all files of its repository. Of the others it is what differs between them: the architecture, whether
the weights are one file or several, and whether vocabulary and merges stand beside the tokenizer.
"""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks.models.adopt import Loading, adopt
from tasks.models.language_model import encode_prompts, load
from tests import tiny_models
from tests.published_data import ROOT

LOADING = Loading(dtype="auto", attention=None, device_map=None, prompt_format="plain")


class Layout(NamedTuple):
    """Family of tiny_models, and how its repository is laid out."""

    family: str
    tied: bool
    shards: bool = True
    tokenizer: tuple[str, ...] = ("tokenizer.json", "tokenizer_config.json")


VOCABULARY = ("vocab.json", "merges.txt")
LAYOUTS = {
    "mgpt-1b3": Layout("gpt2", True, shards=False, tokenizer=VOCABULARY),
    "bloom-1b7": Layout("bloom", True, shards=False),
    "bloom-7b1": Layout("bloom", True),
    "llama-2-7b": Layout("llama", False),
    "llama-3-8b": Layout("llama", False),
    "aya-23-8b": Layout("cohere", True),
    "tiny-aya-base": Layout("cohere2", True),
    "qwen3-0.6b": Layout(
        "qwen3", True, shards=False, tokenizer=("tokenizer.json", "tokenizer_config.json", *VOCABULARY)
    ),
    "qwen3-8b": Layout("qwen3", False, tokenizer=("tokenizer.json", "tokenizer_config.json", *VOCABULARY)),
    "gemma-3-1b": Layout("gemma3", True, shards=False),
    "eurollm-9b": Layout("llama", False),
    "eurollm-9b-2512": Layout("llama", False),
    "eurollm-22b-2512": Layout("llama", False),
    "apertus-8b": Layout("apertus", False),
}


def _published(folder: Path, layout: Layout) -> Path:
    """A tiny model of the family in this layout."""
    whole = tiny_models.make(folder / "whole", layout.family, tied=layout.tied)
    model = AutoModelForCausalLM.from_pretrained(whole)
    target = folder / "published"
    model.save_pretrained(target, max_shard_size="40KB" if layout.shards else "5GB")
    backend = json.loads((whole / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    (whole / "vocab.json").write_text(json.dumps(backend["vocab"]), encoding="utf-8")
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in backend["merges"]]
    (whole / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    for name in layout.tokenizer:
        shutil.copy(whole / name, target / name)
    return target


def test_every_preset_has_a_layout() -> None:
    """A new preset needs one here."""
    assert set(LAYOUTS) == {path.stem for path in (ROOT / "presets").glob("*.yaml")}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_published_repository_becomes_a_base_model(name: str, tmp_path: Path) -> None:
    """The same logits on the same ids as transformers gives the published copy; the card has a digest per file."""
    layout = LAYOUTS[name]
    source = _published(tmp_path, layout)
    assert (len(list(source.glob("*.safetensors"))) > 1) is layout.shards
    adopt(source, name, LOADING, tmp_path / "base", {"kind": "hub"})
    model, tokenizer = load(tmp_path / "base", torch.device("cpu"))
    [ids] = encode_prompts(tokenizer, ["the teacher buys red bread"])
    assert ids == AutoTokenizer.from_pretrained(source)("the teacher buys red bread")["input_ids"]
    assert max(ids) < model.get_input_embeddings().num_embeddings
    published = AutoModelForCausalLM.from_pretrained(source).eval()
    with torch.inference_mode():
        expected, found = (one(input_ids=torch.tensor([ids])).logits for one in (published, model))
    torch.testing.assert_close(found, expected)
    card = json.loads((tmp_path / "base/model_card.json").read_text(encoding="utf-8"))
    assert set(card["weights_read"]) == {path.name for path in source.glob("*.safetensors")}


def test_a_repository_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    """Half of one, too: merges need their vocabulary. The message lists what would do."""
    source = _published(tmp_path, LAYOUTS["mgpt-1b3"])
    (source / "vocab.json").unlink()
    with pytest.raises(ValueError, match=r"no tokenizer in .*vocab\.json and merges\.txt"):
        adopt(source, "mgpt", LOADING, tmp_path / "base", {"kind": "hub"})


def test_mgpts_preset_names_the_commit_with_safetensors() -> None:
    """Its main has none, so the commit of now could not be read."""
    preset = yaml.safe_load((ROOT / "presets/mgpt-1b3.yaml").read_text(encoding="utf-8"))
    assert preset["prepare_model"]["revision"] == "845072acbbdb6bc4e0593ca7b4596796422f989e"
