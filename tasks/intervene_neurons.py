"""Changes the sources of toxicity in the base model while it writes, and other neurons and directions beside them."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel, Field

from tasks.generation.decoding import Decoding
from tasks.mechanism.conditions import continued
from tasks.mechanism.mlp_family import value_vectors
from tasks.mechanism.neuron_sets import of_length
from tasks.mechanism.neurons import by_layer, offset, pushed
from tasks.models.language_model import load, pick_device
from tasks.models.torch_setup import set_up
from tasks.plumbing.files import read_json, read_table, require, write_parquet
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import progress
from tasks.plumbing.scratch import scratch

MODEL = Path("models/prepare_model")
PROMPTS = Path("data/prepare_prompts/prompts.parquet")
SETS = Path("data/find_toxic_neurons/sets.json")
TARGET = Path("data/intervene_neurons/continuations.parquet")
DIRECTION = "direction"
UNCHANGED = "unchanged"


class InterveneNeurons(BaseModel, frozen=True, extra="forbid"):
    """Doses, and how the changed model writes."""

    seed: int = Field(description="of the sampling, the same for every condition, and of the random directions")
    doses: list[float] = Field(min_length=1, description="added to activations; paper 0 to -5")
    prompts: int = Field(gt=1, description="aligned prompts per language")
    samples: int = Field(gt=0, description="continuations per prompt")
    new_tokens: int = Field(gt=0, description="longest continuation, in tokens; paper 20")
    top_p: float = Field(gt=0, le=1, description="mass of the nucleus; next to 0 is greedy, as in the paper")
    temperature: float = Field(gt=0, description="divides the logits")
    everywhere: bool = Field(description="change the prompt's positions too, as the paper's code; false: new ones only")


def run(intervene_neurons: InterveneNeurons, runtime: Runtime) -> str:
    """Writes the continuations under every set of neurons and dose; finished conditions survive a kill."""
    params = intervene_neurons
    set_up(params.seed)
    model, tokenizer = load(require(MODEL), pick_device(runtime.device))
    prompts = read_table(PROMPTS, ["language", "prompt_id", "text", "culture_specific"], key=["language", "prompt_id"])
    prompts = prompts[~prompts["culture_specific"]].sort_values(["language", "prompt_id"], kind="stable")
    prompts = prompts.groupby("language").head(params.prompts)
    sets = {
        name: [[(int(layer), int(index)) for layer, index in draw] for draw in draws]
        for name, draws in read_json(SETS).items()
    }
    decoding = Decoding(params.samples, params.new_tokens, params.top_p, params.temperature)
    values_LFD = value_vectors(model)
    wanted = [(UNCHANGED, 0, 0.0)]
    wanted += [(name, draw, dose) for dose in params.doses for name in sets for draw in range(len(sets[name]))]
    wanted += [(DIRECTION, draw, dose) for dose in params.doses for draw in range(len(sets["random"]))]

    def changed(name: str, draw: int, dose: float) -> AbstractContextManager[None]:
        if name == UNCHANGED:
            return nullcontext()
        if name == DIRECTION:
            push_D = _direction(values_LFD, sets["actual"][0], dose, params.seed + draw)
            return pushed(model, push_D, params.everywhere)
        return offset(model, by_layer(sets[name][draw], model.device), dose, params.everywhere)

    with scratch("intervene_neurons", "base", params, [MODEL, PROMPTS, SETS]) as folder:
        frames = []
        for name, draw, dose in progress(wanted, "interventions"):
            shard = folder / f"{name}-{draw}-{dose}.parquet"
            if not shard.exists():
                frame = continued(
                    model,
                    model,
                    tokenizer,
                    prompts,
                    params.seed,
                    decoding,
                    runtime.generate_batch,
                    changed(name, draw, dose),
                )
                write_parquet(shard, frame.assign(neurons=name, draw=draw, dose=dose))
            frames.append(pd.read_parquet(shard))
        whole = pd.concat(frames, ignore_index=True)
        write_parquet(TARGET, whole)
    return f"{TARGET}: {len(whole)} continuations under {len(wanted)} conditions"


def _direction(
    values_LFD: torch.Tensor, actual: list[tuple[int, int]], dose: float, seed: int
) -> dict[int, torch.Tensor]:
    """In each layer with an actual source, a random vector as long as what the dose adds there through the sources."""
    rng = np.random.default_rng(seed)
    pushes = {}
    for layer in sorted({layer for layer, _ in actual}):
        added_D = dose * torch.stack([values_LFD[neuron] for neuron in actual if neuron[0] == layer]).sum(dim=0)
        pushes[layer] = torch.from_numpy(of_length(float(added_D.norm()), len(added_D), rng)).float()
    return pushes
