"""Loading models and turning texts into rectangles of token ids."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from tasks.models.language_model import (
    batches_by_length,
    context_length,
    encode,
    load,
    pad,
    pad_id,
    pick_device,
    positions,
)

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tokenizer(tiny_model_dir: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(tiny_model_dir, local_files_only=True)


def test_load_gives_the_saved_weights_ready_for_inference(tiny_model_dir: Path) -> None:
    """Every saved tensor is there, in fp32 on the CPU, without dropout; the context is the 64 of the fixture."""
    model, tokenizer = load(tiny_model_dir, CPU)
    saved = load_file(tiny_model_dir / "model.safetensors")
    state = model.state_dict()
    assert len(saved) >= 28  # 2 embeddings, 2 x 12 of the blocks, 2 of the last norm
    for name, tensor in saved.items():
        assert torch.equal(state[name], tensor), name
        assert state[name].dtype == torch.float32
    assert not model.training
    assert context_length(model) == 64
    assert tokenizer.decode(tokenizer("red bread", add_special_tokens=False)["input_ids"]) == "red bread"


def test_load_refuses_weights_that_could_run_code(tiny_model_dir: Path, tmp_path: Path) -> None:
    """A directory whose only weights are a pickle (pytorch_model.bin) is refused: safetensors only."""
    folder = tmp_path / "pickled"
    shutil.copytree(tiny_model_dir, folder)
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    with pytest.raises(OSError, match=r"safetensors"):
        load(folder, CPU)


def test_pick_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a machine without and with a GPU: auto takes what is there, cpu is kept, cuda must be there."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [pick_device(wanted).type for wanted in ("auto", "cpu")] == ["cpu", "cpu"]
    with pytest.raises(ValueError, match=r"runtime\.device is 'cuda'"):
        pick_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [pick_device(wanted).type for wanted in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]


def test_encode_begins_with_bos_once(tokenizer: PreTrainedTokenizerBase) -> None:
    """Each text becomes BOS and its own tokens, without EOS or padding; no texts become nothing."""
    rows = encode(tokenizer, ["red bread", "लाल"])
    for row, text in zip(rows, ["red bread", "लाल"], strict=True):
        assert row[0] == tokenizer.bos_token_id
        assert row.count(tokenizer.bos_token_id) == 1
        assert tokenizer.eos_token_id not in row
        assert tokenizer.pad_token_id not in row
        assert tokenizer.decode(row[1:]) == text
    assert encode(tokenizer, []) == []


def test_encode_refuses_an_empty_text(tokenizer: PreTrainedTokenizerBase) -> None:
    """The message says which of the texts is empty."""
    with pytest.raises(ValueError, match="text 1 is empty"):
        encode(tokenizer, ["red", "", "bread"])


def test_encode_refuses_a_second_bos(tokenizer: PreTrainedTokenizerBase) -> None:
    """A text that contains the BOS token itself would get it twice; the message says which text."""
    with pytest.raises(ValueError, match="text 1 begins with the BOS token twice"):
        encode(tokenizer, ["red", f"{tokenizer.bos_token}bread"])


def test_pad_by_hand() -> None:
    """Rows of 3, 1 and 2 tokens, filled with 9 on the left, or on the right; the mask is 0 where filled."""
    rows = [[1, 2, 3], [4], [5, 6]]
    ids, mask = pad(rows, 9, "left", CPU)
    assert ids.tolist() == [[1, 2, 3], [9, 9, 4], [9, 5, 6]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1], [0, 1, 1]]
    ids, mask = pad(rows, 9, "right", CPU)
    assert ids.tolist() == [[1, 2, 3], [4, 9, 9], [5, 6, 9]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0], [1, 1, 0]]


def test_positions_count_real_tokens(tiny_model_dir: Path) -> None:
    """The first real token has position 0 whatever the padding before it; a model without positions gets none."""
    model, _ = load(tiny_model_dir, CPU)
    mask = torch.tensor([[1, 1, 1], [0, 0, 1], [0, 1, 1]])
    given_positions = positions(model, mask)["position_ids"]
    assert given_positions[mask == 1].tolist() == [0, 1, 2, 0, 0, 1]
    assert given_positions.min() >= 0
    without: Any = SimpleNamespace(forward=lambda input_ids, attention_mask: None)
    assert positions(without, mask) == {}


@pytest.mark.parametrize(("pad_token", "eos_token", "expected"), [(5, 7, 5), (0, 7, 0), (None, 7, 7), (None, None, 0)])
def test_pad_id_falls_back(pad_token: int | None, eos_token: int | None, expected: int) -> None:
    """The tokenizer's pad token, the id 0 included, else its EOS token, else 0."""
    tokenizer: Any = SimpleNamespace(pad_token_id=pad_token, eos_token_id=eos_token)
    assert pad_id(tokenizer) == expected


@given(lengths=st.lists(st.integers(1, 9), max_size=20), size=st.integers(1, 7))
def test_batches_hold_every_row_once_and_the_longest_first(lengths: list[int], size: int) -> None:
    """Batches partition the rows, all but the last are full, and lengths never rise; equals keep their order."""
    batches = batches_by_length([[0] * length for length in lengths], size)
    flat = [index for batch in batches for index in batch]
    assert sorted(flat) == list(range(len(lengths)))
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(0 < len(batch) <= size for batch in batches)
    assert flat == [i for length in range(9, 0, -1) for i in range(len(lengths)) if lengths[i] == length]
