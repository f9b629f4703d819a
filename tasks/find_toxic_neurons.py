"""Finds value vectors that promote toxicity, what they say in which languages, and neurons to compare them with."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel, Field
from safetensors.torch import load_file, save_file

from tasks.generation.decoding import Decoding
from tasks.mechanism.activations import GREEDY_TOP_P, collect
from tasks.mechanism.mlp_family import unembedding, value_vectors
from tasks.mechanism.neuron_sets import SOURCES, cosines, highest, matched_neurons, random_neurons
from tasks.mechanism.vocabulary import multilinguality, token_languages, top_tokens
from tasks.models.language_model import encode, load, pick_device
from tasks.models.torch_setup import set_up
from tasks.plumbing.files import ArtefactError, read_table, require, write_csv, write_json, write_parquet, writing
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import progress

MODEL = Path("models/prepare_model")
PROBE = Path("models/train_probe/probe.safetensors")
PROMPTS = Path("data/prepare_prompts/prompts.parquet")
PARALLEL = Path("data/prepare_parallel/sentences.parquet")
LABELLED = Path("data/prepare_labelled/texts.parquet")
FOLDER = Path("data/find_toxic_neurons")


class FindToxicNeurons(BaseModel, frozen=True, extra="forbid"):
    """What counts as a source of toxicity, and how its vector is read."""

    seed: int = Field(description="of control neurons and permutations")
    source: str = Field(description="language of the prompts that decide which candidates are sources; paper en")
    candidates: int = Field(gt=0, description="value vectors nearest to the probe; paper 100")
    new_tokens: int = Field(gt=0, description="greedy tokens over which activations are averaged; paper 20")
    draws: int = Field(gt=0, description="control sets of each kind")
    nearest: int = Field(gt=0, description="of so many most alike neurons one is drawn as the matched control")
    tokens: int = Field(gt=0, description="tokens read per vector; paper 30")
    dominance: float = Field(gt=0.5, le=1, description="share of a token's occurrences that makes it a language's own")
    fewest: int = Field(gt=0, description="occurrences from which a token's language counts as known")
    permutations: int = Field(gt=0, description="drawn token sets of the multilinguality control")
    confidence: float = Field(gt=0, lt=1, description="of the interval that drawn token sets fall into")


def run(find_toxic_neurons: FindToxicNeurons, runtime: Runtime) -> str:
    """Writes candidates with their tokens, control sets, and cosine and mean activation of every neuron."""
    params = find_toxic_neurons
    set_up(params.seed)
    rng = np.random.default_rng(params.seed)
    prompts = read_table(PROMPTS, ["language", "prompt_id", "text"], key=["language", "prompt_id"])
    own = prompts[prompts["language"] == params.source]
    if own.empty:
        raise ArtefactError(f"{PROMPTS}: no prompt is in {params.source!r}; set find_toxic_neurons.source to another")
    probe = load_file(require(PROBE))
    model, tokenizer = load(require(MODEL), pick_device(runtime.device))
    values_LFD = value_vectors(model)
    table_LF = cosines(values_LFD.double().numpy(), probe["weight"].double().numpy())
    candidates = highest(table_LF, params.candidates)
    found = collect(
        model,
        tokenizer,
        own["text"].tolist(),
        [(params.seed, params.source, prompt_id) for prompt_id in own["prompt_id"]],
        [0] * len(own),
        Decoding(1, params.new_tokens, GREEDY_TOP_P, 1.0),
        candidates,
        runtime.generate_batch,
        partial(progress, description="activations"),
    )
    activation_LF = found.all_GLF[0].double().numpy()
    norm_LF = values_LFD.norm(dim=-1).double().numpy()
    sources = [neuron for neuron in candidates if activation_LF[neuron] > 0]
    if not sources:
        raise ValueError(
            f"none of the {len(candidates)} candidates is active on {params.source} prompts: "
            "raise find_toxic_neurons.candidates"
        )
    # Drawn in this order from one generator.
    sets = {
        SOURCES: [sources],
        "random": [
            random_neurons((len(table_LF), table_LF.shape[1]), len(sources), set(candidates), rng)
            for _ in range(params.draws)
        ],
        "matched": [matched_neurons(sources, norm_LF, activation_LF, params.nearest, rng) for _ in range(params.draws)],
    }
    vectors_ND = torch.stack([values_LFD[neuron] for neuron in candidates])
    spoken, tokens = _read_vectors(candidates, vectors_ND, unembedding(model), tokenizer, params, rng)
    rows = [
        {
            "rank": rank,
            "layer": layer,
            "neuron": index,
            "cosine": table_LF[layer, index],
            "norm": norm_LF[layer, index],
            "activation": activation_LF[layer, index],
            SOURCES: (layer, index) in set(sources),
        }
        for rank, (layer, index) in enumerate(candidates, start=1)
    ]
    write_csv(FOLDER / "neurons.csv", pd.concat([pd.DataFrame(rows), spoken], axis=1))
    write_parquet(FOLDER / "tokens.parquet", tokens)
    write_json(FOLDER / "sets.json", sets)
    with writing(FOLDER / "tables.safetensors") as part:
        save_file({"cosine": torch.from_numpy(table_LF), "activation": torch.from_numpy(activation_LF)}, part)
    return f"{FOLDER}: {len(sources)} of {len(candidates)} candidates are active, of {table_LF.size} neurons"


def _read_vectors(
    candidates: list[tuple[int, int]],
    vectors_ND: torch.Tensor,
    unembedding_VD: torch.Tensor,
    tokenizer: Any,
    params: FindToxicNeurons,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """In how many languages each candidate's tokens are, beside chance; and one row per candidate and token."""
    top = top_tokens(vectors_ND, unembedding_VD, params.tokens)
    languages = token_languages(_occurrences(tokenizer, len(unembedding_VD)), params.dominance, params.fewest)
    spoken = multilinguality(top.ids_NK.numpy(), languages, params.permutations, params.confidence, rng)
    columns = {
        "known_tokens": spoken.known_N,
        "languages": spoken.effective_N,
        "languages_by_chance": spoken.chance_N,
        "chance_low": spoken.low_N,
        "chance_high": spoken.high_N,
        "p_fewer": spoken.p_fewer_N,
        "p_more": spoken.p_more_N,
    }
    tokens = [
        (layer, index, place, token, tokenizer.decode([token]), score, languages.language(token))
        for (layer, index), ids, scores in zip(candidates, top.ids_NK.tolist(), top.scores_NK.tolist(), strict=True)
        for place, (token, score) in enumerate(zip(ids, scores, strict=True), start=1)
    ]
    names = ["layer", "neuron", "place", "token", "text", "score", "language"]
    return pd.DataFrame(columns), pd.DataFrame(tokens, columns=names)


def _occurrences(tokenizer: Any, vocabulary: int) -> dict[str, np.ndarray]:
    """How often each token occurs in a language: in parallel texts, labelled ones to judge by, and prompts."""
    texts: dict[str, list[str]] = {}
    labelled = read_table(LABELLED, ["language", "split", "text"])
    for frame in (read_table(PARALLEL, ["language", "text"]), labelled[labelled["split"] == "test"]):
        for language, rows in frame.groupby("language"):
            texts.setdefault(str(language), []).extend(rows["text"])
    for language, rows in read_table(PROMPTS, ["language", "text"]).groupby("language"):
        texts.setdefault(str(language), []).extend(rows["text"])
    return {
        language: np.bincount(np.concatenate([np.array(row) for row in encode(tokenizer, own)]), minlength=vocabulary)
        for language, own in texts.items()
    }
