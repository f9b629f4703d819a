"""Embeds the parallel sentences with every layer of the base model."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.torch import save_file

from tasks.models.language_model import load, pick_device
from tasks.models.torch_setup import set_up
from tasks.plumbing.files import ArtefactError, read_table, require, write_json, writing
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import progress
from tasks.retrieval.embedding import embed, exceeds_context

MODEL = Path("models/prepare_model")
SENTENCES = Path("data/prepare_parallel/sentences.parquet")
STATES = Path("data/embed_parallel/states.safetensors")
DROPPED = Path("data/embed_parallel/dropped.json")  # only where a sentence was


def run(runtime: Runtime) -> str:
    """Writes one tensor (layers + 1, sentences, width) per language, sentences in the order of their ids.

    A sentence that is longer than the model's context in one language is dropped in all, and counted in DROPPED.

    Where languages have English sentences of their own (column `pair`), there are two per pair: PAIR/LANGUAGE.
    """
    set_up(0)
    sentences = read_table(SENTENCES, ["language", "sentence_id", "text"], key=["language", "sentence_id"])
    _texts(sentences)  # refuses holes before the model is loaded
    model, tokenizer = load(require(MODEL), pick_device(runtime.device))
    long = sentences[exceeds_context(model, tokenizer, sentences["text"].tolist())]
    texts = _texts(_without(sentences, long))
    flat = [text for column in texts.values() for text in column]
    states = embed(model, tokenizer, flat, runtime.embed_batch, partial(progress, description="embed"))
    tensors, start = {}, 0
    for name, column in texts.items():
        tensors[name] = states[:, start : start + len(column)].contiguous()
        start += len(column)
    with writing(STATES) as part:
        save_file(tensors, part)
    longest = max(map(len, texts.values()))
    return (
        f"{STATES}: {states.shape[0]} layers of width {states.shape[2]}, {longest} sentences in "
        f"{sentences['language'].nunique()} languages"
        + (
            f"; {long['sentence_id'].nunique()} longer than the context were dropped in all: {DROPPED}"
            if len(long)
            else ""
        )
    )


def _without(sentences: pd.DataFrame, long: pd.DataFrame) -> pd.DataFrame:
    """The sentences that fit the context in every language; counts the others."""
    DROPPED.unlink(missing_ok=True)
    if long.empty:
        return sentences
    kept = sentences[~sentences["sentence_id"].isin(long["sentence_id"])]
    counts = {"sentences": long["sentence_id"].nunique(), "too_long": long.groupby("language").size().to_dict()}
    if kept["sentence_id"].nunique() < 2:
        raise ArtefactError(
            f"{SENTENCES}: fewer than two sentences fit the context of {MODEL} in every language ({counts['too_long']} "
            "are longer); take shorter ones"
        )
    write_json(DROPPED, counts)
    return kept


def _texts(sentences: pd.DataFrame) -> dict[str, list[str]]:
    """Texts by the name of their tensor."""
    if "pair" not in sentences:
        return _columns(sentences)
    return {
        f"{pair}/{language}": column
        for pair, rows in sentences.groupby("pair")
        for language, column in _columns(rows).items()
    }


def _columns(sentences: pd.DataFrame) -> dict[str, list[str]]:
    """Texts by language, in the order of the sentence ids; ArtefactError if a language lacks one."""
    table = sentences.pivot(index="sentence_id", columns="language", values="text").sort_index()
    holes = table.isna()
    if holes.to_numpy().any():
        row, column = np.argwhere(holes.to_numpy())[0]
        sentence_id, language = table.index[row], table.columns[column]
        raise ArtefactError(
            f"{SENTENCES}: sentence {sentence_id} has no {language} version; parallel text needs them all"
        )
    return {str(language): table[language].tolist() for language in table}
