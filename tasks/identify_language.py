"""Says whether each continuation is still in its prompt's language, and whether it is degenerate."""

from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, Field

from tasks.engines import mini_world_source
from tasks.plumbing.files import read_table, write_parquet
from tasks.plumbing.progress import progress
from tasks.science.degeneration import repeats_itself


class IdentifyLanguage(BaseModel, frozen=True, extra="forbid"):
    """Who identifies."""

    kind: Literal["lexicon"] = Field(description="lexicon: the language whose words cover most of the text")
    repeated_ngram: int = Field(gt=0, description="length of the n-gram, in tokens, whose repetition counts")
    repeated_share: float = Field(
        gt=0, le=1, description="share of repeated n-grams from which a text counts as repetitive"
    )


def run(identify_language: IdentifyLanguage, item: str) -> str:
    """Writes per continuation its language, whether it is the prompt's, and if it is empty, repetitive or cut off."""
    source = Path("data/generate") / item / "continuations.parquet"
    target = Path("data/identify_language") / item / "languages.parquet"
    columns = ["language", "prompt_id", "sample", "tokens", "text", "finished"]
    continuations = read_table(source, columns, key=columns[:3])
    lexicon, _ = mini_world_source.load()
    identified = [
        lexicon.identify(language, text)
        for language, text in progress(
            zip(continuations["language"], continuations["text"], strict=True), f"language {item}", len(continuations)
        )
    ]
    ngram, share = identify_language.repeated_ngram, identify_language.repeated_share
    frame = continuations[columns[:3]].assign(
        identified=pd.array(identified, dtype="string"),
        empty=continuations["text"].str.strip() == "",
        repetitive=[repeats_itself(list(tokens), ngram, share) for tokens in continuations["tokens"]],
        cut_off=~continuations["finished"],
    )
    # A continuation without a known word has no language: neither kept nor lost, and counted apart.
    frame["consistent"] = (frame["identified"] == frame["language"]).astype("boolean").mask(frame["identified"].isna())
    write_parquet(target, frame)
    unknown = int(frame["identified"].isna().sum())
    return f"{target}: {frame['consistent'].mean():.1%} in the prompt's language, {unknown} without a known word"
