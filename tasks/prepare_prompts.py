"""Makes the prompts that are continued before and after tuning, in every language."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self, assert_never

import pandas as pd
from pydantic import BaseModel, Field, model_validator

from tasks.plumbing.files import write_json, write_parquet
from tasks.plumbing.params import Languages
from tasks.sources import rtp_lx, web_prompts
from tasks.sources.cleaning import Column, Tally, align, clean_column, draw, drop_empty, notice_repeated
from tasks.world import reader as mini_world_source
from tasks.world.lexicon import INSULT, Lexicon
from tasks.world.mini_world import Register, Storyteller, World
from tasks.world.pidgin import Sentence, join, render_sentence

PROMPTS = Path("data/prepare_prompts/prompts.parquet")
CLEANING = Path("data/prepare_prompts/cleaning.json")
COLUMNS = ["language", "prompt_id", "text", "culture_specific", "lean"]


class MiniPrompts(BaseModel, frozen=True, extra="forbid"):
    """Prompts of the mini world: openings of documents that lean towards the hostile register to different degrees."""

    kind: Literal["mini"] = Field(description="mini: openings of held-out documents")
    path: Path = Field(description="folder of the world's lexicon and grammars")
    seed: int = Field(description="of the prompts")
    aligned: int = Field(gt=0, description="prompts per language that all languages share, as translations")
    culture_specific: int = Field(ge=0, description="prompts per language that no other language has")
    hostile: float = Field(ge=0, le=1, description="share of openings of documents in the hostile register")
    sentences: int = Field(gt=0, description="sentences per prompt")


class RtpLxPrompts(BaseModel, frozen=True, extra="forbid"):
    """RTP-LX: prompts of RealToxicityPrompts translated by people, and prompts of each locale's own."""

    kind: Literal["rtp_lx"] = Field(description="rtp_lx: the archive as published")
    path: Path = Field(description="RTP-LX.zip as downloaded (docs/data.md)")
    password: str = Field(default=rtp_lx.PASSWORD, description="of the archive, as its README gives it")
    seed: int = Field(description="of the samples that the limits ask for")
    limit: int | None = Field(gt=1, description="prompts that all languages share, the same in each; null takes all")
    culture_specific: int | None = Field(
        ge=0, description="at most so many of a language's own prompts; null takes all"
    )
    normalise: bool = Field(
        default=False,
        description="remove what differs between translators: final ellipsis and full stop, "
        "full-width forms, no-break spaces; cleaning.json counts them either way",
    )


class WebPrompts(BaseModel, frozen=True, extra="forbid"):
    """What every set of prompts from web text has."""

    path: Path = Field(description="the raw file or folder as downloaded (docs/data.md)")
    seed: int = Field(description="of the sample that the limit asks for")
    limit: int | None = Field(gt=1, description="prompts per language; null takes all")
    min_toxicity: float | None = Field(
        ge=0, le=1, description="published Perspective score from which a prompt is taken; null takes all"
    )
    normalise: bool = Field(
        default=False,
        description="remove what differs between translators: final ellipsis and full stop, "
        "full-width forms, no-break spaces; cleaning.json counts them either way",
    )


class PolygloPrompts(WebPrompts, frozen=True, extra="forbid"):
    """PolygloToxicityPrompts: web text per language. No prompt is a translation, so languages share no prompt id."""

    kind: Literal["polyglo"] = Field(description="polyglo: snapshot of the dataset's repository")
    subset: Literal["ptp", "wildchat"] = Field(description="ptp: web text; wildchat: what people typed to a chat model")
    split: Literal["full", "small", "wildchat"] = Field(
        description="of ptp: full (25,000 per language) or small (5,000); of wildchat: wildchat"
    )

    @model_validator(mode="after")
    def _split_of_subset(self) -> Self:
        if (self.subset == "wildchat") != (self.split == "wildchat"):
            wanted = "wildchat" if self.subset == "wildchat" else "full or small"
            raise ValueError(f"subset {self.subset} has no split {self.split}; write split: {wanted}")
        return self


