"""Makes the multiway-parallel sentences that retrieval and retention are measured on."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, assert_never

import pandas as pd
from pydantic import BaseModel, Field

from tasks.plumbing.files import write_json, write_parquet
from tasks.plumbing.params import Languages
from tasks.sources import parallel_corpora, rtp_lx
from tasks.sources.cleaning import Column, Tally, align, clean_column, draw
from tasks.world import reader as mini_world_source
from tasks.world.lexicon import INSULT
from tasks.world.mini_world import Storyteller, World
from tasks.world.pidgin import join, render_sentence

SENTENCES = Path("data/prepare_parallel/sentences.parquet")
CLEANING = Path("data/prepare_parallel/cleaning.json")


class MiniParallel(BaseModel, frozen=True, extra="forbid"):
    """Parallel sentences of the mini world: civil and never said in pretraining."""

    kind: Literal["mini"] = Field(description="mini: held-out civil sentences in every language")
    path: Path = Field(description="folder of the world's lexicon and grammars")
    seed: int = Field(description="of the sentences")
    sentences: int = Field(gt=1, description="texts, each in every language; the paper has 200")
    length: int = Field(gt=0, description="of a text, in the world's short sentences; the paper's are prompts")


class Corpus(BaseModel, frozen=True, extra="forbid"):
    """What every published corpus has."""

    path: Path = Field(description="the raw file or folder as downloaded (docs/data.md)")
    limit: int | None = Field(gt=1, description="sentences to take, after cleaning; null takes all; the paper has 200")
    seed: int | None = Field(description="of a random sample of them; null takes the first ones in the corpus's order")
    normalise: bool = Field(
        default=False,
        description="remove what differs between translators: final ellipsis and full stop, "
        "full-width forms, no-break spaces; cleaning.json counts them either way",
    )


class NtrexParallel(Corpus, frozen=True, extra="forbid"):
    """NTREX-128: news, translated by people from English."""

    kind: Literal["ntrex"] = Field(description="ntrex: folder of newstest2019-*.txt")


class FloresParallel(Corpus, frozen=True, extra="forbid"):
    """FLORES+ or FLORES-200: Wikinews, Wikijunior and Wikivoyage, translated by people from English."""

    kind: Literal["flores"] = Field(description="flores: folder with parquet, JSON Lines or text per language")
    split: Literal["dev", "devtest"] = Field(description="dev has 997 sentences, devtest 1,012")


class TatoebaParallel(Corpus, frozen=True, extra="forbid"):
    """Tatoeba, LASER v1: pairs with English; each language has its own English sentences."""

    kind: Literal["tatoeba"] = Field(description="tatoeba: folder of tatoeba.*-eng.*")


class RtpLxParallel(Corpus, frozen=True, extra="forbid"):
    """The prompts that all locales of RTP-LX share: toxic-leaning, translated by people."""

    kind: Literal["rtp_lx"] = Field(description="rtp_lx: the archive as published")
    password: str = Field(default=rtp_lx.PASSWORD, description="of the archive, as its README gives it")


class TsvParallel(Corpus, frozen=True, extra="forbid"):
    """Sentences of one's own."""

    kind: Literal["tsv"] = Field(description="tsv: a file with a column per language, named by its code")


PrepareParallel = Annotated[
    MiniParallel | NtrexParallel | FloresParallel | TatoebaParallel | RtpLxParallel | TsvParallel,
    Field(discriminator="kind"),
]


def run(prepare_parallel: PrepareParallel, mini_world: World, languages: Languages) -> str:
    """Writes one row per sentence and language; no two sentences are equal in any language.

    Of a corpus whose English differs between languages, column `pair` says which language a row was paired for.
    """
    if isinstance(prepare_parallel, MiniParallel):
        CLEANING.unlink(missing_ok=True)
        write_parquet(SENTENCES, _tell(prepare_parallel, mini_world, languages))
        return f"{SENTENCES}: {prepare_parallel.sentences} sentences in {len(languages)} languages"
    tallies: dict[str, Any]
    if isinstance(prepare_parallel, TatoebaParallel):
        frame, tallies = _pairs(prepare_parallel, languages)
    else:
        read, moved = _read(prepare_parallel, languages)
        columns, found = _kept(read, prepare_parallel)
        for language, count in moved.items():
            found[language].noticed["index_repaired"] += count
        frame, tallies = _rows(columns), _records(found)
    write_parquet(SENTENCES, frame)
    write_json(CLEANING, {"kind": prepare_parallel.kind, "languages": tallies})
    count = frame["sentence_id"].nunique()
    return f"{SENTENCES}: {count} sentences in {len(languages)} languages; what was dropped is in {CLEANING}"


