"""How much of tuning's effect neurons carry: gives them their activations from before in the tuned model, and back."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field
from safetensors.torch import load_file

from tasks.generation.decoding import Decoding
from tasks.mechanism.conditions import continued
from tasks.mechanism.neuron_sets import Neuron, groups, random_neurons
from tasks.mechanism.neurons import borrowed, by_layer
from tasks.models.language_model import load, pick_device
from tasks.models.torch_setup import set_up
from tasks.plumbing.files import ArtefactError, read_json, read_table, require, write_json, write_parquet
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import progress
from tasks.plumbing.scratch import scratch

MODEL = Path("models/prepare_model")
PROMPTS = Path("data/prepare_prompts/prompts.parquet")
SETS = Path("data/find_toxic_neurons/sets.json")
TABLES = Path("data/find_toxic_neurons/tables.safetensors")
TRACES = Path("data/trace_activations")
BASE = "base"
UNCHANGED, FOUR_GROUPS, ALL = "unchanged", "four groups", "all neurons"
Way = Literal["restore", "impose"]


class Recipe(BaseModel, frozen=True, extra="forbid"):
    """How the patched models write."""

    seed: int = Field(description="of the sampling, the same for every condition, and of the control draws")
    source: str = Field(description="language on whose prompts the four groups are told apart")
    prompts: int = Field(gt=1, description="aligned prompts per language")
    samples: int = Field(gt=0, description="continuations per prompt")
    new_tokens: int = Field(gt=0, description="longest continuation, in tokens; paper 20")
    top_p: float = Field(gt=0, le=1, description="mass of the nucleus")
    temperature: float = Field(gt=0, description="divides the logits")


class ExplainEffect(BaseModel, frozen=True, extra="forbid"):
    """Whose effect."""

    policies: dict[str, Path] = Field(description="tuned policies to explain; each costs as much as all of the stage")
    recipe: Recipe


def run(explain_effect: ExplainEffect, policies: dict[str, Path], runtime: Runtime, item: str) -> str:
    """Writes the continuations of both models under every patch, and which neurons each group has.

    restore: the tuned model with the base model's activations of a set of neurons on the same tokens, token by token.
    impose: the base model with the tuned model's.
    """
    for name, path in explain_effect.policies.items():
        if policies.get(name) != path:
            raise ValueError(
                f"explain_effect.policies: {name}: {path} is not among `policies`, which say who is judged"
            )
    if item not in explain_effect.policies:
        raise ValueError(f"explain_effect@{item}: not in explain_effect.policies")
    params = explain_effect.recipe
    set_up(params.seed)
    device = pick_device(runtime.device)
    base, tokenizer = load(require(MODEL), device)
    tuned, _ = load(require(policies[item]), device)
    prompts = read_table(PROMPTS, ["language", "prompt_id", "text", "culture_specific"], key=["language", "prompt_id"])
    prompts = prompts[~prompts["culture_specific"]].sort_values(["language", "prompt_id"], kind="stable")
    prompts = prompts.groupby("language").head(params.prompts)
    sets = _sets(params, item)
    decoding = Decoding(params.samples, params.new_tokens, params.top_p, params.temperature)
    ways: tuple[Way, ...] = ("restore", "impose")
    wanted: list[tuple[Way, str, int]] = [
        (way, name, draw)
        for way in ways
        for name, count in [(UNCHANGED, 1), *((name, len(draws)) for name, draws in sets.items())]
        for draw in range(count)
    ]

    def changed(way: Way, name: str, draw: int) -> AbstractContextManager[None]:
        if name == UNCHANGED:
            return nullcontext()
        model, donor = (tuned, base) if way == "restore" else (base, tuned)
        return borrowed(model, donor, by_layer(sets[name][draw], device))

    target = Path("data/explain_effect") / item
    with scratch("explain_effect", item, params, [MODEL, policies[item], PROMPTS, SETS, TABLES, TRACES]) as folder:
        frames = []
        for way, name, draw in progress(wanted, f"patches {item}"):
            shard = folder / f"{way}-{name.replace(' ', '_')}-{draw}.parquet"
            if not shard.exists():
                frame = continued(
                    tuned if way == "restore" else base,
                    base,
                    tokenizer,
                    prompts,
                    params.seed,
                    decoding,
                    runtime.generate_batch,
                    changed(way, name, draw),
                )
                write_parquet(shard, frame.assign(way=way, neurons=name, draw=draw))
            frames.append(pd.read_parquet(shard))
        whole = pd.concat(frames, ignore_index=True)
        write_parquet(target / "continuations.parquet", whole)
        write_json(target / "sizes.json", {name: len(draws[0]) for name, draws in sets.items()})
    return f"{target}: {len(whole)} continuations under {len(wanted)} conditions"


def _sets(params: Recipe, item: str) -> dict[str, list[list[Neuron]]]:
    """Sources and their controls; the four groups, each with as many random neurons; all neurons, the most there is."""
    sets: dict[str, list[list[Neuron]]] = {
        name: [[(int(layer), int(index)) for layer, index in draw] for draw in draws]
        for name, draws in read_json(SETS).items()
    }
    cosine_LF = load_file(require(TABLES))["cosine"].numpy()
    traces = {name: load_file(require(TRACES / name / "neurons.safetensors")) for name in (BASE, item)}
    key = f"sampled.{params.source}"
    for name, tables in traces.items():
        if key not in tables:
            raise ArtefactError(
                f"{TRACES / name}/neurons.safetensors: no {key}; set explain_effect.recipe.source to a study language"
            )
    before_LF, after_LF = (traces[name][key].double().numpy() for name in (BASE, item))
    found = groups(cosine_LF, before_LF, after_LF)
    sets |= {name: [neurons] for name, neurons in found.items() if neurons}
    together = sorted(neuron for neurons in found.values() for neuron in neurons)
    sets[FOUR_GROUPS] = [together]
    shape = (cosine_LF.shape[0], cosine_LF.shape[1])
    rng = np.random.default_rng(params.seed)
    # Half of all neurons may be in the four groups, so their control is drawn from all: overlap is chance.
    sets[f"random for {FOUR_GROUPS}"] = [
        random_neurons(shape, len(together), set(), rng) for _ in range(len(sets["random"]))
    ]
    sets[ALL] = [[(layer, index) for layer in range(shape[0]) for index in range(shape[1])]]
    return sets