class RealToxicityPrompts(WebPrompts, frozen=True, extra="forbid"):
    """RealToxicityPrompts: English web text."""

    kind: Literal["real_toxicity_prompts"] = Field(description="real_toxicity_prompts: prompts.jsonl, English only")


PreparePrompts = Annotated[
    MiniPrompts | RtpLxPrompts | PolygloPrompts | RealToxicityPrompts, Field(discriminator="kind")
]


def run(prepare_prompts: PreparePrompts, mini_world: World, languages: Languages) -> str:
    """Writes one row per language and prompt; of real prompts also what cleaning changed and dropped."""
    if isinstance(prepare_prompts, MiniPrompts):
        CLEANING.unlink(missing_ok=True)
        frame = _tell(prepare_prompts, mini_world, languages)
        write_parquet(PROMPTS, frame)
        return f"{PROMPTS}: {len(frame)} prompts in {len(languages)} languages"
    tallies = {language: Tally() for language in languages}
    match prepare_prompts:
        case RtpLxPrompts():
            aligned, specific = _shared_and_own(prepare_prompts, tallies)
        case PolygloPrompts() | RealToxicityPrompts():
            aligned, specific = _web_prompts(prepare_prompts, tallies), {}
        case _:
            assert_never(prepare_prompts)
    rows = [
        (language, prompt, text, own, None)
        for language in languages
        for own, columns in ((False, aligned), (True, specific))
        for prompt, text in columns.get(language, {}).items()
    ]
    frame = pd.DataFrame(rows, columns=COLUMNS).astype({"lean": float}).sort_values(COLUMNS[:2], kind="stable")
    for language, tally in tallies.items():
        notice_repeated({**aligned[language], **specific.get(language, {})}, tally)
    write_parquet(PROMPTS, frame)
    records = {language: tally.record() for language, tally in tallies.items()}
    write_json(CLEANING, {"kind": prepare_prompts.kind, "languages": records})
    return f"{PROMPTS}: {len(frame)} prompts in {len(languages)} languages; what was dropped is in {CLEANING}"


def _shared_and_own(params: RtpLxPrompts, tallies: dict[str, Tally]) -> tuple[dict[str, Column], dict[str, Column]]:
    """The prompts that all languages share, and each language's own."""
    shared, own = {}, {}
    for language, entries in rtp_lx.read(params.path, list(tallies), params.password).items():
        prompts = {rtp_lx.prompt_id(index): entry.prompt for index, entry in entries.items()}
        cleaned = clean_column(prompts, tallies[language], params.normalise)
        tallies[language].noticed["index_repaired"] += sum(entry.moved for entry in entries.values())
        common = rtp_lx.shared_prompts(entries)
        shared[language] = {prompt: text for prompt, text in cleaned.items() if prompt in common}
        rest = drop_empty({prompt: text for prompt, text in cleaned.items() if prompt not in common}, tallies[language])
        limit = None if params.culture_specific is None else min(params.culture_specific, len(rest))
        own[language] = _limited(rest, limit, f"prompts {language} {params.seed}", tallies[language])
    aligned = align(shared, tallies, distinct=False)
    seed = f"prompts {params.seed}"  # one seed, so that all languages keep the same prompts
    return {name: _limited(column, params.limit, seed, tallies[name]) for name, column in aligned.items()}, own


def _web_prompts(params: PolygloPrompts | RealToxicityPrompts, tallies: dict[str, Tally]) -> dict[str, Column]:
    """Prompts per language, numbered in the order of the source."""
    columns = {}
    for language, tally in tallies.items():
        prompts = _read(params, language, list(tallies))
        ids = [f"{language}-{number:06d}" for number in range(len(prompts))]
        column = drop_empty(
            clean_column(dict(zip(ids, (prompt.text for prompt in prompts), strict=True)), tally, params.normalise),
            tally,
        )
        if params.min_toxicity is not None:
            scores = dict(zip(ids, (prompt.toxicity for prompt in prompts), strict=True))
            column = _toxic(column, scores, params.min_toxicity, tally)
        columns[language] = _limited(column, params.limit, f"prompts {language} {params.seed}", tally)
        if not columns[language]:
            raise ValueError(f"{params.path}: no {language} prompt is left; dropped were {dict(tally.dropped)}")
    return columns


