"""Makes the base model: pretrains the mini world's language model on a corpus that it generates."""

import random
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import BaseModel, Field

from tasks.engines import mini_world_source
from tasks.engines.language_model import encode
from tasks.engines.likelihood import continuation_nll
from tasks.engines.pretraining import Architecture, Optimisation, pretrain, train_tokenizer
from tasks.engines.torch_setup import set_up
from tasks.plumbing.files import write_csv, writing
from tasks.plumbing.progress import progress, visible
from tasks.plumbing.scratch import scratch
from tasks.science.mini_world import Storyteller, World, render

MODEL = Path("models/prepare_model")
LEARNING = Path("data/prepare_model/learning.csv")


class PrepareModel(BaseModel, frozen=True, extra="forbid"):
    """The mini world's corpus and model."""

    kind: Literal["mini"] = Field(description="mini: pretrain the embedded world's model")
    seed: int = Field(description="of corpus, weights and order")
    documents: int = Field(gt=0, description="documents in the pretraining corpus")
    tokenizer_documents: int = Field(gt=0, description="documents per language that the BPE learns from, balanced")
    validation_documents: int = Field(gt=1, description="documents per language for the validation loss")
    architecture: Architecture
    optimisation: Optimisation


def run(prepare_model: PrepareModel, mini_world: World) -> str:
    """Writes the model directory and how well it learned each language."""
    set_up(prepare_model.seed)
    lexicon, grammars = mini_world_source.load()
    teller = Storyteller(mini_world, lexicon)
    rng = random.Random(f"corpus {prepare_model.seed}")
    languages = sorted(mini_world.share)
    drawn = rng.choices(languages, [mini_world.share[language] for language in languages], k=prepare_model.documents)
    corpus = [
        render(teller.document(language, "pretraining", rng), lexicon, grammars)
        for language in progress(drawn, "corpus")
    ]
    balanced = [
        render(teller.document(language, "pretraining", rng, bilingual=False), lexicon, grammars)
        for language in languages
        for _ in range(prepare_model.tokenizer_documents)
    ]
    architecture = prepare_model.architecture
    tokenizer = train_tokenizer(balanced, architecture.vocabulary, architecture.context)
    with scratch("prepare_model", "mini", prepare_model, [mini_world_source.FOLDER]) as folder:
        model = pretrain(
            corpus, tokenizer, architecture, prepare_model.optimisation, prepare_model.seed, folder, visible()
        )
    rows = []
    for language in languages:
        documents = [
            teller.document(language, "pretraining", random.Random(f"validation {language} {i}"), bilingual=False)
            for i in range(prepare_model.validation_documents)
        ]
        texts = [
            [*ids, tokenizer.eos_token_id]
            for ids in encode(tokenizer, [render(d, lexicon, grammars) for d in documents])
        ]
        nll = continuation_nll(model, tokenizer, [t[:1] for t in texts], [t[1:] for t in texts], batch=64)
        tokens = sum(len(text) - 1 for text in texts)
        rows.append(
            {
                "language": language,
                "corpus_documents": drawn.count(language),
                "corpus_share": drawn.count(language) / len(drawn),
                "tokens_per_document": tokens / len(texts),
                "loss_per_token": sum(nll) / tokens,
                "entropy_per_token": -sum(teller.document_log_prob(d, "pretraining") for d in documents) / tokens,
            }
        )
    learning = pd.DataFrame(rows)
    with writing(MODEL) as part:
        model.save_pretrained(part, safe_serialization=True)
        tokenizer.save_pretrained(part)
    write_csv(LEARNING, learning)
    excess = (learning["loss_per_token"] - learning["entropy_per_token"]).mean()
    return (
        f"{MODEL}: {model.num_parameters():,} parameters from {len(corpus):,} documents; validation loss "
        f"{learning['loss_per_token'].mean():.3f} nats per token, {excess:.3f} above the entropy of the world"
    )
