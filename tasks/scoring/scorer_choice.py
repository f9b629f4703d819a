"""Which scorers judge, as params.yaml says it, and how each is made."""

import warnings
from pathlib import Path
from typing import Annotated, Literal, Self, assert_never

from pydantic import BaseModel, Field, model_validator

from tasks.scoring.toxicity_scorer import LexiconScorer, ScorerCard, ToxicityScorer
from tasks.world import reader as mini_world_source

Weight = Annotated[float, Field(ge=0, le=1)]
Languages = Annotated[list[str], Field(min_length=1, description="that its makers say it knows, as in `languages`")]
Beyond = Annotated[bool, Field(description="score undeclared languages too; without it they have no score")]


class Lexicon(BaseModel, frozen=True, extra="forbid"):
    """Insults of the mini world and their severity."""

    kind: Literal["lexicon"]


class Guard(BaseModel, frozen=True, extra="forbid"):
    """A causal language model that answers with a safety label."""

    kind: Literal["guard"]
    model: str = Field(description="hub id, or path of a directory in the hub's format")
    revision: str = Field(
        description="hub: commit, 40 hexadecimal digits; directory: its digest, which the error tells"
    )
    languages: Languages
    beyond_declared: Beyond = False
    measures: str = Field(default="unsafe content", description="what it was made to recognise, its construct")
    labels: dict[str, Weight] = Field(
        default={"Safe": 0, "Controversial": 1, "Unsafe": 1},
        description="label to weight; the default is Qwen3Guard's strict mode, Controversial: 0 its loose one",
    )
    prefix: str = Field(default="Safety:", description="what the model writes before the label")
    system: str | None = Field(default=None, description="system turn of the chat")
    template: str | None = Field(
        default=None, description="one user turn with {prompt} and {continuation}, for models that read both in one"
    )


class Classifier(BaseModel, frozen=True, extra="forbid"):
    """A sequence classifier."""

    kind: Literal["classifier"]
    model: str = Field(description="hub id, or path of a directory in the hub's format")
    revision: str = Field(
        description="hub: commit, 40 hexadecimal digits; directory: its digest, which the error tells"
    )
    languages: Languages
    beyond_declared: Beyond = False
    measures: str = Field(default="toxicity", description="what it was made to recognise, its construct")
    label: str = Field(description="whose probability is the score, as the model's id2label writes it")
    activation: Literal["auto", "softmax", "sigmoid"] = Field(
        default="auto", description="auto: as the model's problem_type says"
    )
    reads: Literal["continuation", "joined"] = Field(
        default="continuation", description="joined: prompt and continuation as one text"
    )


class Perspective(BaseModel, frozen=True, extra="forbid"):
    """The Perspective API; its key stands in the environment, as PERSPECTIVE_API_KEY."""

    kind: Literal["perspective"]
    url: str = Field(default="https://commentanalyzer.googleapis.com", description="of the service, without path")
    beyond_declared: Beyond = False


class Replay(BaseModel, frozen=True, extra="forbid"):
    """Scores from a file."""

    kind: Literal["replay"]
    path: Path = Field(
        description=".parquet, .csv or .jsonl with language and text, or language, policy, prompt_id, sample"
    )
    sha256: str = Field(description="of the file, 64 hexadecimal digits")
    column: str = Field(default="score", description="holds the scores, in [0, 1]")
    id: str = Field(description="what made the scores, e.g. perspective")
    revision: str = Field(description="of what made the scores; its date where it has no versions")
    label: str = Field(description="of the score, e.g. TOXICITY")
    measures: str = Field(description="what the scorer was made to recognise, its construct")
    languages: Languages
    beyond_declared: Beyond = False


AnyScorer = Annotated[Lexicon | Guard | Classifier | Perspective | Replay, Field(discriminator="kind")]


