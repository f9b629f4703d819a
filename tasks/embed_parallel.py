"""Embeds the parallel sentences with every layer of the base model."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.torch import save_file

from tasks.models.language_model import load, pick_device
from tasks.models.torch_setup import set_up
from tasks.plumbing.files import ArtefactError, read_table, require, writing
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import progress
from tasks.retrieval.embedding import embed

MODEL = Path("models/prepare_model")
SENTENCES = Path("data/prepare_parallel/sentences.parquet")
STATES = Path("data/embed_parallel/states.safetensors")


def run(runtime: Runtime) -> str:
    """Writes one tensor (layers + 1, sentences, width) per language, sentences in the order of their ids.

    Where languages have English sentences of their own (column `pair`), there are two per pair: PAIR/LANGUAGE.
    """
    set_up(0)
    sentences = read_table(SENTENCES, ["language", "sentence_id", "text"], key=["language", "sentence_id"])
    texts = _texts(sentences)
    model, tokenizer = load(require(MODEL), pick_device(runtime.device))
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
    )


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
