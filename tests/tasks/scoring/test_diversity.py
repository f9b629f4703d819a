"""Distinct-n and self-BLEU, on cases worked out by hand."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.scoring.diversity import distinct_n, self_bleu


def test_distinct_1_and_2_by_hand() -> None:
    """A b a / a b: unigrams a b a a b, 2 of 5; bigrams ab ba ab, 2 of 3."""
    continuations = [["a", "b", "a"], ["a", "b"]]
    assert distinct_n(continuations, 1) == 2 / 5
    assert distinct_n(continuations, 2) == 2 / 3


def test_ngrams_do_not_cross_continuations() -> None:
    """1 2 / 3 4 has the bigrams 12 and 34 only; joined, 23 would make a third."""
    assert distinct_n([[1, 2], [3, 4], [1, 2]], 2) == 2 / 3


def test_distinct_n_without_ngrams_is_undefined() -> None:
    """Nothing generated is neither diverse nor uniform."""
    assert math.isnan(distinct_n([], 1))
    assert math.isnan(distinct_n([[], [7]], 2))


def test_distinct_n_refuses_texts_and_odd_n() -> None:
    """A text would count characters, n = 0 empty tuples."""
    with pytest.raises(ValueError, match="text"):
        distinct_n(["ab"], 1)
    with pytest.raises(ValueError, match="n is 0"):
        distinct_n([[1]], 0)


@settings(deadline=None)
@given(st.lists(st.integers(), min_size=1, unique=True), st.integers(1, 5))
def test_copies_divide_distinct_n(tokens: list[int], copies: int) -> None:
    """K copies of a continuation of different tokens have distinct-1 of 1/k."""
    assert distinct_n([tokens] * copies, 1) == pytest.approx(1 / copies)


def test_self_bleu_of_copies_is_one_and_of_strangers_zero() -> None:
    """Equal texts match every n-gram, texts without a common token none."""
    assert self_bleu(["a b c d e"] * 3) == 1.0
    assert self_bleu(["a b c d", "e f g h"]) == 0.0


def test_self_bleu_by_hand() -> None:
    """A b c d against a b c e, both ways: precisions 3/4, 2/3, 1/2.

    No 4-gram matches; exponential smoothing makes its precision 1/2 of one n-gram. Equal lengths
    have no brevity penalty: BLEU = (3/4 * 2/3 * 1/2 * 1/2) ** (1/4) = (1/8) ** (1/4).
    """
    assert self_bleu(["a b c d", "a b c e"]) == pytest.approx((1 / 8) ** (1 / 4))


def test_effective_order_serves_short_texts() -> None:
    """Two equal words have no trigram, and are still equal."""
    assert self_bleu(["a b", "a b"]) == 1.0


def test_tokens_are_taken_as_given() -> None:
    """Punctuation is not split off: 'b.' and 'b' differ, so only a of two tokens matches.

    Precisions 1/2 and, smoothed, 1/2 of one bigram: BLEU = (1/4) ** (1/2) = 1/2.
    """
    assert self_bleu(["a b.", "a b"]) == pytest.approx(0.5)


def test_self_bleu_leaves_out_empty_texts() -> None:
    """Empty continuations neither match nor dilute; fewer than two others leave nothing to say."""
    assert self_bleu(["a b c d", "", "a b c e", " "]) == self_bleu(["a b c d", "a b c e"])
    assert math.isnan(self_bleu(["a b", "", " "]))
    assert math.isnan(self_bleu([]))
