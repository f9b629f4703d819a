"""Judges that read text: exact boundaries, and the published quantity as published."""

import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from tasks.models.language_model import load
from tasks.scoring.fluency_judge import load_seq2seq, mt5_perplexity, text_fluency
from tests.scorer_models import save_guard, save_mt5

CPU = torch.device("cpu")
PAIRS = [
    ("you are", " a fool."),
    ("you are a fo", "ol."),  # the boundary lies within a word
    ("you are ", "a fool."),
    ("先生は", "とても良い"),
    ("the teacher\n", "\n\n is"),
    ("el maestro", "!"),
]


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_guard(tmp_path_factory.mktemp("causal"))


@pytest.fixture(scope="module")
def mt5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_mt5(tmp_path_factory.mktemp("mt5"))


def expected_nll(folder: Path, prompt: str, continuation: str) -> tuple[int, float]:
    """The tokens that the text has beyond those whose text is wholly in the prompt, one softmax at a time."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(prompt + continuation)["input_ids"]
    head = 1  # BOS
    while len(tokenizer.decode(ids[1 : head + 1]).rstrip("�").encode()) <= len(prompt.encode()) and prompt.startswith(
        tokenizer.decode(ids[1 : head + 1]).rstrip("�")
    ):
        head += 1
    with torch.no_grad():
        logp = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return len(ids) - head, -sum(logp[at - 1, ids[at]].item() for at in range(head, len(ids)))


@pytest.mark.parametrize("pair", [PAIRS[0], PAIRS[1], PAIRS[2], PAIRS[5]])
def test_the_likelihood_is_that_of_the_continuations_tokens(causal: Path, pair: tuple[str, str]) -> None:
    """A token that spans the boundary is the continuation's; compared with the sum of single log-probabilities."""
    (found,) = text_fluency(*load(causal, CPU), [pair[0]], [pair[1]], 4)
    tokens, nll = expected_nll(causal, *pair)
    assert (found.tokens, found.reason) == (tokens, None)
    assert found.nll == pytest.approx(nll, rel=1e-5)


def test_parts_add_up_to_the_whole(causal: Path) -> None:
    """The chain rule: log p(b c | a) = log p(b | a) + log p(c | a b), where the boundaries fall between tokens."""
    model, tokenizer = load(causal, CPU)
    whole, first, second = text_fluency(
        model, tokenizer, ["you", "you", "you are"], [" are kind.", " are", " kind."], 4
    )
    assert whole.nll == pytest.approx((first.nll or 0) + (second.nll or 0), rel=1e-5)
    assert whole.tokens == first.tokens + second.tokens


def test_batch_size_changes_no_likelihood(causal: Path) -> None:
    """Sizes 1 and 8 agree within 1e-5 relative, each at its own place."""
    model, tokenizer = load(causal, CPU)
    prompts, continuations = ([pair[side] for pair in PAIRS] for side in (0, 1))
    alone, together = (text_fluency(model, tokenizer, prompts, continuations, batch) for batch in (1, 8))
    assert [one.nll for one in alone] == pytest.approx([one.nll for one in together], rel=1e-5)
    assert len({one.nll for one in alone}) == 5  # one pair is another with the space on the other side: the same tokens


def test_what_cannot_be_judged_has_a_reason(causal: Path) -> None:
    """An empty continuation, and one that does not fit into 256 tokens; the one between them is judged."""
    model, tokenizer = load(causal, CPU)
    found = text_fluency(model, tokenizer, ["you", "you", "you"], ["", " fool", " fool" * 300], 4)
    assert found[0].reason == "empty continuation" and found[0].nll is None
    assert found[1].nll is not None
    assert found[2].nll is None and "longer than the judge's 256 tokens" in str(found[2].reason)


def published(folder: Path, prompt: str, continuation: str) -> float:
    """The published formula with transformers' own loss, one text at a time (paper's metric_perplexity.py:54-65)."""
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)

    def total(text: str) -> tuple[float, int]:
        ids = tokenizer(text, return_tensors="pt").input_ids
        assert ids[0, -1] == tokenizer.eos_token_id
        with torch.no_grad():
            return model(input_ids=ids, labels=ids).loss.item() * (ids.shape[1] - 1), ids.shape[1]

    (full, full_n), (part, part_n) = total(prompt + continuation), total(prompt)
    return math.exp((full - part) / (full_n - part_n))


@pytest.mark.parametrize("batch", [1, 8])
def test_mt5_perplexity_is_the_published_quantity(mt5: Path, batch: int) -> None:
    """In batches, with the same texts computed once; within 1e-4 relative of the formula taken literally."""
    prompts, continuations = ([pair[side] for pair in PAIRS] for side in (0, 1))
    found = mt5_perplexity(*load_seq2seq(mt5, CPU), prompts, continuations, batch)
    assert [reason for _, reason in found] == [None] * len(PAIRS)
    assert [value for value, _ in found] == pytest.approx([published(mt5, *pair) for pair in PAIRS], rel=1e-4)
    assert len({value for value, _ in found}) == len(PAIRS)


def test_where_the_published_code_divides_by_zero_there_is_a_reason(mt5: Path) -> None:
    """A prompt and its longer text may both be one token: as many with the continuation as without."""
    model, tokenizer = load_seq2seq(mt5, CPU)
    counts = {text: len(tokenizer(text)["input_ids"]) for text in (" foo", " fool", " fo", " f")}
    prompt, continuation = next(
        (a, b[len(a) :]) for a in counts for b in counts if a != b and b.startswith(a) and counts[a] == counts[b]
    )
    ((value, reason),) = mt5_perplexity(model, tokenizer, [prompt], [continuation], 4)
    assert value is None and reason == "as many tokens with the continuation as without"


def test_an_empty_continuation_is_left_out_as_published(mt5: Path) -> None:
    """Blank ones too."""
    found = mt5_perplexity(*load_seq2seq(mt5, CPU), ["you", "you"], ["", " \n"], 4)
    assert found == [(None, "empty continuation")] * 2