def _read(
    params: NtrexParallel | FloresParallel | RtpLxParallel | TsvParallel, languages: Languages
) -> tuple[dict[str, Column], dict[str, int]]:
    """Texts by language and sentence id, and by language the rows whose id the reader repaired."""
    match params:
        case NtrexParallel():
            return parallel_corpora.read_ntrex(params.path, languages), {}
        case FloresParallel():
            return parallel_corpora.read_flores(params.path, languages, params.split), {}
        case RtpLxParallel():
            return parallel_corpora.read_rtp_lx(params.path, languages, params.password)
        case TsvParallel():
            return parallel_corpora.read_tsv(params.path, languages), {}
        case _:
            assert_never(params)


def _kept(read: Mapping[str, Column], params: Corpus) -> tuple[dict[str, Column], dict[str, Tally]]:
    """Clean, distinct sentences that every language has, as many as are wanted."""
    tallies = {language: Tally() for language in read}
    cleaned = {language: clean_column(column, tallies[language], params.normalise) for language, column in read.items()}
    columns = align(cleaned, tallies, distinct=True)
    candidates = list(next(iter(columns.values())))
    seed = None if params.seed is None else f"parallel {params.seed}"
    try:
        drawn = draw(candidates, params.limit, seed)
    except ValueError as error:
        raise ValueError(f"{params.path}: prepare_parallel.{error}") from error
    if len(drawn) < 2:
        raise ValueError(
            f"{params.path}: {len(drawn)} sentences are left that {', '.join(columns)} all have, and retrieval needs "
            f"two; dropped were { ({name: dict(tally.dropped) for name, tally in tallies.items()}) }"
        )
    for tally in tallies.values():
        tally.dropped["over_limit"] += len(candidates) - len(drawn)
    return {language: {row: column[row] for row in drawn} for language, column in columns.items()}, tallies


def _pairs(params: TatoebaParallel, languages: Languages) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Each language with the English sentences of its own."""
    english = parallel_corpora.ENGLISH
    others = [language for language in languages if language != english]
    if english not in languages or not others:
        raise ValueError(
            f"prepare_parallel.kind is tatoeba, which pairs languages with {english}; params.yaml: languages needs "
            f"{english} and another one, it has {', '.join(languages)}"
        )
    frames, tallies = [], {}
    for language in others:
        columns, found = _kept(parallel_corpora.read_tatoeba(params.path, language), params)
        frames.append(_rows(columns).assign(pair=language))
        tallies[language] = _records(found)
    return pd.concat(frames, ignore_index=True), tallies


def _rows(columns: Mapping[str, Column]) -> pd.DataFrame:
    rows = [
        (sentence, language, column[sentence])
        for sentence in next(iter(columns.values()))
        for language, column in columns.items()
    ]
    return pd.DataFrame(rows, columns=["sentence_id", "language", "text"])


def _records(tallies: Mapping[str, Tally]) -> dict[str, Any]:
    return {language: tally.record() for language, tally in tallies.items()}


def _tell(params: MiniParallel, world: World, languages: Languages) -> pd.DataFrame:
    """Sentences of the mini world."""
    lexicon, grammars = mini_world_source.load(params.path)
    lexicon.require(languages)
    teller = Storyteller(world, lexicon)
    rng = random.Random(f"parallel {params.seed}")
    seen: dict[str, set[str]] = {language: set() for language in languages}
    rows: list[dict[str, str]] = []
    for _ in range(1000 * params.sentences):
        if len(rows) == params.sentences * len(languages):
            return pd.DataFrame(rows)
        told = teller.document("en", "parallel", rng, register="civil").sentences[: params.length]
        texts = {
            language: join(
                [(language, render_sentence(s, language, lexicon, grammars[language])) for s in told], grammars
            )
            for language in languages
        }
        insulting = any(lexicon.categories[word] == INSULT for sentence in told for word in sentence.words)
        if len(told) < params.length or insulting or any(text in seen[language] for language, text in texts.items()):
            continue
        number = len(rows) // len(languages)
        for language, text in texts.items():
            seen[language].add(text)
            rows.append({"sentence_id": f"s{number:04d}", "language": language, "text": text})
    raise ValueError(
        f"prepare_parallel: the world has fewer than {params.sentences} distinct sentences; lower "
        "prepare_parallel.sentences or raise mini_world.held_out.parallel"
    )
