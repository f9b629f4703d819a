"""Embeds the parallel sentences with every layer of the base model."""

from functools import partial
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from tasks.engines.embedding import embed
from tasks.engines.language_model import load, pick_device
from tasks.engines.torch_setup import set_up
from tasks.plumbing.files import ArtefactError, read_table, require, writing
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import progress

MODEL = Path("models/prepare_model")
SENTENCES = Path("data/prepare_parallel/sentences.parquet")
STATES = Path("data/embed_parallel/states.safetensors")


def run(runtime: Runtime) -> str:
    """Writes one tensor (layers + 1, sentences, width) per language, sentences in the order of their ids."""
    set_up(0)
    sentences = read_table(SENTENCES, ["language", "sentence_id", "text"], key=["language", "sentence_id"])
    table = sentences.pivot(index="sentence_id", columns="language", values="text").sort_index()
    holes = table.isna()
    if holes.to_numpy().any():
        row, column = np.argwhere(holes.to_numpy())[0]
        sentence_id, language = table.index[row], table.columns[column]
        raise ArtefactError(
            f"{SENTENCES}: sentence {sentence_id} has no {language} version; parallel text needs them all"
        )
    model, tokenizer = load(require(MODEL), pick_device(runtime.device))
    texts = [text for language in table for text in table[language]]
    states = embed(model, tokenizer, texts, runtime.embed_batch, partial(progress, description="embed"))
    count = len(table)
    tensors = {
        str(language): states[:, number * count : (number + 1) * count].contiguous()
        for number, language in enumerate(table)
    }
    with writing(STATES) as part:
        save_file(tensors, part)
    return (
        f"{STATES}: {states.shape[0]} layers of width {states.shape[2]}, {count} sentences in {len(tensors)} languages"
    )
