"""What the policy still knows about civil text."""

import numpy as np
import pandas as pd
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def test_likelihood_is_that_of_transformers_own_loss(study) -> None:
    """For ten sentences, the loss that transformers computes, times the number of predicted tokens."""
    model = AutoModelForCausalLM.from_pretrained("models/train_dpo/1").eval()
    tokenizer = AutoTokenizer.from_pretrained("models/train_dpo/1")
    sentences = pd.read_parquet("data/prepare_parallel/sentences.parquet")
    scored = pd.read_parquet("data/score_retention/dpo-1/likelihood.parquet")
    assert len(scored) == len(sentences) == 120
    for row in sentences.sample(10, random_state=0).itertuples():
        ids = torch.tensor([tokenizer(row.text)["input_ids"]])
        with torch.no_grad():
            loss = model(input_ids=ids, labels=ids).loss.item()
        assert scored.loc[row.Index, "tokens"] == ids.shape[1] - 1
        assert np.isclose(scored.loc[row.Index, "nll"], loss * (ids.shape[1] - 1), rtol=1e-4)
