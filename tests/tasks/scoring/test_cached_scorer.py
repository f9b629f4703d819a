"""A scorer with a memory gives the scores of the one without."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tasks.scoring.cached_scorer import CachedScorer, score_key
from tasks.scoring.toxicity_scorer import Exchange, Score, ScorerCard

CARD = ScorerCard("tests/counting", "1", "length", ("en",), "length", settings={"unit": 10})


class Counting:
    """Scores by length, remembers what it was asked, and fails after so many calls."""

    keep_every = 2

    def __init__(self, card: ScorerCard = CARD, calls: int = 100) -> None:
        self.card, self.asked, self.calls = card, [], calls

    def score(self, language: str, continuations: Sequence[Exchange]) -> list[Score]:
        if self.calls == 0:
            raise KeyboardInterrupt
        self.calls -= 1
        self.asked += [one.text for one in continuations]
        return [
            Score(None, "busy", final=False) if one.text == "later" else Score(len(one.text) / 10)
            for one in continuations
        ]


class Memory(dict):
    """A store in memory."""

    def read(self, keys: Sequence[bytes]) -> dict:
        return {key: self[key] for key in keys if key in self}

    def write(self, found: dict) -> None:
        self.update(found)


def exchanges(*texts: str) -> list[Exchange]:
    return [Exchange(text) for text in texts]


def test_what_is_known_is_not_scored_again() -> None:
    """The second time only the new text is asked for; scores are the same as without a memory."""
    store, first, second = Memory(), Counting(), Counting()
    wanted = exchanges("a", "bb", "a", "ccc")
    assert CachedScorer(first, store).score("en", wanted) == Counting().score("en", wanted)
    assert first.asked == ["a", "bb", "ccc"]  # a text that appears twice is scored once
    assert CachedScorer(second, store).score("en", [*wanted, Exchange("dddd")])[-1] == Score(0.4)
    assert second.asked == ["dddd"]


def test_a_kill_loses_no_finished_chunk() -> None:
    """Killed after 2 chunks of 2; the next run asks for the remaining text only."""
    store, again = Memory(), Counting()
    wanted = exchanges("a", "bb", "ccc", "dddd", "eeeee")
    with pytest.raises(KeyboardInterrupt):
        CachedScorer(Counting(calls=2), store).score("en", wanted)
    assert len(store) == 4
    assert [s.value for s in CachedScorer(again, store).score("en", wanted)] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert again.asked == ["eeeee"]


def test_what_is_not_final_is_asked_for_again() -> None:
    """A busy service's missing score is not remembered as missing."""
    store, again = Memory(), Counting()
    assert CachedScorer(Counting(), store).score("en", exchanges("later", "a"))[0].value is None
    CachedScorer(again, store).score("en", exchanges("later", "a"))
    assert again.asked == ["later"]


@pytest.mark.parametrize(
    "other",
    [
        replace(CARD, id="x"),
        replace(CARD, revision="2"),
        replace(CARD, label="x"),
        replace(CARD, construct="x"),
        replace(CARD, settings={"unit": 11}),
    ],
)
def test_another_scorer_is_another_key(other: ScorerCard) -> None:
    """No scorer is ever given another's score."""
    assert score_key(CARD, "en", Exchange("a")) != score_key(other, "en", Exchange("a"))


def test_the_prompt_counts_where_it_is_read() -> None:
    """A classifier of continuations shares scores between prompts, a guard does not; language and text always count."""
    reader = replace(CARD, reads_prompt=True)
    assert score_key(CARD, "en", Exchange("a", "p")) == score_key(CARD, "en", Exchange("a", "q"))
    assert score_key(reader, "en", Exchange("a", "p")) != score_key(reader, "en", Exchange("a", "q"))
    assert len({score_key(CARD, language, Exchange(text)) for language in ("en", "es") for text in ("a", "b")}) == 4
