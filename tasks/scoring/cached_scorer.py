"""A scorer that remembers: what was scored once is not scored again, also after a kill."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from tasks.scoring.toxicity_scorer import Exchange, Score, ScorerCard, ToxicityScorer, no_scores


class ScoreStore(Protocol):
    """Keeps (value, reason) by key."""

    def read(self, keys: Sequence[bytes]) -> dict[bytes, tuple[float | None, str | None]]:
        """What is kept under these keys."""
        ...

    def write(self, found: Mapping[bytes, tuple[float | None, str | None]]) -> None:
        """Keeps these for good before it returns."""
        ...


class CachedScorer:
    """Gives the scores of another scorer, from a store where that has them.

    A text that appears twice is scored once. New scores are kept every `keep_every`, but for those that are not final.
    """

    keep_every = None

    def __init__(self, scorer: ToxicityScorer, store: ScoreStore) -> None:
        self._scorer, self._store = scorer, store
        self.card: ScorerCard = scorer.card

    def score(self, language: str, continuations: Sequence[Exchange]) -> list[Score]:
        """As the scorer itself would, one per continuation, in order."""
        if not self.card.scores(language):
            return no_scores(self.card, language, len(continuations))
        keys = [score_key(self.card, language, continuation) for continuation in continuations]
        first = dict(zip(reversed(keys), reversed(continuations), strict=True))
        known = {key: Score(value, reason) for key, (value, reason) in self._store.read(list(first)).items()}
        missing = [key for key in dict.fromkeys(keys) if key not in known]
        size = self._scorer.keep_every or max(len(missing), 1)
        for start in range(0, len(missing), size):
            chunk = missing[start : start + size]
            scores = self._scorer.score(language, [first[key] for key in chunk])
            found = dict(zip(chunk, scores, strict=True))
            self._store.write({key: (score.value, score.reason) for key, score in found.items() if score.final})
            known |= found
        return [known[key] for key in keys]


def score_key(card: ScorerCard, language: str, continuation: Exchange) -> bytes:
    """Digest of all that a score depends on: who scores, with which settings, in which language, what."""
    prompt = continuation.prompt if card.reads_prompt else None
    who = [card.id, card.revision, card.label, card.construct, dict(card.settings)]
    identity = json.dumps([*who, language, prompt, continuation.text], sort_keys=True)
    return hashlib.sha256(identity.encode()).digest()


def with_memory(scorer: ToxicityScorer, store: ScoreStore) -> ToxicityScorer:
    """The scorer with a memory, where that is faster than scoring anew."""
    return scorer if scorer.keep_every is None else CachedScorer(scorer, store)
