"""Makes the English preference pairs that the policy is tuned on."""

import random
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, assert_never

import pandas as pd
from pydantic import AfterValidator, BaseModel, Field
from transformers import AutoTokenizer

from tasks.plumbing.files import require, write_json, write_parquet
from tasks.plumbing.progress import progress
from tasks.sources import pair_sources, rtp_lx
from tasks.sources.cleaning import CHANGES, Tally, clean_text, draw
from tasks.sources.mixture import by_largest_remainder, mix
from tasks.sources.pair_sources import Texts
from tasks.training.preference_pair import tokenise_pair
from tasks.world import reader as mini_world_source
from tasks.world.mini_world import Storyteller, World
from tasks.world.pair_writer import PairWriter

MODEL = Path("models/prepare_model")
PAIRS = Path("data/prepare_pairs/pairs.parquet")
DROPS = Path("data/prepare_pairs/drops.json")
CLEANING = Path("data/prepare_pairs/cleaning.json")
Told = tuple[str, Texts]  # language and pair


def _whole(shares: dict[str, float]) -> dict[str, float]:
    if not shares or min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 1e-9:
        raise ValueError(f"shares of languages lie above 0 and sum to 1, not to {sum(shares.values()):g}")
    return shares


Mixture = str | Annotated[dict[str, float], AfterValidator(_whole)]


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
    language: Mixture = Field(description="of the pairs, or share by language; the paper tunes on en alone")
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
    language: str | None = Field(default=None, description="code of the row's language; needed for a mixture")

    def names(self) -> tuple[str, ...]:
        """Prompt, chosen, rejected, and language where there is one."""
        own = () if self.language is None else (self.language,)
        return (self.prompt, self.chosen, self.rejected, *own)


class TablePairs(PublishedPairs, frozen=True, extra="forbid"):
    """Pairs of one's own."""

    kind: Literal["table"] = Field(description="table: one JSON Lines, CSV or parquet file")
    language: Mixture = Field(description="of the pairs, or share by language")
    columns: Columns = Field(description="of the table")


class HfPairs(PublishedPairs, frozen=True, extra="forbid"):
    """A dataset of the Hugging Face hub, from the folder that `hf download --local-dir` made of it."""

    kind: Literal["hf"] = Field(description="hf: snapshot folder, whose revision is checked; nothing is downloaded")
    repository: str = Field(description="the dataset's id")
    revision: str = Field(
        pattern="^[0-9a-f]{40}$", description="commit of the snapshot, 40 hexadecimal digits; a branch would move"
    )
    split: str = Field(description="of the dataset")
    language: Mixture = Field(description="of the pairs, or share by language")
    columns: Columns = Field(description="of the dataset")


class RtpLxPairs(PublishedPairs, frozen=True, extra="forbid"):
    """RTP-LX's completions: the benchmark itself, so that its prompts test nothing any more."""

    kind: Literal["rtp_lx"] = Field(description="rtp_lx: the archive as published")
    password: str = Field(default=rtp_lx.PASSWORD, description="of the archive, as its README gives it")
    language: Mixture = Field(description="of the pairs, or share by language")
    contamination: Literal["accepted"] = Field(
        description="accepted: I know that this trains on a benchmark whose authors ask not to, and that prompts of "
        "RTP-LX then no longer measure anything but memory"
    )
    cut_alike: bool = Field(default=False, description="cut the longer completion to the length of the shorter")


PreparePairs = Annotated[MiniPairs | LeePairs | TablePairs | HfPairs | RtpLxPairs, Field(discriminator="kind")]


