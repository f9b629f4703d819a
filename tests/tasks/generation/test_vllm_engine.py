"""vLLM's engine: what is asked of it, what is made of its answers, and what happens when it fails.

vLLM itself is not installed here. A stand-in for its package samples with torch as its documentation says it does; the
worker that runs is the real one.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chi2_contingency

from tasks.generation import vllm_engine
from tasks.generation.decoding import Continuation, Decoding, continue_prompts
from tasks.generation.vllm_engine import Prompts, WorkerError, deal, generate, seed
from tasks.models.language_model import load
from tests import tiny_models

pytestmark = pytest.mark.slow  # nearly every test starts a process that imports transformers
ROOT = Path(__file__).resolve().parents[3]
PYTHON = Path(sys.executable)
DECODING = Decoding(samples=3, new_tokens=5, top_p=0.8, temperature=0.9)
STAND_IN = """
import json, os
from types import SimpleNamespace
import torch
from transformers import AutoModelForCausalLM

class SamplingParams(SimpleNamespace):
    pass

class LLM:
    def __init__(self, **settings):
        self.model = AutoModelForCausalLM.from_pretrained(settings["model"]).eval()
        with open(os.environ["STAND_IN_LOG"], "a") as log:
            log.write(json.dumps({"settings": settings, "gpu": os.environ["CUDA_VISIBLE_DEVICES"]}) + "\\n")

    def generate(self, prompts, sampling, use_tqdm):
        with open(os.environ["STAND_IN_LOG"], "a") as log:
            log.write(json.dumps({"requests": len(prompts), "asked": vars(sampling[0])}) + "\\n")
        return [self.one(prompt["prompt_token_ids"], asked) for prompt, asked in zip(prompts, sampling)]

    @torch.inference_mode()
    def one(self, ids, asked):
        generator, new = torch.Generator().manual_seed(asked.seed % 2**63), []
        while len(new) < asked.max_tokens and not set(new) & set(asked.stop_token_ids):
            logits = self.model(torch.tensor([[*ids, *new]])).logits[0, -1] / asked.temperature
            p, order = logits.softmax(0).sort(descending=True)
            p[p.cumsum(0) - p >= asked.top_p] = 0
            new.append(int(order[torch.multinomial(p, 1, generator=generator)]))
        return SimpleNamespace(outputs=[SimpleNamespace(token_ids=new)])
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama, whose tokenizer puts a space before what it is given."""
    return tiny_models.make(tmp_path_factory.mktemp("model") / "llama", "llama", tied=False)


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's worker, with a stand-in for vLLM; log.jsonl has what the stand-in was asked."""
    (tmp_path / "vllm.py").write_text(STAND_IN, encoding="utf-8")
    script = tmp_path / "worker.py"
    real = ROOT / vllm_engine.WORKER
    script.write_text(
        f"import runpy, sys\nsys.path.insert(0, {str(tmp_path)!r})\n"
        f"runpy.run_path({str(real)!r}, run_name='__main__')\n"
    )
    monkeypatch.setenv("STAND_IN_LOG", str(tmp_path / "log.jsonl"))
    return script


def asked(count: int, *languages: str) -> dict[str, Prompts]:
    texts = ["the teacher", "the doctor is very", "el maestro compra"][:count]
    return {name: Prompts(texts, [(1, name, number) for number in range(count)]) for name in languages}


def run(
    model: Path, worker: Path, languages: dict[str, Prompts], decoding: Decoding = DECODING
) -> dict[str, list[list[Continuation]]]:
    folder = worker.parent / "scratch"
    folder.mkdir(exist_ok=True)
    return dict(generate(model, languages, decoding, PYTHON, 0.5, folder, worker))


