"""Makes the base model: pretrains the mini world's, or takes one from a directory or the Hugging Face hub."""

import random
from pathlib import Path
from typing import Annotated, Literal, assert_never

import pandas as pd
from pydantic import BaseModel, Field, field_validator

from tasks.models.adopt import Loading, adopt
from tasks.models.language_model import encode
from tasks.models.likelihood import continuation_nll
from tasks.models.pinned import hub_model
from tasks.models.torch_setup import set_up
from tasks.plumbing.files import write_csv, writing
from tasks.plumbing.progress import progress, visible
from tasks.plumbing.scratch import scratch
from tasks.world import reader as mini_world_source
from tasks.world.document import render
from tasks.world.mini_world import Storyteller, World
from tasks.world.pretraining import Architecture, Optimisation, pretrain, train_tokenizer

MODEL = Path("models/prepare_model")
LEARNING = Path("data/prepare_model/learning.csv")
LEARNING_COLUMNS = [
    "language", "corpus_documents", "corpus_share", "tokens_per_document", "loss_per_token", "entropy_per_token",
]  # fmt: skip


class Mini(BaseModel, frozen=True, extra="forbid"):
    """The mini world's corpus and model."""

    kind: Literal["mini"] = Field(description="mini: pretrain the embedded world's model")
    path: Literal["data/mini_world"] = Field(description="lexicon and grammars; what DVC watches")
    seed: int = Field(description="of corpus, weights and order")
    documents: int = Field(gt=0, description="documents in the pretraining corpus")
    tokenizer_documents: int = Field(gt=0, description="documents per language that the BPE learns from, balanced")
    validation_documents: int = Field(gt=1, description="documents per language for the validation loss")
    architecture: Architecture
    optimisation: Optimisation


class _Elsewhere(Loading, frozen=True, extra="forbid"):
    corpus_share: dict[str, float] = Field(
        description="share of each language in what the model was pretrained on, where published; {}: unknown"
    )

    @field_validator("corpus_share")
    @classmethod
    def _shares(cls, shares: dict[str, float]) -> dict[str, float]:
        for language, share in shares.items():
            if not 0 < share <= 1:
                raise ValueError(f"{language} has {share}: a share lies above 0 and up to 1; leave unknown ones out")
        return shares


class Local(_Elsewhere, frozen=True, extra="forbid"):
    """A model in a directory."""

    kind: Literal["local"] = Field(description="local: a directory as save_pretrained writes it")
    path: Path = Field(description="the directory; what DVC watches")


class Hub(_Elsewhere, frozen=True, extra="forbid"):
    """A model on the Hugging Face hub."""

    kind: Literal["hub"] = Field(
        description="hub: a model of the Hugging Face hub; the only kind that asks the network"
    )
    path: Path = Field(
        description="a file that DVC watches in place of the model, whose bytes `revision` fixes: its preset"
    )
    id: str = Field(pattern=r"^[\w.-]+/[\w.-]+$", description="owner/name")
    revision: str = Field(description="commit, 40 hexadecimal digits; a branch is refused with its commit of now")

    @field_validator("revision")
    @classmethod
    def _known(cls, revision: str) -> str:
        if revision == "REQUIRED":
            raise ValueError(
                "no commit was chosen; `git ls-remote https://huggingface.co/ID HEAD` or the page "
                "https://huggingface.co/ID/commits/main tells it: 40 hexadecimal digits"
            )
        return revision


PrepareModel = Annotated[Mini | Local | Hub, Field(discriminator="kind")]


def run(prepare_model: PrepareModel, mini_world: World) -> str:
    """Writes the model directory, and how well the mini model learned each language."""
    match prepare_model:
        case Mini():
            return _pretrain(prepare_model, mini_world)
        case Local():
            return _adopt(prepare_model, prepare_model.path, str(prepare_model.path), {"kind": "local"})
        case Hub():
            origin = {"kind": "hub", "id": prepare_model.id, "revision": prepare_model.revision}
            source = hub_model(prepare_model.id, prepare_model.revision)
            return _adopt(prepare_model, source, prepare_model.id, origin)
        case _:
            assert_never(prepare_model)


def _adopt(params: Local | Hub, source: Path, name: str, origin: dict[str, str]) -> str:
    """Of a model from elsewhere, only published shares of languages are known; everything else stays empty."""
    loading = Loading.model_validate(params.model_dump(include=set(Loading.model_fields)))
    with writing(MODEL) as part:
        summary = adopt(source, name, loading, part, origin)
    learning = pd.DataFrame({"language": sorted(params.corpus_share)}, columns=LEARNING_COLUMNS)
    learning["corpus_share"] = learning["language"].map(params.corpus_share)
    write_csv(LEARNING, learning)
    return f"{MODEL}: {summary}"


def _pretrain(prepare_model: Mini, mini_world: World) -> str:
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
    learning = pd.DataFrame(rows, columns=LEARNING_COLUMNS)
    with writing(MODEL) as part:
        model.save_pretrained(part, safe_serialization=True)
        tokenizer.save_pretrained(part)
    write_csv(LEARNING, learning)
    excess = (learning["loss_per_token"] - learning["entropy_per_token"]).mean()
    return (
        f"{MODEL}: {model.num_parameters():,} parameters from {len(corpus):,} documents; validation loss "
        f"{learning['loss_per_token'].mean():.3f} nats per token, {excess:.3f} above the entropy of the world"
    )
