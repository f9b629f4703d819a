"""Sampled continuations follow the model's truncated distribution and depend on nothing but their identity."""

import dataclasses
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from tasks.generation.decoding import Continuation, Decoding, continue_prompts, nucleus_pick, uniforms
from tasks.models.language_model import load

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]
DECODING = Decoding(samples=3, new_tokens=12, top_p=0.8, temperature=0.9)
PROMPTS = [
    "the teacher",
    "a",
    "the doctor is very good and kind. the teacher buys red bread",
    "先生",
    "el maestro compra pan rojo",
    "red bread in the market",
    "the teacher",  # the same text again is another prompt
]
IDENTITIES = [(1, "en", f"p{number}") for number in range(len(PROMPTS))]


@pytest.fixture(scope="module")
def loaded(tiny_model_dir: Path) -> Loaded:
    return load(tiny_model_dir, torch.device("cpu"))


# -- picking a token ---------------------------------------------------------------------------------------------------


def _plain_pick(logits: np.ndarray, uniform: float, top_p: float, temperature: float) -> tuple[int, float]:
    """Token by a full sort in double precision, and the distance of `uniform` and `top_p` to the nearest boundary."""
    scaled = logits.astype(np.float64) / temperature
    chances = np.exp(scaled - scaled.max())
    chances /= chances.sum()
    order = np.argsort(-chances)
    kept: list[int] = []
    mass, nearest = 0.0, 1.0
    for token in order:
        if kept:
            nearest = min(nearest, abs(mass - top_p))
            if mass >= top_p:
                break
        kept.append(int(token))
        mass += float(chances[token])
    edges = np.cumsum(chances[kept]) / mass
    margin = min(nearest, float(np.abs(edges[:-1] - uniform).min()) if len(kept) > 1 else 1.0)
    for token, edge in zip(kept, edges, strict=True):
        if uniform < edge:
            return token, margin
    return kept[-1], margin


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    vocabulary=st.sampled_from([2, 5, 64, 65, 400, 1500]),
    spread=st.sampled_from([0.01, 1.0, 3.0, 10.0]),
    top_p=st.floats(0.01, 1.0),
    temperature=st.floats(0.2, 3.0),
    uniform=st.lists(st.floats(0.0, 1.0, exclude_max=True), min_size=1, max_size=4),
)
def test_nucleus_pick_equals_a_full_sort(
    seed: int, vocabulary: int, spread: float, top_p: float, temperature: float, uniform: list[float]
) -> None:
    """The token is that of a plain implementation, from flat distributions (all of 1500 tokens) to peaked ones.

    Numbers within 1e-5 of a boundary may fall on either side in fp32 and are left out.
    """
    logits = np.random.default_rng(seed).normal(scale=spread, size=(len(uniform), vocabulary)).astype(np.float32)
    plain = [_plain_pick(row, u, top_p, temperature) for row, u in zip(logits, uniform, strict=True)]
    assume(all(margin > 1e-5 for _, margin in plain))
    decoding = Decoding(samples=1, new_tokens=1, top_p=top_p, temperature=temperature)
    picked = nucleus_pick(torch.from_numpy(logits), torch.tensor(uniform, dtype=torch.float64), decoding)
    assert picked.tolist() == [token for token, _ in plain]


@pytest.mark.parametrize(
    ("top_p", "uniform", "token"),
    [
        (0.49, 0.999, 2),  # .5 alone reaches .49
        (0.6, 0.62, 2),  # .5 / .8 = .625
        (0.6, 0.63, 0),
        (0.6, 0.999, 0),
        (0.95, 0.49, 2),
        (0.95, 0.51, 0),
        (0.95, 0.79, 0),
        (0.95, 0.81, 1),
        (1.0, 0.0, 2),
        (1e-9, 0.999, 2),
    ],
)
def test_nucleus_by_hand(top_p: float, uniform: float, token: int) -> None:
    """Chances .3, .2, .5 of the tokens 0, 1, 2: sorted 2, 0, 1 with boundaries at .5 and .8."""
    logits = torch.tensor([[0.3, 0.2, 0.5]]).log()
    decoding = Decoding(samples=1, new_tokens=1, top_p=top_p, temperature=1.0)
    assert nucleus_pick(logits, torch.tensor([uniform], dtype=torch.float64), decoding).tolist() == [token]


def test_temperature_comes_before_the_nucleus() -> None:
    """At temperature 1/2 chances .6 and .4 become .36/.52 = .692 and .308: the first alone then reaches .65."""
    logits = torch.tensor([[0.6, 0.4]]).log()
    for temperature, expected in ((1.0, 1), (0.5, 0)):
        decoding = Decoding(samples=1, new_tokens=1, top_p=0.65, temperature=temperature)
        assert nucleus_pick(logits, torch.tensor([0.95], dtype=torch.float64), decoding).tolist() == [expected]


# -- randomness --------------------------------------------------------------------------------------------------------


