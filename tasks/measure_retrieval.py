"""Measures how well each language retrieves its translations, layer by layer."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field
from safetensors.numpy import load_file

from tasks.plumbing.files import ArtefactError, require, write_csv, write_json
from tasks.plumbing.progress import progress
from tasks.retrieval.measures import choose_layer_leaving_one_out, retrieval_measures
from tasks.statistics.intervals import bootstrap_mean

STATES = Path("data/embed_parallel/states.safetensors")
FOLDER = Path("metrics/measure_retrieval")
Array = np.ndarray[Any, np.dtype[np.float32]]


class MeasureRetrieval(BaseModel, frozen=True, extra="forbid"):
    """Intervals of the retrieval measures."""

    pivot: str = Field(description="the language that the others are paired with: the one that is tuned on")
    resamples: int = Field(gt=0, description="bootstrap resamples, over sentences")
    confidence: float = Field(gt=0, lt=1, description="of the intervals")
    seed: int = Field(description="of the bootstrap")


def run(measure_retrieval: MeasureRetrieval) -> str:
    """Writes every measure per layer and language with its interval, its mean over layers, and its best layer."""
    pairs = _pairs(load_file(require(STATES)), measure_retrieval.pivot)
    others = list(pairs)
    rng = np.random.default_rng(measure_retrieval.seed)
    rows = []
    for language in progress(others, "retrieval"):
        for layer, (source, target) in enumerate(zip(*pairs[language], strict=True)):
            for measure, values in retrieval_measures(source, target).items():
                interval = bootstrap_mean(values, measure_retrieval.resamples, measure_retrieval.confidence, rng)
                rows.append((language, layer, measure, values.mean(), interval.low, interval.high))
    layers = pd.DataFrame(rows, columns=["language", "layer", "measure", "value", "low", "high"])
    summary = []
    for measure in layers["measure"].unique():
        group = layers[layers["measure"] == measure]
        table = group.pivot(index="layer", columns="language", values="value")[others]
        chosen = choose_layer_leaving_one_out(table.to_numpy())
        for number, language in enumerate(others):
            summary.append(
                {
                    "language": language,
                    "measure": measure,
                    "layer_mean": table[language].mean(),
                    "best_layer": int(chosen[number]),
                    "best": table[language].iloc[int(chosen[number])],
                }
            )
    languages = pd.DataFrame(summary)
    write_csv(FOLDER / "layers.csv", layers)
    write_csv(FOLDER / "languages.csv", languages)
    best = {m: dict(zip(g["language"], g["best"], strict=True)) for m, g in languages.groupby("measure", sort=False)}
    mean = {
        m: dict(zip(g["language"], g["layer_mean"], strict=True)) for m, g in languages.groupby("measure", sort=False)
    }
    write_json(FOLDER / "summary.json", {"best_layer": best, "layer_mean": mean})
    accuracy = best["p_at_1"].values()
    return f"{FOLDER}: best-layer P@1 from {min(accuracy):.2f} to {max(accuracy):.2f} over {len(others)} languages"


def _pairs(states: Mapping[str, Array], pivot: str) -> dict[str, tuple[Array, Array]]:
    """States (layers, sentences, width) of the pivot's sentences and of their translations, by language.

    A tensor LANGUAGE is of sentences that all languages have, PAIR/LANGUAGE of those that PAIR shares with the pivot.
    """
    names = {name.rpartition("/")[::2] for name in states}
    languages = sorted({language for _, language in names})
    if pivot not in languages:
        raise ArtefactError(f"{STATES}: has no {pivot} (measure_retrieval.pivot); it has {', '.join(languages)}")
    pairs = {}
    for pair, language in sorted(names, key=lambda name: name[1]):
        if language != pivot:
            before = f"{pair}/" if pair else ""
            if before + pivot not in states:
                held = sorted(name.removeprefix(before) for name in states if name.startswith(before))
                raise ArtefactError(
                    f"{STATES}: the sentences paired for {pair} have no {pivot} version (measure_retrieval.pivot), "
                    f"only {', '.join(held)}"
                )
            pairs[language] = (states[before + pivot], states[before + language])
    return pairs