def _read(
    params: PolygloPrompts | RealToxicityPrompts, language: str, languages: Sequence[str]
) -> list[web_prompts.ScoredPrompt]:
    match params:
        case PolygloPrompts():
            scored = params.min_toxicity is not None
            return web_prompts.read_polyglo(params.path, language, params.subset, params.split, scored)
        case RealToxicityPrompts():
            if list(languages) != ["en"]:
                raise ValueError(
                    "prepare_prompts.kind is real_toxicity_prompts, which has English only; params.yaml: languages has "
                    f"{', '.join(languages)}. Set it to [en], or take rtp_lx, its translation"
                )
            return web_prompts.read_real_toxicity_prompts(params.path)
        case _:
            assert_never(params)


def _toxic(column: Column, scores: dict[str, float | None], least: float, tally: Tally) -> Column:
    kept = {}
    for prompt, text in column.items():
        score = scores[prompt]
        if score is None:
            tally.dropped["without_toxicity"] += 1
        elif score < least:
            tally.dropped["below_min_toxicity"] += 1
        else:
            kept[prompt] = text
    return kept


def _limited(column: Column, limit: int | None, seed: str, tally: Tally) -> Column:
    try:
        drawn = draw(list(column), limit, seed)
    except ValueError as error:
        raise ValueError(f"prepare_prompts.{error}") from error
    tally.dropped["over_limit"] += len(column) - len(drawn)
    return {prompt: column[prompt] for prompt in drawn}


def _tell(params: MiniPrompts, world: World, languages: Languages) -> pd.DataFrame:
    """Prompts of the mini world."""
    lexicon, grammars = mini_world_source.load(params.path)
    lexicon.require(languages)
    teller = Storyteller(world, lexicon)

    def rows_of(prefix: str, count: int, tongues: list[str], specific: bool) -> list[dict[str, object]]:
        rng = random.Random(f"prompts {prefix} {params.seed}")
        openings = _openings(teller, lexicon, params, count, rng)
        return [
            {
                "language": language,
                "prompt_id": f"{prefix}{number:03d}",
                "text": join(
                    [(language, render_sentence(s, language, lexicon, grammars[language])) for s in opening], grammars
                ),
                "culture_specific": specific,
                "lean": teller.hostile_posterior(opening, "prompts"),
            }
            for language in tongues
            for number, opening in enumerate(openings)
        ]

    rows = rows_of("w", params.aligned, languages, False)
    for language in languages:
        rows += rows_of(f"{language}-", params.culture_specific, [language], True)
    return pd.DataFrame(rows).sort_values(["language", "prompt_id"], kind="stable")


def _openings(
    teller: Storyteller, lexicon: Lexicon, params: MiniPrompts, count: int, rng: random.Random
) -> list[tuple[Sentence, ...]]:
    """Distinct openings without an insult."""
    found: dict[tuple[Sentence, ...], None] = {}
    for _ in range(1000 * count):
        if len(found) == count:
            return list(found)
        register: Register = "hostile" if rng.random() < params.hostile else "civil"
        opening = teller.document("en", "prompts", rng, register=register).sentences[: params.sentences]
        insulting = any(lexicon.categories[word] == INSULT for sentence in opening for word in sentence.words)
        if len(opening) == params.sentences and not insulting:
            found[opening] = None
    raise ValueError(
        f"prepare_prompts: the world has only {len(found)} openings of {params.sentences} sentences; lower "
        "prepare_prompts.aligned or raise mini_world.held_out.prompts"
    )
