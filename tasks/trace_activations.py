"""Traces how active the sources of toxicity are in every language, with one policy."""

from functools import partial
from pathlib import Path

import pandas as pd
import torch
from pydantic import BaseModel, Field
from safetensors.torch import save_file

from tasks.generation.decoding import Decoding
from tasks.mechanism.activations import GREEDY_TOP_P, collect
from tasks.models.language_model import load, pick_device
from tasks.models.torch_setup import set_up
from tasks.plumbing.files import read_json, read_table, require, write_parquet, writing
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import progress

PROMPTS = Path("data/prepare_prompts/prompts.parquet")
SETS = Path("data/find_toxic_neurons/sets.json")


class TraceActivations(BaseModel, frozen=True, extra="forbid"):
    """Over which tokens activations are averaged, greedy and sampled."""

    seed: int = Field(description="of the sampling; the same for every policy")
    prompts: int | None = Field(gt=1, description="aligned prompts per language, null: all")
    new_tokens: int = Field(gt=0, description="paper 20")
    samples: int = Field(gt=0, description="sampled continuations per prompt; greedy has one")
    top_p: float = Field(gt=0, le=1, description="mass of the nucleus")
    temperature: float = Field(gt=0, description="divides the logits")


def run(trace_activations: TraceActivations, policies: dict[str, Path], runtime: Runtime, item: str) -> str:
    """Writes means per prompt of the actual sources, and per language of every neuron, for both ways of decoding.

    An activation is read where the next token comes from: at the prompt's last token and at each new one but the last.
    """
    params = trace_activations
    set_up(params.seed)
    prompts = read_table(PROMPTS, ["language", "prompt_id", "text", "culture_specific"], key=["language", "prompt_id"])
    prompts = prompts[~prompts["culture_specific"]].sort_values(["language", "prompt_id"], kind="stable")
    if params.prompts is not None:
        prompts = prompts.groupby("language").head(params.prompts)
    neurons = sorted((int(layer), int(index)) for layer, index in read_json(SETS)["actual"][0])
    model, tokenizer = load(require(policies[item]), pick_device(runtime.device))
    languages = sorted(prompts["language"].unique())
    frames: list[pd.DataFrame] = []
    tensors: dict[str, torch.Tensor] = {}
    for name, decoding in (
        ("greedy", Decoding(1, params.new_tokens, GREEDY_TOP_P, 1.0)),
        ("sampled", Decoding(params.samples, params.new_tokens, params.top_p, params.temperature)),
    ):
        found = collect(
            model,
            tokenizer,
            prompts["text"].tolist(),
            [(params.seed, *identity) for identity in zip(prompts["language"], prompts["prompt_id"], strict=True)],
            [languages.index(language) for language in prompts["language"]],
            decoding,
            neurons,
            runtime.generate_batch,
            partial(progress, description=f"{item} {name}"),
        )
        frames.append(
            prompts[["language", "prompt_id"]].assign(
                decoding=name,
                activation=found.chosen_NC.mean(dim=1).numpy(),
                key_product=found.keys_NC.mean(dim=1).numpy(),
            )
        )
        tensors |= {f"{name}.{language}": found.all_GLF[number].clone() for number, language in enumerate(languages)}
    folder = Path("data/trace_activations") / item
    frame = pd.concat(frames, ignore_index=True)
    write_parquet(folder / "activations.parquet", frame)
    with writing(folder / "neurons.safetensors") as part:
        save_file(tensors, part)
    return (
        f"{folder}: mean activation {frame['activation'].mean():+.4f} of {len(neurons)} neurons, {len(prompts)} prompts"
    )