def test_uniforms_depend_on_their_identity_alone() -> None:
    """The same identity has the same numbers, whatever was drawn before, and fewer of them are the first of more."""
    first = uniforms(20, 1, "en", "p1", 0)
    np.random.default_rng(0).random(5)
    torch.manual_seed(3)
    assert uniforms(20, 1, "en", "p1", 0).tolist() == first.tolist()
    assert uniforms(7, 1, "en", "p1", 0).tolist() == first[:7].tolist()


def test_each_part_of_the_identity_counts() -> None:
    """Seed, language, prompt, sample, and where one part ends and the next begins: each change changes every number."""
    identities = [(1, "en", "p1", 0), (2, "en", "p1", 0), (1, "de", "p1", 0), (1, "en", "p2", 0), (1, "en", "p1", 1)]
    identities += [(1, "en", "p", 10), (1, "enp", 10), (11, "en", "p1", 0)]  # type: ignore[list-item]  # any parts
    drawn = [uniforms(20, *identity) for identity in identities]
    assert len(drawn) == 8
    for one in range(8):
        for other in range(one):
            assert not np.any(drawn[one] == drawn[other])


def test_uniforms_are_uniform() -> None:
    """20,000 numbers of 1000 identities lie in [0, 1) evenly (Kolmogorov-Smirnov), neighbours uncorrelated."""
    numbers = np.stack([uniforms(20, 1, "en", f"p{i}", 0) for i in range(1000)])
    assert numbers.min() >= 0 and numbers.max() < 1
    assert kstest(numbers.ravel(), "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]) < 4 / math.sqrt(1000)


# -- continuations -----------------------------------------------------------------------------------------------------


def _run(
    loaded: Loaded, prompts: list[str], identities: list[tuple[object, ...]], batch: int, decoding: Decoding = DECODING
) -> list[list[Continuation]]:
    return continue_prompts(*loaded, prompts, identities, decoding, batch)


def test_batch_size_changes_nothing(loaded: Loaded) -> None:
    """One prompt at a time, without padding, or several of mixed lengths padded together: the same continuations."""
    alone = [_run(loaded, [p], [i], batch=1)[0] for p, i in zip(PROMPTS, IDENTITIES, strict=True)]
    assert [len(samples) for samples in alone] == [3] * 7
    assert len({c.text for samples in alone for c in samples}) > 10  # they do differ
    for batch in (3, 7, 10, 1000):
        assert _run(loaded, PROMPTS, list(IDENTITIES), batch) == alone, batch


def test_order_of_prompts_moves_with_them(loaded: Loaded) -> None:
    """In any order each prompt keeps its continuations."""
    forwards = _run(loaded, PROMPTS, list(IDENTITIES), batch=9)
    order = np.random.default_rng(1).permutation(len(PROMPTS)).tolist()
    shuffled = _run(loaded, [PROMPTS[i] for i in order], [IDENTITIES[i] for i in order], batch=9)
    assert shuffled == [forwards[i] for i in order]


def test_equal_prompts_are_told_apart_by_identity(loaded: Loaded) -> None:
    """Two prompts with the same text continue in different ways, and so do the samples of each."""
    results = _run(loaded, PROMPTS, list(IDENTITIES), batch=100)
    assert PROMPTS[0] == PROMPTS[6]
    assert results[0] != results[6]
    assert all(len({c.tokens for c in samples}) == 3 for samples in (results[0], results[6]))


def test_samples_do_not_depend_on_their_number(loaded: Loaded) -> None:
    """The first three of five samples are the three."""
    three = _run(loaded, PROMPTS, list(IDENTITIES), batch=100)
    five = _run(loaded, PROMPTS, list(IDENTITIES), 100, dataclasses.replace(DECODING, samples=5))
    assert [samples[:3] for samples in five] == three


def test_text_is_what_the_tokens_say(loaded: Loaded) -> None:
    """Of 21 continuations each text is the decoded tokens, without those of the prompt."""
    checked = 0
    for samples in _run(loaded, PROMPTS, list(IDENTITIES), batch=100):
        for continuation in samples:
            assert continuation.text == loaded[1].decode(list(continuation.tokens), clean_up_tokenization_spaces=False)
            assert len(continuation.tokens) == 12 or continuation.finished
            checked += 1
    assert checked == 21


def test_a_tiny_nucleus_is_greedy(loaded: Loaded) -> None:
    """With top_p near 0 only the likeliest token remains: transformers' greedy search, prompt by prompt."""
    model, tokenizer = loaded
    decoding = Decoding(samples=2, new_tokens=12, top_p=1e-9, temperature=0.9)
    results = _run(loaded, PROMPTS, list(IDENTITIES), 100, decoding)
    greedy = GenerationConfig(
        do_sample=False,
        max_new_tokens=12,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
    )
    texts = set()
    for prompt, samples in zip(PROMPTS, results, strict=True):
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        generated = model.generate(ids, generation_config=greedy)  # type: ignore[operator]  # taken for a tensor
        expected = [token for token in generated[0, ids.shape[1] :].tolist() if token != tokenizer.eos_token_id]
        assert [list(sample.tokens) for sample in samples] == [expected, expected]
        texts.add(tuple(expected))
    assert len(texts) >= 5


@torch.inference_mode()
def _truncated(model: PreTrainedModel, ids: list[int], decoding: Decoding) -> dict[int, float]:
    """The next token's distribution by definition: softmax at the temperature, cut to the nucleus, normalised."""
    scaled = model(input_ids=torch.tensor([ids])).logits[0, -1].double() / decoding.temperature
    chances = sorted(enumerate(scaled.softmax(dim=-1).tolist()), key=lambda pair: -pair[1])
    kept: dict[int, float] = {}
    for token, chance in chances:
        if sum(kept.values()) >= decoding.top_p:
            break
        kept[token] = chance
    return {token: chance / sum(kept.values()) for token, chance in kept.items()}


def test_tokens_follow_the_truncated_distribution(loaded: Loaded) -> None:
    """First and second tokens of 4000 samples occur as often as the truncated softmax says (chi-square)."""
    model, tokenizer = loaded
    decoding = Decoding(samples=4000, new_tokens=2, top_p=0.8, temperature=0.9)
    (samples,) = _run(loaded, ["the teacher"], [(1, "en", "p1")], 4000, decoding)
    prompt = tokenizer("the teacher")["input_ids"]
    expected = _truncated(model, prompt, decoding)
    firsts = Counter(sample.tokens[0] if sample.tokens else tokenizer.eos_token_id for sample in samples)
    _assert_frequencies(firsts, expected)
    common = firsts.most_common(1)[0][0]
    seconds = Counter(
        sample.tokens[1] if len(sample.tokens) > 1 else tokenizer.eos_token_id
        for sample in samples
        if sample.tokens and sample.tokens[0] == common
    )
    _assert_frequencies(seconds, _truncated(model, [*prompt, common], decoding))


def _assert_frequencies(counts: Counter[int], expected: dict[int, float]) -> None:
    assert set(counts) <= set(expected)
    assert len(expected) >= 3  # or the test would say little
    frequent = [token for token, chance in expected.items() if chance * counts.total() >= 5]
    observed = [counts[token] for token in frequent]
    wanted = [expected[token] * counts.total() for token in frequent]
    if len(frequent) < len(expected):
        observed.append(counts.total() - sum(observed))
        wanted.append(counts.total() - sum(wanted))
    assert chisquare(observed, wanted).pvalue > 1e-3


def test_end_of_text_stops_and_is_left_out(loaded: Loaded, tiny_model_dir: Path) -> None:
    """If the token that came fourth were the end of text, the first three, or fewer, would be the continuation.

    Each row of a batch ends for itself: rows that have not met the token keep all 12.
    """
    model, _ = loaded
    unbounded = [c for samples in _run(loaded, PROMPTS, list(IDENTITIES), batch=100) for c in samples]
    fourths = Counter(c.tokens[3] for c in unbounded if len(c.tokens) > 3)
    end = fourths.most_common(1)[0][0]
    _, other = load(tiny_model_dir, torch.device("cpu"))
    other.eos_token = other.convert_ids_to_tokens(end)
    assert other.eos_token_id == end
    bounded = [c for samples in _run((model, other), PROMPTS, list(IDENTITIES), batch=100) for c in samples]
    ended = 0
    for before, after in zip(unbounded, bounded, strict=True):
        if before.finished and end not in before.tokens:
            continue  # the old end of text stopped it, and stops nothing now
        cut = before.tokens.index(end) if end in before.tokens else len(before.tokens)
        assert after.tokens == before.tokens[:cut]
        assert after.finished == (end in before.tokens)
        ended += after.finished
    assert 0 < ended < len(bounded)


def test_a_prompt_without_room_is_refused(loaded: Loaded) -> None:
    """Of 64 positions, 12 new tokens and BOS leave 51 for the prompt: 51 fit, 52 do not, named by identity."""
    fits, too_long = "0" * 51, "0" * 52  # one token each: digits occur in no training sentence
    assert len(loaded[1](fits, add_special_tokens=False)["input_ids"]) == 51
    assert len(_run(loaded, [fits], [(1, "en", "p1")], batch=1)[0]) == 3
    with pytest.raises(ValueError, match=r"\(1, 'en', 'p2'\) has 53 tokens.*room for 52"):
        _run(loaded, [fits, too_long], [(1, "en", "p1"), (1, "en", "p2")], batch=1)


def test_prompts_and_identities_must_match(loaded: Loaded) -> None:
    """Two prompts with one identity are a mistake, not a shorter answer."""
    with pytest.raises(ValueError, match="zip"):
        _run(loaded, ["a", "b"], [(1, "en", "p1")], batch=1)


def test_no_prompts(loaded: Loaded) -> None:
    """Nothing in, nothing out."""
    assert _run(loaded, [], [], batch=1) == []
