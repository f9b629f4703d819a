"""Continues prompts with vLLM: `python worker.py REQUEST`. Its environment is its own; it knows nothing of the project.

REQUEST is JSON: model (directory), new_tokens, top_p, temperature, end (id of the end-of-sequence token or null),
memory (share of the GPU's), context (tokens), and shards, a list of {answer: path, prompts: [{ids, seeds}]}. An answer
is JSON: per prompt and seed [token ids, whether the end came]. It is written whole or not at all, shard by shard.
"""

import json
import sys
from pathlib import Path

from vllm import LLM, SamplingParams


def main(request: dict) -> None:
    """Answers every shard."""
    engine = LLM(
        model=request["model"],
        skip_tokenizer_init=True,  # token ids come in and go out
        trust_remote_code=False,
        generation_config="vllm",  # not the model's own top-k, penalties or temperature
        enable_prefix_caching=True,  # a prompt is read once for all its samples
        max_model_len=request["context"],
        gpu_memory_utilization=request["memory"],
        seed=0,
    )
    common = {
        "n": 1,
        "temperature": request["temperature"],
        "top_p": request["top_p"],
        "top_k": 0,  # all
        "max_tokens": request["new_tokens"],
        "stop_token_ids": [] if request["end"] is None else [request["end"]],
        "detokenize": False,
    }
    for shard in request["shards"]:
        prompts, sampling = [], []
        for prompt in shard["prompts"]:
            for seed in prompt["seeds"]:  # one request each: with n above 1 samples would share one generator
                prompts.append({"prompt_token_ids": prompt["ids"]})
                sampling.append(SamplingParams(seed=seed, **common))
        rows = []
        for output in engine.generate(prompts, sampling, use_tqdm=False):
            ids = list(output.outputs[0].token_ids)
            ended = bool(ids) and ids[-1] == request["end"]
            rows.append([ids[:-1] if ended else ids, ended])
        answer = Path(shard["answer"])
        part = answer.with_suffix(".part")
        part.write_text(json.dumps(rows), encoding="utf-8")
        part.replace(answer)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
