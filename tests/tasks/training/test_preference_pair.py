"""A preference in token ids is cut exactly where prompt and completion meet."""

from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from tasks.models.language_model import load
from tasks.training.preference_pair import Pair, tokenise_pair


@pytest.fixture(scope="module")
def tokenizer(tiny_model_dir: Path) -> PreTrainedTokenizerBase:
    return load(tiny_model_dir, torch.device("cpu"))[1]


def test_the_boundary_of_a_pair_is_exact(tokenizer: PreTrainedTokenizerBase) -> None:
    """Prompt ids are BOS and the prompt alone, completion ids the completion alone, whatever would merge across."""
    pair = tokenise_pair(tokenizer, "the tea", "cher", " red", end=False)
    assert pair.prompt == (tokenizer.bos_token_id, *tokenizer("the tea", add_special_tokens=False)["input_ids"])
    texts = [tokenizer.decode(list(ids)) for ids in (pair.prompt[1:], pair.chosen, pair.rejected)]
    assert texts == ["the tea", "cher", " red"]
    # "teacher" is frequent in the fixture's training text, so joined it has other tokens than its two halves.
    joined = tuple(tokenizer("the teacher")["input_ids"])
    assert joined != pair.prompt + pair.chosen


def test_end_of_text_only_when_asked(tokenizer: PreTrainedTokenizerBase) -> None:
    """Fragments end as they are; whole texts end with EOS once; the prompt never has it; no completion has BOS."""
    fragment = tokenise_pair(tokenizer, "the", " red", " bad", end=False)
    whole = tokenise_pair(tokenizer, "the", " red", " bad", end=True)
    eos, bos = tokenizer.eos_token_id, tokenizer.bos_token_id
    assert whole == Pair(fragment.prompt, (*fragment.chosen, eos), (*fragment.rejected, eos))
    assert eos not in (*fragment.prompt, *fragment.chosen, *fragment.rejected)
    assert fragment.prompt.count(bos) == 1
    assert bos not in (*fragment.chosen, *fragment.rejected)
