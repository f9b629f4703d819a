"""Fluency: conditional perplexity under the base model, token-exact."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer


def test_perplexity_is_that_of_transformers_own_loss(study) -> None:
    """For ten continuations, exp of the loss that transformers computes with the prompt masked out of the labels."""
    model = AutoModelForCausalLM.from_pretrained("models/prepare_model").eval()
    tokenizer = AutoTokenizer.from_pretrained("models/prepare_model")
    prompts = pd.read_parquet("data/prepare_prompts/prompts.parquet").set_index(["language", "prompt_id"])["text"]
    continuations = pd.read_parquet("data/generate/dpo-1/continuations.parquet")
    scored = pd.read_parquet("data/score_fluency/dpo-1/perplexity.parquet")
    rows = continuations[continuations["tokens"].map(len) > 1].sample(10, random_state=0)
    for row in rows.itertuples():
        prompt = tokenizer(prompts[row.language, row.prompt_id])["input_ids"]
        ids = torch.tensor([[*prompt, *row.tokens]])
        labels = ids.clone()
        labels[0, : len(prompt)] = -100
        with torch.no_grad():
            expected = model(input_ids=ids, labels=labels).loss.exp().item()
        assert np.isclose(scored.loc[row.Index, "perplexity"], expected, rtol=1e-4)


def test_an_empty_continuation_has_no_perplexity_and_a_reason(study) -> None:
    """Nothing is divided by zero, nothing is dropped in silence."""
    scored = pd.read_parquet("data/score_fluency/base/perplexity.parquet")
    empty = scored["tokens"] == 0
    assert scored.loc[empty, "perplexity"].isna().all() and scored.loc[~empty, "perplexity"].notna().all()
    assert scored.loc[empty, "reason"].eq("empty continuation").all() and scored.loc[~empty, "reason"].isna().all()
    assert len(scored) == 300


def test_batch_size_changes_no_perplexity(copied_study) -> None:
    """runtime.score_batch is how, not what: equal within 1e-5 relative for batches of 3 and of 256."""
    path = Path("data/score_fluency/base/perplexity.parquet")
    expected = pd.read_parquet(path)["nll"]
    loaded = yaml.safe_load(Path("params.yaml").read_text())
    loaded["runtime"]["score_batch"] = 3
    Path("params.yaml").write_text(yaml.safe_dump(loaded))
    copied_study.run("score_fluency", "base")
    np.testing.assert_allclose(pd.read_parquet(path)["nll"], expected, rtol=1e-5, atol=1e-5)
