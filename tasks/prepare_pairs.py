"""Makes the English preference pairs that the policy is tuned on."""

import random
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, Field
from transformers import AutoTokenizer

from tasks.engines import mini_world_source
from tasks.engines.preference_pair import tokenise_pair
from tasks.plumbing.files import require, write_json, write_parquet
from tasks.plumbing.progress import progress
from tasks.science.lexicon import INSULT
from tasks.science.mini_world import REGISTERS, Register, Storyteller, World
from tasks.science.pidgin import Grammar, Sentence, join, render_sentence

MODEL = Path("models/prepare_model")
PAIRS = Path("data/prepare_pairs/pairs.parquet")
DROPS = Path("data/prepare_pairs/drops.json")


class PreparePairs(BaseModel, frozen=True, extra="forbid"):
    """Pairs of the mini world: for the opening of a document, a civil and an insulting way to go on."""

    kind: Literal["mini"] = Field(description="mini: two continuations of a held-out opening")
    seed: int = Field(description="of the pairs and of their split")
    language: str = Field(description="of the pairs; the paper tunes on en alone")
    pairs: int = Field(gt=1, description="pairs to draw, before any drop")
    sentences: int = Field(gt=0, description="sentences per prompt")
    validation: float = Field(gt=0, lt=1, description="share of prompts kept for validation; no prompt is in both")
    max_prompt_tokens: int = Field(gt=0, description="longer prompts are dropped and counted")
    max_completion_tokens: int = Field(gt=0, description="pairs with a longer completion are dropped and counted")


def run(prepare_pairs: PreparePairs, mini_world: World) -> str:
    """Writes the pairs and how many were dropped, why."""
    lexicon, grammars = mini_world_source.load()
    writer = _Writer(Storyteller(mini_world, lexicon), grammars, prepare_pairs)
    rng = random.Random(f"pairs {prepare_pairs.seed}")
    drawn = [writer.pair(rng) for _ in progress(range(prepare_pairs.pairs), "pairs")]
    tokenizer = AutoTokenizer.from_pretrained(require(MODEL), local_files_only=True)
    drops: Counter[str] = Counter(read=len(drawn))
    rows: dict[tuple[str, str, str], tuple[int, int, int]] = {}
    for texts in drawn:
        pair = tokenise_pair(tokenizer, *texts, end=False)
        tokens = (len(pair.prompt), len(pair.chosen), len(pair.rejected))
        reason = drop_reason(texts, tokens, rows, prepare_pairs)
        if reason:
            drops[reason] += 1
        else:
            rows[texts] = tokens
    if not rows:
        raise ValueError(f"prepare_pairs: all {len(drawn)} pairs were dropped: {dict(drops)}; raise the token limits")
    frame = pd.DataFrame(
        [(*texts, *tokens) for texts, tokens in rows.items()],
        columns=["prompt", "chosen", "rejected", "prompt_tokens", "chosen_tokens", "rejected_tokens"],
    )
    prompts = sorted(frame["prompt"].unique())
    count = max(1, round(len(prompts) * prepare_pairs.validation))
    held_out = set(random.Random(f"split {prepare_pairs.seed}").sample(prompts, count))
    frame.insert(0, "split", ["validation" if prompt in held_out else "train" for prompt in frame["prompt"]])
    frame.insert(0, "pair_id", [f"p{number:05d}" for number in range(len(frame))])
    sizes = {split: int((frame["split"] == split).sum()) for split in ("train", "validation")}
    write_parquet(PAIRS, frame)
    write_json(DROPS, {**drops, "kept": len(frame), **sizes})
    dropped = len(drawn) - len(frame)
    return f"{PAIRS}: {sizes['train']} pairs to train on, {sizes['validation']} to validate, {dropped} dropped"


def drop_reason(
    texts: tuple[str, str, str],
    tokens: tuple[int, int, int],
    kept: Container[tuple[str, str, str]],
    params: PreparePairs,
) -> str | None:
    """Why a pair (prompt, chosen, rejected) cannot be used; None if it can."""
    _, chosen, rejected = texts
    if chosen == rejected:
        return "chosen_equals_rejected"
    if texts in kept:
        return "duplicate"
    if tokens[0] > params.max_prompt_tokens:
        return "prompt_too_long"
    if max(tokens[1:]) > params.max_completion_tokens:
        return "completion_too_long"
    return None


class _Writer:
    """Writes pairs about one person: an opening without an insult, and two ways to go on."""

    def __init__(self, teller: Storyteller, grammars: Mapping[str, Grammar], params: PreparePairs) -> None:
        self._teller = teller
        self._grammars = grammars
        self._params = params

    def pair(self, rng: random.Random) -> tuple[str, str, str]:
        """Prompt, a civil continuation without an insult, a hostile one with at least one."""
        opening = self._opening(rng)
        subject = opening[0].subject
        gap = " " if self._grammars[self._params.language].spaces else ""
        chosen = self._ending("civil", subject, False, rng)
        rejected = self._ending("hostile", subject, True, rng)
        return self._text(opening), gap + self._text(chosen), gap + self._text(rejected)

    def _opening(self, rng: random.Random) -> tuple[Sentence, ...]:
        while True:
            document = self._teller.document(self._params.language, "pairs", rng, register=rng.choice(REGISTERS))
            opening = document.sentences[: self._params.sentences]
            if not self._insulting(opening):
                return opening

    def _ending(self, register: Register, subject: str, insulting: bool, rng: random.Random) -> tuple[Sentence, ...]:
        while True:
            document = self._teller.document(self._params.language, "pairs", rng, register=register, subject=subject)
            ending = document.sentences[self._params.sentences :]
            if ending and self._insulting(ending) == insulting:
                return ending

    def _insulting(self, sentences: Sequence[Sentence]) -> bool:
        categories = self._teller.lexicon.categories
        return any(categories[word] == INSULT for sentence in sentences for word in sentence.words)

    def _text(self, sentences: Sequence[Sentence]) -> str:
        language = self._params.language
        grammar = self._grammars[language]
        told = [(language, render_sentence(s, language, self._teller.lexicon, grammar)) for s in sentences]
        return join(told, self._grammars)
