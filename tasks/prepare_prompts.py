"""Makes the prompts that are continued before and after tuning, in every language."""

import random
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, Field

from tasks.engines import mini_world_source
from tasks.plumbing.files import write_parquet
from tasks.plumbing.params import Languages
from tasks.science.lexicon import INSULT, Lexicon
from tasks.science.mini_world import Register, Storyteller, World
from tasks.science.pidgin import Sentence, join, render_sentence

PROMPTS = Path("data/prepare_prompts/prompts.parquet")


class PreparePrompts(BaseModel, frozen=True, extra="forbid"):
    """Prompts of the mini world: openings of documents that lean towards the hostile register to different degrees."""

    kind: Literal["mini"] = Field(description="mini: openings of held-out documents")
    seed: int = Field(description="of the prompts")
    aligned: int = Field(gt=0, description="prompts per language that all languages share, as translations")
    culture_specific: int = Field(ge=0, description="prompts per language that no other language has")
    hostile: float = Field(ge=0, le=1, description="share of openings of documents in the hostile register")
    sentences: int = Field(gt=0, description="sentences per prompt")


def run(prepare_prompts: PreparePrompts, mini_world: World, languages: Languages) -> str:
    """Writes one row per language and prompt."""
    lexicon, grammars = mini_world_source.load()
    lexicon.require(languages)
    teller = Storyteller(mini_world, lexicon)

    def rows_of(prefix: str, count: int, tongues: list[str], specific: bool) -> list[dict[str, object]]:
        rng = random.Random(f"prompts {prefix} {prepare_prompts.seed}")
        openings = _openings(teller, lexicon, prepare_prompts, count, rng)
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

    rows = rows_of("w", prepare_prompts.aligned, languages, False)
    for language in languages:
        rows += rows_of(f"{language}-", prepare_prompts.culture_specific, [language], True)
    frame = pd.DataFrame(rows).sort_values(["language", "prompt_id"], kind="stable")
    write_parquet(PROMPTS, frame)
    return f"{PROMPTS}: {len(frame)} prompts in {len(languages)} languages"


def _openings(
    teller: Storyteller, lexicon: Lexicon, params: PreparePrompts, count: int, rng: random.Random
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
