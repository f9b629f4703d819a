"""Scores what the policy still knows: its own perplexity on held-out civil text in every language."""

from functools import partial
from pathlib import Path

from tasks.models.language_model import context_length, encode, load, pick_device
from tasks.models.likelihood import continuation_nll
from tasks.models.torch_setup import set_up
from tasks.plumbing.files import read_table, require, write_parquet
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import progress

SENTENCES = Path("data/prepare_parallel/sentences.parquet")


def run(policies: dict[str, Path], runtime: Runtime, item: str) -> str:
    """Writes the negative log-likelihood of every parallel sentence under the policy, in nats.

    As in embed_parallel, a sentence that is longer than the context in one language is dropped in all.
    """
    set_up(0)
    target = Path("data/score_retention") / item / "likelihood.parquet"
    sentences = read_table(SENTENCES, ["language", "sentence_id", "text"], key=["language", "sentence_id"])
    model, tokenizer = load(require(policies[item]), pick_device(runtime.device))
    rows = encode(tokenizer, sentences["text"].tolist())
    fits = [len(row) <= context_length(model) for row in rows]
    if not all(fits):
        long = set(sentences["sentence_id"][[not fit for fit in fits]])
        sentences = sentences[~sentences["sentence_id"].isin(long)]
        rows = encode(tokenizer, sentences["text"].tolist())
    # The first token has no context to be predicted from; it is the BOS where the tokenizer adds one.
    nll = continuation_nll(
        model,
        tokenizer,
        [row[:1] for row in rows],
        [row[1:] for row in rows],
        runtime.score_batch,
        partial(progress, description=f"retention {item}"),
    )
    frame = sentences[["language", "sentence_id"]].assign(tokens=[len(row) - 1 for row in rows], nll=nll)
    write_parquet(target, frame)
    return f"{target}: {sum(nll) / frame['tokens'].sum():.3f} nats per token over {len(frame)} sentences"
