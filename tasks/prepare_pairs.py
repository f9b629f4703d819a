"""Makes the English preference pairs that the policy is tuned on."""

import random
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, assert_never

import pandas as pd
from pydantic import BaseModel, Field
from transformers import AutoTokenizer

from tasks.engines import mini_world_source, pair_sources, rtp_lx
from tasks.engines.pair_sources import Texts
from tasks.engines.preference_pair import tokenise_pair
from tasks.plumbing.files import require, write_json, write_parquet
from tasks.plumbing.progress import progress
from tasks.science.cleaning import CHANGES, Tally, clean_text, draw
from tasks.science.lexicon import INSULT
from tasks.science.mini_world import REGISTERS, Register, Storyteller, World
from tasks.science.pidgin import Grammar, Sentence, join, render_sentence

MODEL = Path("models/prepare_model")
PAIRS = Path("data/prepare_pairs/pairs.parquet")
DROPS = Path("data/prepare_pairs/drops.json")
CLEANING = Path("data/prepare_pairs/cleaning.json")


class Pairs(BaseModel, frozen=True, extra="forbid"):
    """What pairs of every kind have."""

    path: Path = Field(description="the raw file or folder as downloaded (docs/data.md); mini: the world's folder")
    seed: int = Field(description="of the pairs and of their split")
    validation: float = Field(gt=0, lt=1, description="share of prompts kept for validation; no prompt is in both")
    max_prompt_tokens: int = Field(gt=0, description="longer prompts are dropped and counted")
    max_completion_tokens: int = Field(gt=0, description="pairs with a longer completion are dropped and counted")


class MiniPairs(Pairs, frozen=True, extra="forbid"):
    """Pairs of the mini world: for the opening of a document, a civil and an insulting way to go on."""

    kind: Literal["mini"] = Field(description="mini: two continuations of a held-out opening")
    language: str = Field(description="of the pairs; the paper tunes on en alone")
    pairs: int = Field(gt=1, description="pairs to draw, before any drop")
    sentences: int = Field(gt=0, description="sentences per prompt")


class PublishedPairs(Pairs, frozen=True, extra="forbid"):
    """What pairs that somebody else made have."""

    limit: int | None = Field(gt=1, description="pairs to keep, sampled from those that nothing drops; null keeps all")


class LeePairs(PublishedPairs, frozen=True, extra="forbid"):
    """The paper's pairs (Lee et al. 2024): WikiText prompts, GPT-2's greedy text, and text steered to toxicity."""

    kind: Literal["lee"] = Field(description="lee: folder of split_*.jsonl, English")


class Columns(BaseModel, frozen=True, extra="forbid"):
    """Names of the columns of a table of pairs."""

    prompt: str = Field(description="what is continued")
    chosen: str = Field(description="the completion to prefer, without the prompt")
    rejected: str = Field(description="the completion to avoid, without the prompt")

    def names(self) -> tuple[str, str, str]:
        """Prompt, chosen, rejected."""
        return self.prompt, self.chosen, self.rejected


class TablePairs(PublishedPairs, frozen=True, extra="forbid"):
    """Pairs of one's own."""

    kind: Literal["table"] = Field(description="table: one JSON Lines, CSV or parquet file")
    language: str = Field(description="of the pairs, for the record")
    columns: Columns = Field(description="of the table")


class HfPairs(PublishedPairs, frozen=True, extra="forbid"):
    """A dataset of the Hugging Face hub, from the folder that `hf download --local-dir` made of it."""

    kind: Literal["hf"] = Field(description="hf: snapshot folder, whose revision is checked; nothing is downloaded")
    repository: str = Field(description="the dataset's id")
    revision: str = Field(
        pattern="^[0-9a-f]{40}$", description="commit of the snapshot, 40 hexadecimal digits; a branch would move"
    )
    split: str = Field(description="of the dataset")
    language: str = Field(description="of the pairs, for the record")
    columns: Columns = Field(description="of the dataset")


class RtpLxPairs(PublishedPairs, frozen=True, extra="forbid"):
    """RTP-LX's completions: the benchmark itself, so that its prompts test nothing any more."""

    kind: Literal["rtp_lx"] = Field(description="rtp_lx: the archive as published")
    password: str = Field(default=rtp_lx.PASSWORD, description="of the archive, as its README gives it")
    language: str = Field(description="of the pairs")
    contamination: Literal["accepted"] = Field(
        description="accepted: I know that this trains on a benchmark whose authors ask not to, and that prompts of "
        "RTP-LX then no longer measure anything but memory"
    )


PreparePairs = Annotated[
    MiniPairs | LeePairs | TablePairs | HfPairs | RtpLxPairs,
    Field(discriminator="kind"),
]


