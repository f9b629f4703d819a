"""Fluency: conditional perplexity under the base model, token-exact."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from tasks import __main__ as cli
from tasks.models.pinned import folder_digest
from tests.scorer_models import save_mt5


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


def judged_by(**judge: str) -> pd.DataFrame:
    """The base model's continuations under another judge, run as a user would."""
    loaded = yaml.safe_load(Path("params.yaml").read_text())
    loaded["score_fluency"] = judge
    Path("params.yaml").write_text(yaml.safe_dump(loaded))
    assert cli.main(["score_fluency", "base"]) == 0
    return pd.read_parquet("data/score_fluency/base/perplexity.parquet")


def test_the_base_model_as_a_judge_of_text_agrees_with_itself(copied_study) -> None:
    """Where the text is tokenised as it was generated, re-reading it gives the same likelihood."""
    by_tokens = pd.read_parquet("data/score_fluency/base/perplexity.parquet")
    model = Path("models/prepare_model")
    by_text = judged_by(judge="causal_lm", model=str(model), revision=folder_digest(model))
    assert list(by_text) == list(by_tokens)
    same = by_text["tokens"].eq(by_tokens["tokens"]) & by_text["tokens"].gt(0)
    # Not all: sampling may split a word as the tokenizer would not.
    close = np.isclose(by_text["nll"], by_tokens["nll"], rtol=1e-4, atol=1e-4)
    assert same.mean() > 0.25 and close[same].mean() > 0.9
    empty = by_text["reason"] == "empty continuation"
    assert (
        by_text["perplexity"].isna().equals(by_text["reason"].notna())
        and empty.any() == (by_tokens["tokens"] == 0).any()
    )


def test_the_published_quantity_stands_beside_the_conditional_perplexity(copied_study, tmp_path: Path) -> None:
    """`perplexity` keeps its meaning and values; `mt5_perplexity` is another, with a reason where it has none."""
    before = pd.read_parquet("data/score_fluency/base/perplexity.parquet")
    model = save_mt5(tmp_path / "mt5")
    frame = judged_by(judge="mt5_published", model=str(model), revision=folder_digest(model))
    pd.testing.assert_frame_equal(frame[list(before)], before)
    assert list(frame)[len(before.columns) :] == ["mt5_perplexity", "mt5_reason"]
    assert (frame["mt5_perplexity"].isna() == frame["mt5_reason"].notna()).all()
    assert (frame["mt5_perplexity"].dropna() > 0).all() and frame["mt5_perplexity"].notna().mean() > 0.8