def test_every_sample_is_asked_for_with_its_own_seed(model: Path, worker: Path) -> None:
    """Two languages of two prompts and three samples; stop token and limits are as vLLM's documentation has them."""
    found = run(model, worker, asked(2, "de", "en"))
    assert {name: [len(samples) for samples in rows] for name, rows in found.items()} == {"de": [3, 3], "en": [3, 3]}
    log = [json.loads(line) for line in (worker.parent / "log.jsonl").read_text().splitlines()]
    assert log[0]["settings"]["generation_config"] == "vllm" and log[0]["settings"]["enable_prefix_caching"]
    assert [entry["requests"] for entry in log[1:]] == [6, 6]
    tokenizer = load(model, torch.device("cpu"))[1]
    expected = {"n": 1, "temperature": 0.9, "top_p": 0.8, "top_k": 0, "max_tokens": 5, "detokenize": False}
    assert expected.items() <= log[1]["asked"].items()
    assert log[1]["asked"]["stop_token_ids"] == [tokenizer.eos_token_id]
    request = json.loads((worker.parent / "scratch/request-0.json").read_text())
    seeds = [s for shard in request["shards"] for prompt in shard["prompts"] for s in prompt["seeds"]]
    assert len(set(seeds)) == 12 and all(0 <= s < 2**63 for s in seeds)
    assert request["context"] == max(len(p["ids"]) for s in request["shards"] for p in s["prompts"]) + 5


def test_it_writes_what_the_other_engine_would_write_of_the_same_tokens(model: Path, worker: Path) -> None:
    """Texts are decoded as continuations, the end of text is left out and told; a second run gives the same."""
    found = run(model, worker, asked(3, "en"))
    tokenizer = load(model, torch.device("cpu"))[1]
    for sample in (sample for samples in found["en"] for sample in samples):
        assert len(sample.tokens) <= 5 and tokenizer.eos_token_id not in sample.tokens
        assert sample.finished or len(sample.tokens) == 5
        assert sample.text.strip() == tokenizer.decode(sample.tokens).strip()
    assert run(model, worker, asked(3, "en")) == found
    assert len({sample.text for samples in found["en"] for sample in samples}) > 3


def first_tokens(rows: list[list[Continuation]]) -> Counter[int]:
    return Counter(sample.tokens[0] if sample.tokens else -1 for samples in rows for sample in samples)


def p_same(one: Counter[int], other: Counter[int]) -> float:
    """Chi-square test that two samples of tokens are of one distribution; rare tokens are taken together."""
    common = [token for token in one | other if one[token] + other[token] >= 10]
    table = [
        [counts[token] for token in common] + [counts.total() - sum(counts[t] for t in common)]
        for counts in (one, other)
    ]
    kept = np.array(table)[:, np.array(table).sum(axis=0) > 0]
    return float(chi2_contingency(kept).pvalue)


def test_both_engines_draw_from_one_distribution(model: Path, worker: Path) -> None:
    """500 samples of one prompt by each: the same first tokens, as chance would have it; at another temperature not."""
    many = Decoding(samples=500, new_tokens=1, top_p=0.8, temperature=0.9)
    prompts = asked(1, "en")
    here = continue_prompts(*load(model, torch.device("cpu")), prompts["en"].texts, prompts["en"].identities, many, 500)
    there = run(model, worker, prompts, many)["en"]
    assert len(first_tokens(here)) > 2
    assert p_same(first_tokens(here), first_tokens(there)) > 0.001
    hot = run(model, worker, prompts, Decoding(samples=500, new_tokens=1, top_p=0.8, temperature=3.0))["en"]
    assert p_same(first_tokens(here), first_tokens(hot)) < 0.001


@pytest.mark.gpu
def test_vllm_itself_draws_from_that_distribution(model: Path, tmp_path: Path) -> None:
    """The same with vLLM, where `make setup-vllm` has put it."""
    python = ROOT / "environments/vllm/.venv/bin/python"
    if not python.exists():
        pytest.skip("vLLM is not installed: `make setup-vllm`")
    many = Decoding(samples=500, new_tokens=1, top_p=0.8, temperature=0.9)
    prompts = asked(1, "en")
    here = continue_prompts(
        *load(model, torch.device("cuda")), prompts["en"].texts, prompts["en"].identities, many, 500
    )
    there = dict(generate(model, prompts, many, python, 0.3, tmp_path, ROOT / vllm_engine.WORKER))["en"]
    assert p_same(first_tokens(here), first_tokens(there)) > 0.001