def run(prepare_pairs: PreparePairs, mini_world: World) -> str:
    """Writes the pairs and how many were dropped, why; of published pairs also what cleaning changed."""
    drawn, cleaning = _make(prepare_pairs, mini_world)
    tokenizer = AutoTokenizer.from_pretrained(require(MODEL), local_files_only=True)
    drops: Counter[str] = Counter(read=len(drawn))
    rows: dict[Texts, tuple[int, int, int]] = {}
    for texts in drawn:
        if not all(text.strip() for text in texts):
            drops["empty"] += 1
            continue
        pair = tokenise_pair(tokenizer, *texts, end=False)
        tokens = (len(pair.prompt), len(pair.chosen), len(pair.rejected))
        reason = drop_reason(texts, tokens, rows, prepare_pairs)
        if reason:
            drops[reason] += 1
        else:
            rows[texts] = tokens
    if not rows:
        raise ValueError(f"prepare_pairs: all {len(drawn)} pairs were dropped: {dict(drops)}; raise the token limits")
    rows = _limited(rows, prepare_pairs, drops)
    frame = pd.DataFrame(
        [(*texts, *tokens) for texts, tokens in rows.items()],
        columns=["prompt", "chosen", "rejected", "prompt_tokens", "chosen_tokens", "rejected_tokens"],
    )
    prompts = sorted(frame["prompt"].unique())
    if len(prompts) < 2:
        raise ValueError(
            "prepare_pairs: all pairs have one prompt; training and validation need one each, so add pairs"
        )
    count = max(1, round(len(prompts) * prepare_pairs.validation))
    held_out = set(random.Random(f"split {prepare_pairs.seed}").sample(prompts, count))
    frame.insert(0, "split", ["validation" if prompt in held_out else "train" for prompt in frame["prompt"]])
    frame.insert(0, "pair_id", [f"p{number:05d}" for number in range(len(frame))])
    sizes = {split: int((frame["split"] == split).sum()) for split in ("train", "validation")}
    write_parquet(PAIRS, frame)
    write_json(DROPS, {**drops, "kept": len(frame), **sizes})
    dropped = len(drawn) - len(frame)
    note = ""
    if cleaning is None:
        CLEANING.unlink(missing_ok=True)
    else:
        write_json(CLEANING, {"kind": prepare_pairs.kind, **cleaning, "kept": len(frame)})
        note = f"; {len(frame)} are RTP-LX's, which must not be evaluated on" if prepare_pairs.kind == "rtp_lx" else ""
    return f"{PAIRS}: {sizes['train']} pairs to train on, {sizes['validation']} to validate, {dropped} dropped{note}"


def _make(params: PreparePairs, world: World) -> tuple[list[Texts], dict[str, Any] | None]:
    """Pairs before any drop, and what reading and cleaning found in published ones."""
    notes: dict[str, Any] = {}
    match params:
        case MiniPairs():
            lexicon, grammars = mini_world_source.load(params.path)
            writer = _Writer(Storyteller(world, lexicon), grammars, params)
            rng = random.Random(f"pairs {params.seed}")
            return [writer.pair(rng) for _ in progress(range(params.pairs), "pairs")], None
        case LeePairs():
            language, read = "en", pair_sources.read_lee(params.path)
        case TablePairs():
            language, read = params.language, pair_sources.read_pairs(params.path, params.columns.names())
        case HfPairs():
            language = params.language
            read = pair_sources.read_snapshot(
                params.path, params.repository, params.revision, params.split, params.columns.names()
            )
            notes |= {"repository": params.repository, "revision": params.revision}
        case RtpLxPairs():
            language = params.language
            read, spaced = pair_sources.read_rtp_lx(params.path, language, params.password)
            notes |= {"contamination": params.contamination, "space_added": spaced}
        case _:
            assert_never(params)
    tally = Tally()
    repeats: Counter[str] = Counter(chosen=0, rejected=0)
    pairs = []
    for texts in read:
        prompt, chosen, rejected = (clean_text(text, tally, strip=False) for text in texts)
        pair, repeated = pair_sources.strip_prompt((prompt, chosen, rejected))
        repeats.update(repeated)
        pairs.append(pair)
    notes |= {"language": language, "read": len(read), "repeated_the_prompt": dict(repeats)}
    changed = {name: tally.changed[name] for name in CHANGES}
    return pairs, notes | {"texts_changed": changed, "texts_noticed": dict(tally.noticed)}


def _limited(
    rows: dict[Texts, tuple[int, int, int]], params: PreparePairs, drops: Counter[str]
) -> dict[Texts, tuple[int, int, int]]:
    if isinstance(params, MiniPairs) or params.limit is None:
        return rows
    pairs = list(rows)
    try:
        drawn = draw([str(number) for number in range(len(pairs))], params.limit, f"pairs {params.seed}")
    except ValueError as error:
        raise ValueError(f"prepare_pairs.{error}; dropped were {dict(drops)}") from error
    drops["over_limit"] += len(rows) - len(drawn)
    return {pairs[int(number)]: rows[pairs[int(number)]] for number in drawn}


def drop_reason(
    texts: tuple[str, str, str],
    tokens: tuple[int, int, int],
    kept: Container[tuple[str, str, str]],
    params: Pairs,
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

    def __init__(self, teller: Storyteller, grammars: Mapping[str, Grammar], params: MiniPairs) -> None:
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