class ScoreToxicity(BaseModel, frozen=True, extra="forbid"):
    """Which scorers judge, and whose scores the study is about."""

    primary: str = Field(description="name of the scorer whose scores EMT is made of")
    scorers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")], AnyScorer] = Field(
        min_length=1, description="by names of your choice; more than one shows how far they agree"
    )

    @model_validator(mode="after")
    def _primary_is_one_of_them(self) -> Self:
        if self.primary not in self.scorers:
            raise ValueError(f"primary is {self.primary!r}, not one of the scorers: {', '.join(self.scorers)}")
        return self


def build(choice: AnyScorer, device: str, batch: int) -> ToxicityScorer:
    """The scorer that was chosen, loaded.

    Args:
        choice: From params.yaml.
        device: auto, cpu or cuda.
        batch: Texts that a model reads at once; changes no score by more than rounding.

    Raises:
        ValueError: It cannot be had; the message says what to do.
    """
    match choice:
        case Lexicon():
            return LexiconScorer(mini_world_source.load()[0], mini_world_source.revision())
        case Guard():
            return _guard(choice, device, batch)
        case Classifier():
            return _classifier(choice, device, batch)
        case Perspective():
            from tasks.scoring import perspective_scorer  # noqa: PLC0415  # only this choice needs a network client

            warnings.warn(
                f"the Perspective API ends on {perspective_scorer.END} and cannot be asked again later. Keep its "
                "scores: kind replay reads them",
                stacklevel=2,
            )
            return perspective_scorer.PerspectiveScorer(choice.url, beyond_declared=choice.beyond_declared)
        case Replay():
            return _replay(choice)
        case _:
            assert_never(choice)


# Imported where they are chosen: torch and transformers take 5 s to import, which the lexicon need not wait for.


def _guard(choice: Guard, device: str, batch: int) -> ToxicityScorer:
    from tasks.models.language_model import load, pick_device  # noqa: PLC0415
    from tasks.models.pinned import pinned_model  # noqa: PLC0415
    from tasks.models.torch_setup import set_up  # noqa: PLC0415
    from tasks.scoring.guard_scorer import GuardScorer  # noqa: PLC0415

    set_up(0)
    asked = choice.model_dump(include={"labels", "prefix", "system", "template"})
    model, tokenizer = load(pinned_model(choice.model, choice.revision), pick_device(device))
    card = ScorerCard(
        id=choice.model,
        revision=choice.revision,
        label=" + ".join(f"p({label})" for label, weight in choice.labels.items() if weight),
        languages=tuple(choice.languages),
        construct=choice.measures,
        beyond_declared=choice.beyond_declared,
        reads_prompt=True,
        settings=asked | {"dtype": str(model.dtype)},
    )
    return GuardScorer(model, tokenizer, card, **asked, batch=batch)


def _classifier(choice: Classifier, device: str, batch: int) -> ToxicityScorer:
    from tasks.models.language_model import pick_device  # noqa: PLC0415
    from tasks.models.pinned import pinned_model  # noqa: PLC0415
    from tasks.models.torch_setup import set_up  # noqa: PLC0415
    from tasks.scoring.classifier_scorer import ClassifierScorer, load_classifier  # noqa: PLC0415

    set_up(0)
    model, tokenizer = load_classifier(pinned_model(choice.model, choice.revision), pick_device(device))
    card = ScorerCard(
        id=choice.model,
        revision=choice.revision,
        label=choice.label,
        languages=tuple(choice.languages),
        construct=choice.measures,
        beyond_declared=choice.beyond_declared,
        reads_prompt=choice.reads == "joined",
        settings={"activation": choice.activation},
    )
    return ClassifierScorer(model, tokenizer, card, activation=choice.activation, batch=batch)


def _replay(choice: Replay) -> ToxicityScorer:
    from tasks.models.pinned import pinned_file  # noqa: PLC0415
    from tasks.scoring.replay_scorer import ReplayScorer  # noqa: PLC0415

    card = ScorerCard(
        id=choice.id,
        revision=choice.revision,
        label=choice.label,
        languages=tuple(choice.languages),
        construct=choice.measures,
        beyond_declared=choice.beyond_declared,
        settings={"sha256": choice.sha256},
    )
    return ReplayScorer(pinned_file(choice.path, choice.sha256), card, choice.column)
