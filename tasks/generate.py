"""Continues every prompt k times with one policy."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, Field

from tasks.generation import vllm_engine
from tasks.generation.decoding import Continuation, Decoding, continue_prompts
from tasks.generation.vllm_engine import Prompts
from tasks.models.language_model import load, pick_device
from tasks.models.torch_setup import set_up
from tasks.plumbing.files import read_table, require, write_parquet
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import progress
from tasks.plumbing.scratch import scratch

PROMPTS = Path("data/prepare_prompts/prompts.parquet")


class Generate(BaseModel, frozen=True, extra="forbid"):
    """Open-ended generation, as in the paper's section 3."""

    engine: Literal["transformers", "vllm"] = Field(
        default="transformers", description="vllm: in an environment of its own; other texts of the same distribution"
    )
    seed: int = Field(description="of the sampling; the same for every policy")
    samples: int = Field(gt=0, description="continuations per prompt, k")
    new_tokens: int = Field(gt=0, description="longest continuation, in tokens")
    top_p: float = Field(gt=0, le=1, description="mass of the nucleus")
    temperature: float = Field(gt=0, description="divides the logits")


def run(generate: Generate, policies: dict[str, Path], runtime: Runtime, item: str) -> str:
    """Writes one row per prompt and sample; finished languages survive a kill."""
    set_up(generate.seed)
    path = require(policies[item])
    prompts = read_table(PROMPTS, ["language", "prompt_id", "text"], key=["language", "prompt_id"])
    decoding = Decoding(generate.samples, generate.new_tokens, generate.top_p, generate.temperature)
    target = Path("data/generate") / item / "continuations.parquet"
    with scratch("generate", item, generate, [path, PROMPTS]) as folder:
        shards = {str(language): folder / f"{language}.parquet" for language, _ in prompts.groupby("language")}
        missing = {name: prompts[prompts["language"] == name] for name, shard in shards.items() if not shard.exists()}
        asked = {
            name: Prompts(rows["text"].tolist(), [(generate.seed, name, prompt_id) for prompt_id in rows["prompt_id"]])
            for name, rows in missing.items()
        }
        if generate.engine == "vllm":
            written = _by_vllm(path, asked, decoding, runtime, folder, item)
        else:
            written = _by_transformers(path, asked, decoding, runtime, item)
        for name, sampled in written:
            write_parquet(shards[name], _frame(name, missing[name]["prompt_id"].tolist(), sampled))
        frame = pd.concat([pd.read_parquet(shard) for shard in shards.values()], ignore_index=True)
        write_parquet(target, frame)
    return (
        f"{target}: {len(frame)} continuations of {len(prompts)} prompts in {prompts['language'].nunique()} languages"
    )


Written = Iterator[tuple[str, list[list[Continuation]]]]


def _by_transformers(path: Path, asked: dict[str, Prompts], decoding: Decoding, runtime: Runtime, item: str) -> Written:
    """Language by language, in this process."""
    if not asked:
        return
    model, tokenizer = load(path, pick_device(runtime.device))
    for name, prompts in asked.items():
        bar = partial(progress, description=f"{item} {name}")
        texts, identities = list(prompts.texts), list(prompts.identities)
        yield name, continue_prompts(model, tokenizer, texts, identities, decoding, runtime.generate_batch, bar)


def _by_vllm(
    path: Path, asked: dict[str, Prompts], decoding: Decoding, runtime: Runtime, folder: Path, item: str
) -> Written:
    """Languages as vLLM's workers finish them."""
    if not asked:
        return
    python = Path(runtime.vllm_python)
    bar = iter(progress(range(len(asked)), f"{item} with vLLM"))
    for finished in vllm_engine.generate(path, asked, decoding, python, runtime.vllm_memory, folder):
        next(bar)
        yield finished
    next(bar, None)  # which ends it


def _frame(language: str, prompt_ids: list[str], sampled: list[list[Continuation]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "language": language,
                "prompt_id": prompt_id,
                "sample": number,
                "tokens": list(continuation.tokens),
                "text": continuation.text,
                "finished": continuation.finished,
            }
            for prompt_id, continuations in zip(prompt_ids, sampled, strict=True)
            for number, continuation in enumerate(continuations)
        ]
    )
