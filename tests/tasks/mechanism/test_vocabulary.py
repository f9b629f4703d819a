"""Top tokens are those of a full sort; languages of tokens and of vectors are as counted by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.mechanism import vocabulary
from tasks.mechanism.vocabulary import UNKNOWN, TokenLanguages, multilinguality, token_languages, top_tokens


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


# -- top tokens ----------------------------------------------------------------------------------------------------


def test_top_tokens_by_hand() -> None:
    """Vocabulary (1,0) (0,2) (-1,0) (1,1): the vector (3,1) scores 3 2 -3 4, the vector (0,-1) scores 0 -2 0 -1."""
    unembedding = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0], [1.0, 1.0]])
    found = top_tokens(torch.tensor([[3.0, 1.0], [0.0, -1.0]]), unembedding, 3)
    assert found.ids_NK[0].tolist() == [3, 0, 1]
    assert found.scores_NK.tolist() == [[4.0, 3.0, 2.0], [0.0, 0.0, -1.0]]
    assert set(found.ids_NK[1, :2].tolist()) == {0, 2}  # equal scores, in any order


@pytest.mark.parametrize("values", [1, 700, 1 << 26])
def test_equals_a_full_sort_whatever_the_chunk(values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One vector at a time, seven, or all: ids and scores of numpy's argsort over the whole vocabulary."""
    monkeypatch.setattr(vocabulary, "CHUNK_VALUES", values)
    torch.manual_seed(0)
    vectors, unembedding = torch.randn(23, 16), torch.randn(100, 16)
    scores = vectors.double().numpy() @ unembedding.double().numpy().T
    expected = np.argsort(-scores, axis=1)[:, :10]
    found = top_tokens(vectors, unembedding, 10)
    np.testing.assert_array_equal(found.ids_NK.numpy(), expected)
    np.testing.assert_allclose(found.scores_NK.numpy(), np.take_along_axis(scores, expected, 1), rtol=1e-4, atol=1e-5)


def test_lengths_matter_as_no_norm_comes_between() -> None:
    """A vector ten times as long promotes the same tokens with ten times the score; long tokens beat parallel ones."""
    torch.manual_seed(1)
    vector, unembedding = torch.randn(1, 8), torch.randn(50, 8)
    short, long = top_tokens(vector, unembedding, 5), top_tokens(10 * vector, unembedding, 5)
    assert torch.equal(short.ids_NK, long.ids_NK)
    torch.testing.assert_close(long.scores_NK, 10 * short.scores_NK)
    assert top_tokens(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [3.0, 3.0]]), 1).ids_NK.tolist() == [[1]]


def test_half_precision_is_multiplied_in_full() -> None:
    """bfloat16 inputs give the scores of their exact values, not of a bfloat16 product."""
    torch.manual_seed(2)
    vectors, unembedding = torch.randn(4, 64).bfloat16(), torch.randn(200, 64).bfloat16()
    found = top_tokens(vectors, unembedding, 3)
    assert found.scores_NK.dtype == torch.float32
    exact = np.sort(vectors.double().numpy() @ unembedding.double().numpy().T, axis=1)[:, :-4:-1]
    np.testing.assert_allclose(found.scores_NK.numpy(), exact, rtol=1e-5)


def test_no_vectors_have_no_tokens() -> None:
    """An empty selection is not an error."""
    assert top_tokens(torch.empty(0, 3), torch.ones(5, 3), 2).ids_NK.shape == (0, 2)


@pytest.mark.parametrize(
    ("vectors", "k", "said"),
    [
        (torch.ones(2, 4), 1, r"vectors \(2, 4\) and unembedding \(5, 3\)"),
        (torch.ones(3), 1, r"vectors \(3,\)"),
        (torch.ones(2, 3), 6, "k is 6; it must lie in 1..5"),
        (torch.ones(2, 3), 0, "k is 0"),
        (torch.tensor([[1.0, 1, 1], [1, float("nan"), 1]]), 1, "vector 1 is not finite"),
    ],
)
def test_bad_vectors_are_refused(vectors: torch.Tensor, k: int, said: str) -> None:
    """Shapes that disagree, more tokens than there are, or NaN."""
    with pytest.raises(ValueError, match=said):
        top_tokens(vectors, torch.ones(5, 3), k)


def test_an_unembedding_with_a_hole_is_refused() -> None:
    """A NaN would rank first and hide what lies behind it."""
    unembedding = torch.ones(5, 3)
    unembedding[2, 1] = torch.nan
    with pytest.raises(ValueError, match="the unembedding holds a value that is not finite"):
        top_tokens(torch.ones(1, 3), unembedding, 2)


# -- languages of tokens -------------------------------------------------------------------------------------------


