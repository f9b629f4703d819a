"""A model from elsewhere is taken over as it is, or refused with what to do."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoTokenizer

from tasks.models.adopt import Chat, Loading, adopt
from tasks.models.language_model import (
    decode_completions,
    encode,
    encode_completions,
    encode_prompts,
    load,
)
from tasks.training.preference_pair import tokenise_pair
from tests import tiny_models

CPU = torch.device("cpu")
PLAIN = Loading(dtype="auto", attention=None, device_map=None, prompt_format="plain")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.make(tmp_path_factory.mktemp("source") / "m", "llama", tied=False, chat=True)


def _adopt(source: Path, target: Path, **changes: Any) -> dict[str, Any]:
    adopt(source, "tiny", PLAIN.model_copy(update=changes), target, {"kind": "local"})
    return dict(json.loads((target / "model_card.json").read_text()))


# -- taking over -------------------------------------------------------------------------------------------------------


def test_the_card_says_what_was_read(source: Path, tmp_path: Path) -> None:
    """Parameters counted by hand from the saved tensors, the digest that sha256sum gives, dtype and context."""
    card = _adopt(source, tmp_path / "m")
    tensors = load_file(source / "model.safetensors")
    assert card["parameters"] == sum(tensor.numel() for tensor in tensors.values())
    digest = hashlib.sha256((source / "model.safetensors").read_bytes()).hexdigest()
    assert card["weights_read"] == {"model.safetensors": digest}
    told = (card["kind"], card["model_type"], card["dtype"], card["context"], card["prompt_format"])
    assert told == ("local", "llama", "float32", 64, "plain")


def test_a_dtype_is_that_of_the_kept_weights(source: Path, tmp_path: Path) -> None:
    """bfloat16 is written; a CPU then computes in fp32 with those rounded weights."""
    assert _adopt(source, tmp_path / "m", dtype="bfloat16")["dtype"] == "bfloat16"
    kept = load_file(tmp_path / "m/model.safetensors")
    assert {tensor.dtype for tensor in kept.values()} == {torch.bfloat16}
    assert next(load(tmp_path / "m", CPU)[0].parameters()).dtype == torch.float32


def test_attention_is_kept_in_the_directory_and_obeyed(source: Path, tmp_path: Path) -> None:
    """Eager where transformers would pick sdpa; a policy that is saved from it obeys too."""
    _adopt(source, tmp_path / "m", attention="eager")
    model, _ = load(tmp_path / "m", CPU)
    assert model.config._attn_implementation == "eager"
    model.save_pretrained(tmp_path / "policy")
    AutoTokenizer.from_pretrained(tmp_path / "m").save_pretrained(tmp_path / "policy")
    assert load(tmp_path / "policy", CPU)[0].config._attn_implementation == "eager"
    _adopt(source, tmp_path / "plain")
    assert load(tmp_path / "plain", CPU)[0].config._attn_implementation == "sdpa"
    assert not hasattr(AutoConfig.from_pretrained(tmp_path / "plain"), "polydetox_loading")


def test_weights_that_could_run_code_are_refused(source: Path, tmp_path: Path) -> None:
    """A directory with pytorch_model.bin alone; the message says how to come by safetensors."""
    shutil.copytree(source, tmp_path / "pickled")
    (tmp_path / "pickled/model.safetensors").unlink()
    torch.save({}, tmp_path / "pickled/pytorch_model.bin")
    with pytest.raises(ValueError, match=r"no \*\.safetensors.*automatic conversion"):
        _adopt(tmp_path / "pickled", tmp_path / "m")


def test_code_of_the_models_author_is_not_run(source: Path, tmp_path: Path) -> None:
    """A configuration that names a class of its own repository is refused, and the file is never imported."""
    shutil.copytree(source, tmp_path / "coded")
    config = json.loads((source / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}}
    (tmp_path / "coded/config.json").write_text(json.dumps(config))
    (tmp_path / "coded/own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ValueError, match="transformers cannot load it"):
        _adopt(tmp_path / "coded", tmp_path / "m")
    assert not (tmp_path / "ran").exists()


def test_what_is_no_model_directory_is_named(tmp_path: Path) -> None:
    """A folder that is not there, and one without config.json."""
    with pytest.raises(ValueError, match=r"nowhere is no directory; prepare_model\.path"):
        _adopt(tmp_path / "nowhere", tmp_path / "m")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no config\.json"):
        _adopt(tmp_path / "empty", tmp_path / "m")


# -- prompts -----------------------------------------------------------------------------------------------------------


def test_a_chat_prompt_is_one_turn_up_to_the_answer(source: Path, tmp_path: Path) -> None:
    """Generation and pairs read the same ids: the template by hand, one BOS; other text stays plain."""
    _adopt(source, tmp_path / "m", prompt_format=Chat(system="good"))
    tokenizer = load(tmp_path / "m", CPU)[1]
    [ids] = encode_prompts(tokenizer, ["the teacher"])
    wanted = "<s>[system] good\n[user] the teacher\n[assistant] "
    assert ids == tokenizer(wanted, add_special_tokens=False)["input_ids"]
    assert ids.count(tokenizer.bos_token_id) == 1
    assert list(tokenise_pair(tokenizer, "the teacher", "kind", "rude", end=True).prompt) == ids
    assert encode(tokenizer, ["the teacher"]) == tokenizer(["the teacher"])["input_ids"]
    tokenizer.save_pretrained(tmp_path / "policy")
    assert encode_prompts(AutoTokenizer.from_pretrained(tmp_path / "policy"), ["the teacher"]) == [ids]


def test_a_chat_without_system_and_a_plain_prompt(source: Path, tmp_path: Path) -> None:
    """No system turn where there is none; plain is the text alone, template or not."""
    _adopt(source, tmp_path / "chat", prompt_format=Chat(system=None))
    tokenizer = load(tmp_path / "chat", CPU)[1]
    wanted = tokenizer("<s>[user] el\n[assistant] ", add_special_tokens=False)["input_ids"]
    assert encode_prompts(tokenizer, ["el"]) == [wanted]
    _adopt(source, tmp_path / "plain")
    plain = load(tmp_path / "plain", CPU)[1]
    assert encode_prompts(plain, ["el"]) == encode(plain, ["el"])


def test_a_template_that_doubles_the_bos_is_refused(source: Path, tmp_path: Path) -> None:
    """It is found when the model is taken over, not after hours; so is a tokenizer without a template."""
    shutil.copytree(source, tmp_path / "double")
    template = (source / "chat_template.jinja").read_text()
    (tmp_path / "double/chat_template.jinja").write_text("{{ bos_token }}" + template)
    with pytest.raises(ValueError, match="BOS token twice"):
        _adopt(tmp_path / "double", tmp_path / "m", prompt_format=Chat(system=None))
    (tmp_path / "double/chat_template.jinja").unlink()
    with pytest.raises(ValueError, match="the tokenizer has no chat template"):
        _adopt(tmp_path / "double", tmp_path / "m", prompt_format=Chat(system=None))


@pytest.mark.parametrize("text", [" is kind.", "cher buys", ", खराब 先生", "  two", "."])
def test_completions_gain_and_lose_no_space(source: Path, text: str) -> None:
    """Llama 2's way puts a space before what it is given and takes one from what it gives; completions are exact."""
    tokenizer = load(source, CPU)[1]
    [ids] = encode_completions(tokenizer, [text])
    assert decode_completions(tokenizer, [ids]) == [text]
    prompt = encode(tokenizer, ["the tea"])[0]
    assert tokenizer.decode([*prompt[1:], *ids]) == "the tea" + text
