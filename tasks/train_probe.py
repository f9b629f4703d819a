"""Trains a linear probe for toxicity on the last residuals of the base model: where in its space toxicity lies."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field
from safetensors.numpy import save_file

from tasks.mechanism.probe import detection, fit_probe
from tasks.mechanism.residuals import last_residuals
from tasks.models.language_model import load, pick_device
from tasks.models.torch_setup import set_up
from tasks.plumbing.files import ArtefactError, read_table, require, write_json, write_parquet, writing
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import progress

MODEL = Path("models/prepare_model")
TEXTS = Path("data/prepare_labelled/texts.parquet")
PROBE = Path("models/train_probe/probe.safetensors")
SCORES = Path("data/train_probe/scores.parquet")
METRICS = Path("data/train_probe/probe.json")


class TrainProbe(BaseModel, frozen=True, extra="forbid"):
    """Logistic regression on residuals, standardised for the fit."""

    seed: int = Field(description="of the bootstrap; the fit itself draws nothing")
    c: float = Field(gt=0, description="inverse strength of the L2 penalty on the weights of standardised features")
    max_iterations: int = Field(gt=0, description="of L-BFGS; a fit that has not converged by then is refused")
    resamples: int = Field(gt=0, description="bootstrap resamples of the test texts, for the interval of AUROC")
    confidence: float = Field(gt=0, lt=1, description="of that interval")


def run(train_probe: TrainProbe, runtime: Runtime) -> str:
    """Writes the probe (weight (D,) and bias (1,), float64), the score of every text, and measures per language."""
    set_up(train_probe.seed)
    texts = read_table(TEXTS, ["language", "text_id", "split", "text", "toxic"], key=["language", "text_id", "split"])
    train_N = (texts["split"] == "train").to_numpy()
    test_N = (texts["split"] == "test").to_numpy()
    odd = texts["split"][~(train_N | test_N)]
    if len(odd):
        raise ArtefactError(f"{TEXTS}: row {odd.index[0]}: split is {odd.iloc[0]!r}; it must be train or test")
    toxic_N = texts["toxic"].to_numpy(dtype=bool)
    if not test_N.any() or len(set(toxic_N[train_N])) < 2:
        raise ArtefactError(f"{TEXTS}: a probe needs toxic and other texts to train on, and texts to test on")
    model, tokenizer = load(require(MODEL), pick_device(runtime.device))
    residuals = last_residuals(
        model, tokenizer, texts["text"].tolist(), runtime.embed_batch, partial(progress, description="residuals")
    )
    features_ND = residuals.features_ND.double().numpy()
    probe = fit_probe(features_ND[train_N], toxic_N[train_N], train_probe.c, train_probe.max_iterations)
    probability_N = probe.probabilities(features_ND)
    measures = {}
    for language in sorted(texts["language"][test_N].unique()):
        chosen_N = test_N & (texts["language"] == language).to_numpy()
        # A generator per language: one language more leaves the others' intervals as they are.
        rng = np.random.default_rng([train_probe.seed, *language.encode()])
        measures[language] = asdict(
            detection(toxic_N[chosen_N], probability_N[chosen_N], train_probe.resamples, train_probe.confidence, rng)
        )
    with writing(PROBE) as part:
        save_file({"weight": probe.weight_D, "bias": np.array([probe.bias])}, part)
    scores: pd.DataFrame = texts[["language", "text_id", "split", "toxic"]].assign(probability=probability_N)
    write_parquet(SCORES, scores)
    cut_N = np.array(residuals.cut_N)
    write_json(
        METRICS,
        {
            "dimensions": len(probe.weight_D),
            "iterations": probe.iterations,
            "train": {"texts": int(train_N.sum()), "toxic": int(toxic_N[train_N].sum())},
            "cut_at_context": {"train": int(cut_N[train_N].sum()), "test": int(cut_N[test_N].sum())},
            "test": measures,
        },
    )
    areas = [measure["auroc"] for measure in measures.values() if measure["auroc"] is not None]
    found = f"AUROC from {min(areas):.3f} to {max(areas):.3f}" if areas else "AUROC undefined"
    return f"{PROBE}: {found} over {len(measures)} languages, trained on {train_N.sum()} texts"