def test_languages_of_tokens_by_hand() -> None:
    """English has 100 tokens of text, German 50, for the same content; so 1 in German weighs as 2 in English.

    Token 0: rates .60 and .10, 6/7 English. Token 1: .06 and .04, exactly .6 English. Token 2: .10 and .10, nobody's.
    Token 3: .04 and .08, 2/3 German although both occur 4 times. Token 4: .01 and 0, seen once only. Token 5: never.
    Token 6: the rest, .19 and .68, German.
    """
    counts = {"en": [60, 6, 10, 4, 1, 0, 19], "de": [5, 2, 5, 4, 0, 0, 34]}
    found = token_languages(counts, dominance=0.6, min_count=2)
    assert [found.language(token) for token in range(7)] == ["en", "en", None, "de", None, None, "de"]
    assert found.languages == ("en", "de")
    assert found.code_V.tolist() == [0, 0, UNKNOWN, 1, UNKNOWN, UNKNOWN, 1]
    assert token_languages(counts, dominance=0.6, min_count=1).language(4) == "en"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), min_size=6, max_size=6).filter(any), min_size=1, max_size=4), st.data())
def test_more_text_of_a_language_claims_no_more_tokens(rows: list[list[int]], data: st.DataObject) -> None:
    """Multiplying a language's counts (the same text more often) moves no token that was seen often enough."""
    names = [f"l{number}" for number in range(len(rows))]
    times = data.draw(st.lists(st.integers(1, 50), min_size=len(rows), max_size=len(rows)))
    once = token_languages(dict(zip(names, rows, strict=True)), 0.7, 1)
    more = token_languages({n: np.array(r) * t for n, r, t in zip(names, rows, times, strict=True)}, 0.7, 1)
    assert once.code_V.tolist() == more.code_V.tolist()


@pytest.mark.parametrize(
    ("counts", "dominance", "min_count", "said"),
    [
        ({}, 0.6, 1, "no language has counts"),
        ({"en": [1, 2], "de": [1]}, 0.6, 1, r"counts of de \(1,\) and of en \(2,\)"),
        ({"en": [1, -2]}, 0.6, 1, "counts of en hold a negative"),
        ({"en": [1, 2], "de": [0, 0]}, 0.6, 1, "de has no occurrence"),
        ({"en": [1, 2]}, 0.5, 1, r"dominance is 0\.5"),
        ({"en": [1, 2]}, 0.6, 0, "min_count is 0"),
    ],
)
def test_bad_counts_are_refused(counts, dominance, min_count, said) -> None:
    """Each message names the language or the argument."""
    with pytest.raises(ValueError, match=said):
        token_languages(counts, dominance, min_count)


# -- languages of vectors ------------------------------------------------------------------------------------------

# Tokens 0 to 3 are English, 4 to 7 German, 8 and 9 Czech, 10 and 11 of no known language.
TOKENS = TokenLanguages(("en", "de", "cs"), np.array([0] * 4 + [1] * 4 + [2] * 2 + [UNKNOWN] * 2))


def test_effective_numbers_by_hand() -> None:
    """All English: 1. Two and two: 2. Two, one, one: H = 1.5 ln 2, so 2 ** 1.5. Unknown tokens count for nothing."""
    found = multilinguality([[0, 1, 2, 3], [0, 1, 4, 5], [0, 1, 4, 8], [0, 4, 10, 11]], TOKENS, 10, 0.95, rng())
    np.testing.assert_allclose(found.effective_N, [1, 2, 2**1.5, 2])
    assert found.known_N.tolist() == [4, 4, 4, 2]


def test_chance_by_enumeration() -> None:
    """Two tokens of ten known ones (4, 4, 2): alike in (6 + 6 + 1) / 45 of the pairs, else of two languages.

    So by chance 1 in 13/45 and 2 in 32/45: mean 77/45. Two English ones: p of so few 13/45, p of so many 1.
    """
    found = multilinguality([[0, 1], [0, 4]], TOKENS, 100_000, 0.95, rng())
    np.testing.assert_allclose(found.chance_N, 77 / 45, atol=0.005)
    np.testing.assert_allclose(found.p_fewer_N, [13 / 45, 1], atol=0.005)
    np.testing.assert_allclose(found.p_more_N, [1, 32 / 45], atol=0.005)
    assert (found.low_N.tolist(), found.high_N.tolist()) == ([1, 1], [2, 2])


def test_chance_is_that_of_shuffled_labels() -> None:
    """Mean and quantiles agree with shuffling the labels of 300 tokens 4000 times and reading the same 12 each time."""
    source = rng(4)
    code = source.choice([0, 0, 0, 1, 1, 2, UNKNOWN], 300)
    ids = source.permutation(np.flatnonzero(code != UNKNOWN))[:12]
    shuffled = []
    for _ in range(4000):
        labels = source.permutation(code[code != UNKNOWN])[:12]
        share = np.unique(labels, return_counts=True)[1] / 12
        shuffled.append(np.prod(share**-share))  # exp(entropy)
    found = multilinguality([ids], TokenLanguages(("a", "b", "c"), code), 4000, 0.9, rng())
    assert found.chance_N[0] == pytest.approx(np.mean(shuffled), abs=0.02)
    assert found.low_N[0] == pytest.approx(np.quantile(shuffled, 0.05), abs=0.1)
    assert found.high_N[0] == pytest.approx(np.quantile(shuffled, 0.95), abs=0.1)


