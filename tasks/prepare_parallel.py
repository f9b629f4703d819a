"""Makes the multiway-parallel sentences that retrieval and retention are measured on."""

import random
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, Field

from tasks.engines import mini_world_source
from tasks.plumbing.files import write_parquet
from tasks.plumbing.params import Languages
from tasks.science.lexicon import INSULT
from tasks.science.mini_world import Storyteller, World
from tasks.science.pidgin import join, render_sentence

SENTENCES = Path("data/prepare_parallel/sentences.parquet")


class PrepareParallel(BaseModel, frozen=True, extra="forbid"):
    """Parallel sentences of the mini world: civil and never said in pretraining."""

    kind: Literal["mini"] = Field(description="mini: held-out civil sentences in every language")
    seed: int = Field(description="of the sentences")
    sentences: int = Field(gt=1, description="texts, each in every language; the paper has 200")
    length: int = Field(gt=0, description="of a text, in the world's short sentences; the paper's are prompts")


def run(prepare_parallel: PrepareParallel, mini_world: World, languages: Languages) -> str:
    """Writes one row per sentence and language; no two sentences are equal in any language."""
    lexicon, grammars = mini_world_source.load()
    lexicon.require(languages)
    teller = Storyteller(mini_world, lexicon)
    rng = random.Random(f"parallel {prepare_parallel.seed}")
    seen: dict[str, set[str]] = {language: set() for language in languages}
    rows: list[dict[str, str]] = []
    for _ in range(1000 * prepare_parallel.sentences):
        if len(rows) == prepare_parallel.sentences * len(languages):
            break
        told = teller.document("en", "parallel", rng, register="civil").sentences[: prepare_parallel.length]
        texts = {
            language: join(
                [(language, render_sentence(s, language, lexicon, grammars[language])) for s in told], grammars
            )
            for language in languages
        }
        insulting = any(lexicon.categories[word] == INSULT for sentence in told for word in sentence.words)
        if (
            len(told) < prepare_parallel.length
            or insulting
            or any(text in seen[language] for language, text in texts.items())
        ):
            continue
        number = len(rows) // len(languages)
        for language, text in texts.items():
            seen[language].add(text)
            rows.append({"sentence_id": f"s{number:04d}", "language": language, "text": text})
    else:
        raise ValueError(
            f"prepare_parallel: the world has fewer than {prepare_parallel.sentences} distinct sentences; lower "
            "prepare_parallel.sentences or raise mini_world.held_out.parallel"
        )
    frame = pd.DataFrame(rows)
    write_parquet(SENTENCES, frame)
    return f"{SENTENCES}: {prepare_parallel.sentences} sentences in {len(languages)} languages"
