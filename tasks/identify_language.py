"""Says whether each continuation is still in its prompt's language, and whether it is degenerate."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, assert_never

import pandas as pd
from pydantic import BaseModel, Field

from tasks.plumbing.files import read_table, write_parquet
from tasks.plumbing.progress import progress
from tasks.scoring.degeneration import repeats_itself
from tasks.scoring.language_identifier import LanguageIdentifier, LexiconIdentifier, LinguaIdentifier
from tasks.world import reader as mini_world_source


class _Degeneration(BaseModel, frozen=True, extra="forbid"):
    repeated_ngram: int = Field(gt=0, description="length of the n-gram, in tokens, whose repetition counts")
    repeated_share: float = Field(
        gt=0, le=1, description="share of repeated n-grams from which a text counts as repetitive"
    )


class ByLexicon(_Degeneration, frozen=True, extra="forbid"):
    """The language whose words of the mini world cover most of the text."""

    kind: Literal["lexicon"]


class ByLingua(_Degeneration, frozen=True, extra="forbid"):
    """The language that lingua finds most probable; offline."""

    kind: Literal["lingua"]
    candidates: Literal["study", "all"] = Field(
        description="study: only the languages of the prompts; all: lingua's 75"
    )
    confidence: float = Field(ge=0, le=1, description="least probability; below it a text has no language")


IdentifyLanguage = Annotated[ByLexicon | ByLingua, Field(discriminator="kind")]


def run(identify_language: IdentifyLanguage, item: str) -> str:
    """Writes per continuation its language, whether it is the prompt's, and if it is empty, repetitive or cut off."""
    source = Path("data/generate") / item / "continuations.parquet"
    target = Path("data/identify_language") / item / "languages.parquet"
    columns = ["language", "prompt_id", "sample", "tokens", "text", "finished"]
    continuations = read_table(source, columns, key=columns[:3])
    identifier = _identifier(identify_language, continuations["language"].unique())
    identified = pd.Series(index=continuations.index, dtype="string")
    reason = identified.copy()
    for language, rows in progress(continuations.groupby("language"), f"language {item}"):
        found = identifier.identify(str(language), rows["text"].tolist())
        identified.loc[rows.index] = [one.language for one in found]
        reason.loc[rows.index] = [one.reason for one in found]
    ngram, share = identify_language.repeated_ngram, identify_language.repeated_share
    frame = continuations[columns[:3]].assign(
        identified=identified,
        empty=continuations["text"].str.strip() == "",
        repetitive=[repeats_itself(list(tokens), ngram, share) for tokens in continuations["tokens"]],
        cut_off=~continuations["finished"],
    )
    # A continuation of unknown language is neither kept nor lost, and counted apart.
    frame["consistent"] = (frame["identified"] == frame["language"]).astype("boolean").mask(frame["identified"].isna())
    write_parquet(target, frame.assign(reason=reason))
    unknown = int(frame["identified"].isna().sum())
    return f"{target}: {frame['consistent'].mean():.1%} in the prompt's language, {unknown} of unknown language"


def _identifier(choice: ByLexicon | ByLingua, languages: Iterable[str]) -> LanguageIdentifier:
    match choice:
        case ByLexicon():
            return LexiconIdentifier(mini_world_source.load()[0])
        case ByLingua():
            return LinguaIdentifier(languages, choice.confidence, choice.candidates == "all")
        case _:
            assert_never(choice)