def run(prepare_pairs: PreparePairs, mini_world: World) -> str:
    """Writes the pairs and how many were dropped, why; of published pairs also what cleaning changed."""
    drawn, cleaning = _make(prepare_pairs, mini_world)
    tokenizer = AutoTokenizer.from_pretrained(require(MODEL), local_files_only=True)
    drops: Counter[str] = Counter(read=len(drawn))
    rows: dict[Texts, tuple[int, int, int]] = {}
    spoken = {texts: language for language, texts in reversed(drawn)}  # of a text in two languages, the first
    for _, texts in drawn:
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
        raise ValueError(f"prepare_pairs: {pair_sources.all_dropped(drops)}")
    rows = _limited(rows, spoken, prepare_pairs, drops)
    frame = pd.DataFrame(
        [(spoken[texts], *texts, *tokens) for texts, tokens in rows.items()],
        columns=["language", "prompt", "chosen", "rejected", "prompt_tokens", "chosen_tokens", "rejected_tokens"],
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


def _make(params: PreparePairs, world: World) -> tuple[list[Told], dict[str, Any] | None]:
    """Language and texts of each pair before any drop, and what reading and cleaning found in published ones."""
    notes: dict[str, Any] = {}
    read: list[Told] = []
    match params:
        case MiniPairs():
            return _tell(params, world), None
        case LeePairs():
            read = [("en", texts) for texts in pair_sources.read_lee(params.path)]
        case TablePairs():
            read = _spoken(pair_sources.read_pairs(params.path, params.columns.names()), params, notes)
        case HfPairs():
            rows = pair_sources.read_snapshot(
                params.path, params.repository, params.revision, params.split, params.columns.names()
            )
            read = _spoken(rows, params, notes)
            notes |= {"repository": params.repository, "revision": params.revision}
        case RtpLxPairs():
            spaced = 0
            for language in _shares(params):
                found, added = pair_sources.read_rtp_lx(params.path, language, params.password)
                read += [(language, texts) for texts in found]
                spaced += added
            notes |= {"contamination": params.contamination, "space_added": spaced}
        case _:
            assert_never(params)
    tally = Tally()
    repeats: Counter[str] = Counter(chosen=0, rejected=0)
    pairs = []
    for language, texts in read:
        prompt, chosen, rejected = (clean_text(text, tally, strip=False) for text in texts)
        pair, repeated = pair_sources.strip_prompt((prompt, chosen, rejected))
        repeats.update(repeated)
        if isinstance(params, RtpLxPairs) and params.cut_alike and all(pair):
            pair, cut = pair_sources.cut_alike(pair)
            notes["cut"] = notes.get("cut", 0) + cut
        pairs.append((language, pair))
    shares = _shares(params)
    notes |= {"language": shares if len(shares) > 1 else next(iter(shares)), "read": len(read)}
    notes |= {"repeated_the_prompt": dict(repeats)}
    changed = {name: tally.changed[name] for name in CHANGES}
    return pairs, notes | {"texts_changed": changed, "texts_noticed": dict(tally.noticed)}


def _tell(params: MiniPairs, world: World) -> list[Told]:
    """Pairs of the mini world, each language from a generator of its own where there are several."""
    lexicon, grammars = mini_world_source.load(params.path)
    shares = _shares(params)
    lexicon.require(list(shares))
    bar = iter(progress(range(params.pairs), "pairs"))
    pairs = []
    for language, count in by_largest_remainder(params.pairs, shares).items():
        writer = PairWriter(Storyteller(world, lexicon), grammars, language, params.sentences)
        rng = random.Random(f"pairs {params.seed}" if len(shares) == 1 else f"pairs {language} {params.seed}")
        pairs += [(language, writer.pair(rng)) for _ in zip(range(count), bar, strict=False)]
    next(bar, None)  # which ends it
    return pairs


def _shares(params: PreparePairs) -> dict[str, float]:
    """Share of the pairs by language."""
    language = "en" if isinstance(params, LeePairs) else params.language
    return {language: 1.0} if isinstance(language, str) else language


def _spoken(rows: Sequence[tuple[str, ...]], params: TablePairs | HfPairs, notes: dict[str, Any]) -> list[Told]:
    """Each row with its language, of the languages that are asked for; the others are counted."""
    shares = _shares(params)
    if params.columns.language is None:
        if len(shares) > 1:
            raise ValueError(f"{params.path}: a mixture of languages needs prepare_pairs.columns.language to tell them")
        (language,) = shares
        return [(language, (prompt, chosen, rejected)) for prompt, chosen, rejected in rows]
    read = [(language, (prompt, chosen, rejected)) for prompt, chosen, rejected, language in rows]
    held = {language for language, _ in read}
    if missing := sorted(set(shares) - held):
        raise ValueError(
            f"{params.path}: no pair is in {missing[0]!r}; column {params.columns.language!r} has "
            f"{', '.join(sorted(held))}"
        )
    notes["in_other_languages"] = sum(language not in shares for language, _ in read)
    return [(language, texts) for language, texts in read if language in shares]


def _limited(
    rows: dict[Texts, tuple[int, int, int]],
    spoken: Mapping[Texts, str],
    params: PreparePairs,
    drops: Counter[str],
) -> dict[Texts, tuple[int, int, int]]:
    """At most `limit` pairs, and of a mixture as many of each language as the shares say, sampled."""
    if isinstance(params, MiniPairs):
        return rows
    shares = _shares(params)
    if len(shares) > 1:
        own = {language: [texts for texts in rows if spoken[texts] == language] for language in shares}
        try:
            kept = set(mix(own, shares, params.limit, f"pairs {params.seed}"))
        except ValueError as error:
            raise ValueError(f"prepare_pairs.language: of the pairs {error}; dropped were {dict(drops)}") from error
        drops["over_limit"] += len(rows) - len(kept)
        return {texts: tokens for texts, tokens in rows.items() if texts in kept}
    if params.limit is None:
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
