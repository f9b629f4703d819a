"""Continues prompts with vLLM, which runs in an environment of its own and is asked through files.

Prompts go there as token ids, in the model's prompt format, and what comes back is decoded here: both engines read and
write text the same way. Each sample has a seed of its own, derived from its identity; the numbers drawn from it are
vLLM's, so texts are others than the transformers engine's, of the same distribution.
"""

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from tasks.generation.decoding import Continuation, Decoding
from tasks.models.language_model import context_length, decode_completions, encode_prompts

WORKER = Path("environments/vllm/worker.py")
_POLL = 0.2  # seconds between two looks at the workers
_TAIL = 30  # lines of a worker's own words that a failure shows


@dataclass(frozen=True)
class Prompts:
    """Prompts of one language, with what the randomness of each derives from."""

    texts: Sequence[str]
    identities: Sequence[tuple[object, ...]]


class WorkerError(RuntimeError):
    """vLLM could not be started, failed, or answered something else; the message has its last words."""


def generate(
    model: Path,
    languages: Mapping[str, Prompts],
    decoding: Decoding,
    python: Path,
    memory: float,
    folder: Path,
    worker: Path = WORKER,
) -> Iterator[tuple[str, list[list[Continuation]]]]:
    """Languages with their continuations, as they are finished, one worker per GPU at work.

    Args:
        model: Directory.
        languages: What to continue.
        decoding: How to sample.
        python: Of the environment that has vLLM.
        memory: Share of a GPU's memory that vLLM may take.
        folder: For requests, answers and logs.
        worker: What the environment runs.

    Raises:
        ValueError: A prompt is too long for the context; the message gives its identity.
        WorkerError: A worker failed; the others are stopped, and what was finished has been given already.
    """
    if not python.exists():
        raise WorkerError(
            f"generate.engine is vllm, but {python} is not there: `make setup-vllm` makes it, or runtime.vllm_python "
            "names another"
        )
    tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True, trust_remote_code=False)
    rows = {name: _rows(model, tokenizer, prompts, decoding) for name, prompts in languages.items()}
    longest = max(len(row) for own in rows.values() for row in own)
    request = {
        "model": str(model),
        "new_tokens": decoding.new_tokens,
        "top_p": decoding.top_p,
        "temperature": decoding.temperature,
        "end": tokenizer.eos_token_id,
        "memory": memory,
        "context": longest + decoding.new_tokens,
    }
    answers = {name: folder / f"{name}.answer.json" for name in languages}
    for path in answers.values():
        path.unlink(missing_ok=True)
    with ExitStack() as running:
        workers = []
        for number, names in enumerate(deal({name: sum(map(len, own)) for name, own in rows.items()}, _gpus())):
            shards = [
                {
                    "answer": str(answers[name].resolve()),
                    "prompts": [
                        {"ids": list(ids), "seeds": [seed(*identity, n) for n in range(decoding.samples)]}
                        for ids, identity in zip(rows[name], languages[name].identities, strict=True)
                    ],
                }
                for name in names
            ]
            path = folder / f"request-{number}.json"
            path.write_text(json.dumps(request | {"shards": shards}), encoding="utf-8")
            workers.append(_start(running, python, worker, path, number))
        waiting = list(languages)
        while waiting:
            done = [name for name in waiting if answers[name].exists()]
            for name in done:
                waiting.remove(name)
                yield name, _read(answers[name], tokenizer, rows[name], decoding)
            if done or not waiting:
                continue
            for process, log in workers:
                if process.poll():
                    raise WorkerError(_last_words(process, log))
            if all(process.poll() == 0 for process, _ in workers) and not any(answers[n].exists() for n in waiting):
                raise WorkerError(f"vLLM's workers ended without an answer for {', '.join(waiting)}")
            time.sleep(_POLL)


def seed(*identity: object) -> int:
    """Seed of a sample, a number of 63 bits that depends on nothing but its identity."""
    digest = hashlib.sha256("\x1f".join(map(str, ("vllm", *identity))).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def deal(sizes: Mapping[str, int], hands: int) -> list[list[str]]:
    """Languages dealt to GPUs, the largest first, each to the one that has least; GPUs without any are left out."""
    dealt: list[list[str]] = [[] for _ in range(hands)]
    loads = [0] * hands
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        least = loads.index(min(loads))
        dealt[least].append(name)
        loads[least] += sizes[name]
    return [names for names in dealt if names]


def _rows(model: Path, tokenizer: PreTrainedTokenizerBase, prompts: Prompts, decoding: Decoding) -> list[list[int]]:
    config = AutoConfig.from_pretrained(model, local_files_only=True, trust_remote_code=False)
    limit = context_length(type("_", (), {"config": config})())
    rows = encode_prompts(tokenizer, prompts.texts)
    for row, identity in zip(rows, prompts.identities, strict=True):
        if len(row) + decoding.new_tokens > limit:
            raise ValueError(
                f"prompt {identity} has {len(row)} tokens; with {decoding.new_tokens} new ones it does not fit into "
                f"the model's context of {limit}: shorten it or lower generate.new_tokens"
            )
    return rows


def _gpus() -> int:
    return max(1, torch.cuda.device_count())


def _start(
    running: ExitStack, python: Path, worker: Path, request: Path, number: int
) -> tuple[subprocess.Popen[bytes], Path]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = visible.split(",") if visible else [str(gpu) for gpu in range(_gpus())]
    # PYTHONPATH would put the main environment's packages before vLLM's own.
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    log = request.with_suffix(".log")
    file = running.enter_context(log.open("wb"))
    process = subprocess.Popen(
        [str(python), str(worker), str(request)],
        env=own | {"CUDA_VISIBLE_DEVICES": gpus[number], "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"},
        stdout=file,
        stderr=subprocess.STDOUT,
    )
    running.callback(process.wait)
    running.callback(process.kill)  # the last callback is called first; what has ended cannot be killed
    return process, log


def _last_words(process: subprocess.Popen[bytes], log: Path) -> str:
    tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:]
    command = " ".join(map(str, process.args)) if isinstance(process.args, list) else ""
    return f"vLLM ended with status {process.returncode} ({command}):\n" + "\n".join(tail)


def _read(
    path: Path, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Sequence[int]], decoding: Decoding
) -> list[list[Continuation]]:
    rows: Any = json.loads(path.read_text(encoding="utf-8"))
    if len(rows) != len(prompts) * decoding.samples:
        raise WorkerError(f"{path}: {len(rows)} continuations, {len(prompts) * decoding.samples} were asked for")
    size = len(tokenizer)
    for number, (ids, _) in enumerate(rows):
        if len(ids) > decoding.new_tokens or any(not 0 <= token < size for token in ids):
            raise WorkerError(f"{path}: row {number} has {len(ids)} tokens or ids that the tokenizer has not")
    texts = decode_completions(tokenizer, [ids for ids, _ in rows])
    found = [Continuation(tuple(ids), text, ended) for (ids, ended), text in zip(rows, texts, strict=True)]
    return [found[start : start + decoding.samples] for start in range(0, len(found), decoding.samples)]