def test_languages_are_dealt_by_size() -> None:
    """9 and 2 on one, 6, 4 and 1 on the other: 11 each. A GPU too many gets none."""
    assert deal({"a": 9, "b": 6, "c": 4, "d": 2, "e": 1}, 2) == [["a", "d"], ["b", "c", "e"]]
    assert deal({"a": 1}, 3) == [["a"]]


def test_each_gpu_has_a_worker_of_its_own(model: Path, worker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two GPUs, numbers 4 and 7 of the machine: each worker sees one, and together they answer everything."""
    monkeypatch.setattr(vllm_engine, "_gpus", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    assert set(run(model, worker, asked(1, "de", "en", "fr"))) == {"de", "en", "fr"}
    log = [json.loads(line) for line in (worker.parent / "log.jsonl").read_text().splitlines()]
    assert {entry["gpu"] for entry in log if "gpu" in entry} == {"4", "7"}


def test_a_crash_tells_the_last_words_and_keeps_what_was_finished(model: Path, worker: Path) -> None:
    """It dies in its second language: the first was given already, and the message has its own words."""
    source = worker.parent / "vllm.py"
    source.write_text(
        STAND_IN.replace(
            "return [self.one(",
            "self.n = getattr(self, 'n', 0) + 1\n        assert self.n < 2, 'out of memory'\n        return [self.one(",
        )
    )
    folder = worker.parent / "scratch"
    folder.mkdir()
    given = []
    with pytest.raises(WorkerError, match=r"(?s)vLLM ended with status 1 .*AssertionError: out of memory"):
        for name, _ in generate(model, asked(1, "de", "en"), DECODING, PYTHON, 0.5, folder, worker):
            given.append(name)
    assert len(given) == 1


@pytest.mark.parametrize(
    ("broken", "said"),
    [("rows[:-1]", "2 continuations, 3 were asked for"), ("[[[9**9], False]] * 3", "row 0 has 1 tokens or ids"),
     ("[[[1] * 9, False]] * 3", "row 0 has 9 tokens")],
)  # fmt: skip
def test_an_answer_to_something_else_is_refused(model: Path, worker: Path, broken: str, said: str) -> None:
    """Too few continuations, ids outside of the vocabulary, or more tokens than asked for."""
    real = (ROOT / vllm_engine.WORKER).read_text(encoding="utf-8")
    changed = worker.parent / "broken.py"
    changed.write_text(real.replace("json.dumps(rows)", f"json.dumps({broken})"), encoding="utf-8")
    with pytest.raises(WorkerError, match=said):
        run(model, changed, asked(1, "en"))


def test_what_cannot_start_is_told(model: Path, worker: Path, tmp_path: Path) -> None:
    """No environment, and a prompt that does not fit."""
    with pytest.raises(WorkerError, match="`make setup-vllm`"):
        list(generate(model, asked(1, "en"), DECODING, tmp_path / "none", 0.5, tmp_path, worker))
    long = {"en": Prompts(["the teacher " * 40], [(1, "en", "p7")])}
    with pytest.raises(
        ValueError, match=r"prompt \(1, 'en', 'p7'\) has .* does not fit into the model's context of 64"
    ):
        run(model, worker, long)


def test_a_seed_depends_on_its_identity() -> None:
    """63 bits, another for each part of it."""
    assert seed(1, "en", "p1", 0) == seed(1, "en", "p1", 0)
    assert (
        len({seed(s, language, p, n) for s in (1, 2) for language in ("en", "de") for p in "ab" for n in (0, 1)}) == 16
    )
