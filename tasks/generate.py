"""Continues every prompt k times with one policy."""

from functools import partial
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, Field

from tasks.engines.generation import Continuation, Decoding, continue_prompts
from tasks.engines.language_model import load, pick_device
from tasks.engines.torch_setup import set_up
from tasks.plumbing.files import read_table, require, write_parquet
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import progress
from tasks.plumbing.scratch import scratch

PROMPTS = Path("data/prepare_prompts/prompts.parquet")


class Generate(BaseModel, frozen=True, extra="forbid"):
    """Open-ended generation, as in the paper's section 3."""

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
    model, tokenizer = load(path, pick_device(runtime.device))
    decoding = Decoding(generate.samples, generate.new_tokens, generate.top_p, generate.temperature)
    target = Path("data/generate") / item / "continuations.parquet"
    with scratch("generate", item, generate, [path, PROMPTS]) as folder:
        shards = []
        for language, rows in prompts.groupby("language"):
            shard = folder / f"{language}.parquet"
            if not shard.exists():
                identities = [(generate.seed, language, prompt_id) for prompt_id in rows["prompt_id"]]
                sampled = continue_prompts(
                    model,
                    tokenizer,
                    rows["text"].tolist(),
                    identities,
                    decoding,
                    runtime.generate_batch,
                    partial(progress, description=f"{item} {language}"),
                )
                write_parquet(shard, _frame(str(language), rows["prompt_id"].tolist(), sampled))
            shards.append(pd.read_parquet(shard))
        frame = pd.concat(shards, ignore_index=True)
        write_parquet(target, frame)
    return (
        f"{target}: {len(frame)} continuations of {len(prompts)} prompts in {prompts['language'].nunique()} languages"
    )


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