def test_the_smallest_p_counts_the_observation_itself() -> None:
    """Of 99 permutations none comes near twenty tokens of one language among twenty languages: p = 1 / 100."""
    tokens = TokenLanguages(tuple("abcdefghijklmnopqrst"), np.repeat(np.arange(20), 20))
    found = multilinguality([np.arange(20), np.arange(20) * 20], tokens, 99, 0.95, rng())
    assert found.p_fewer_N[0] == found.p_more_N[1] == pytest.approx(0.01)
    assert found.p_more_N[0] == found.p_fewer_N[1] == 1


def test_a_vector_of_unknown_tokens_has_no_number() -> None:
    """Nothing known: NaN throughout, 0 known, and the other vectors are measured."""
    found = multilinguality([[10, 11], [0, 4]], TOKENS, 99, 0.95, rng())
    assert found.known_N.tolist() == [0, 2]
    for values in (found.effective_N, found.chance_N, found.low_N, found.high_N, found.p_fewer_N, found.p_more_N):
        assert np.isnan(values[0]) and np.isfinite(values[1])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_bounds_and_symmetries(data: st.DataObject) -> None:
    """1 <= effective <= min(L, known); p in [1/(m+1), 1], and the two add to more than 1, as ties count in both.

    Neither the order of a vector's tokens nor the names of the languages matter.
    """
    languages = data.draw(st.integers(1, 5))
    code = np.array(data.draw(st.lists(st.integers(UNKNOWN, languages - 1), min_size=4, max_size=30)))
    k = data.draw(st.integers(1, len(code)))
    ids = np.array([data.draw(st.permutations(range(len(code))))[:k] for _ in range(3)])
    names = tuple(map(str, range(languages)))
    found = multilinguality(ids, TokenLanguages(names, code), 49, 0.95, rng())
    some = found.known_N > 0
    effective = found.effective_N[some]
    assert (effective >= 1 - 1e-9).all()
    assert (effective <= np.minimum(languages, found.known_N[some]) + 1e-9).all()
    for p in (found.p_fewer_N[some], found.p_more_N[some]):
        assert ((p >= 1 / 50 - 1e-12) & (p <= 1)).all()
    assert (found.p_fewer_N[some] + found.p_more_N[some] > 1).all()
    assert (found.low_N[some] <= found.high_N[some]).all()
    swapped = np.where(code == UNKNOWN, UNKNOWN, languages - 1 - code)
    mirrored = multilinguality(ids[:, ::-1], TokenLanguages(names[::-1], swapped), 49, 0.95, rng())
    np.testing.assert_allclose(mirrored.effective_N, found.effective_N)


def test_the_same_seed_gives_the_same_numbers() -> None:
    """And another seed other ones."""
    ids = [[0, 1, 4, 8], [0, 4, 5, 9], [1, 2, 3, 10]]
    first, second, other = (multilinguality(ids, TOKENS, 500, 0.95, rng(seed)) for seed in (1, 1, 2))
    for name, values in vars(first).items():
        np.testing.assert_array_equal(values, getattr(second, name))
    assert (first.chance_N != other.chance_N).any()


def test_permutations_of_many_vectors_at_once() -> None:
    """17 languages, 100,000 tokens, 100 top tokens with up to 32 different numbers of known ones."""
    source = rng(3)
    tokens = TokenLanguages(tuple(map(str, range(17))), source.integers(UNKNOWN, 17, 100_000))
    ids = np.stack([source.choice(100_000, 100, replace=False) for _ in range(32)])
    found = multilinguality(ids, tokens, 1000, 0.95, rng())
    assert len(found.p_more_N) == 32
    # Tokens are dealt to languages at random, so p is uniform: 6 of 32 below .05 would happen once in 300 draws.
    assert (found.p_more_N < 0.05).sum() < 6


@pytest.mark.parametrize(
    ("ids", "permutations", "confidence", "said"),
    [
        ([0, 1], 9, 0.95, r"are not integers \(N, K\)"),
        ([[0.5, 1]], 9, 0.95, "are not integers"),
        ([[0, 12]], 9, 0.95, r"must lie in 0\.\.11"),
        ([[-1, 2]], 9, 0.95, r"must lie in 0\.\.11"),
        ([[0, 1], [4, 4]], 9, 0.95, "vector 1 has a token twice"),
        ([[0, 1]], 0, 0.95, "permutations >= 1"),
        ([[0, 1]], 9, 95, "confidence in"),
    ],
)
def test_bad_ids_are_refused(ids, permutations, confidence, said) -> None:
    """Each message says what is wrong."""
    with pytest.raises(ValueError, match=said):
        multilinguality(ids, TOKENS, permutations, confidence, rng())
