"""What `polydetox why` has to tell, as values: the stable schema of its --json output.

A document is one Chain. Its version grows when a field is renamed or removed; fields may be added. Digests are those of
dvc.lock: MD5 in hexadecimal, of a folder the MD5 of its listing with the suffix .dir. Times are ISO 8601.
"""

from typing import Any

from pydantic import BaseModel, Field


class Artefact(BaseModel, frozen=True):
    """A file or folder with the digest that the record gives it."""

    path: str
    md5: str
    size: int | None = Field(description="bytes; null where the record does not say")


class Code(Artefact, frozen=True):
    """A module, template or package that a stage depends on."""

    files: dict[str, str] | None = Field(
        default=None, description="MD5 by relative name of a package's files; null for a file or an unknown package"
    )


class Input(Artefact, frozen=True):
    """What a stage read."""

    made_by: list[str] = Field(description="stages of which it is an output, or around whose outputs it is a folder")


class Source(Artefact, frozen=True):
    """What the study starts from: read by a stage, made by none, not code."""

    files: dict[str, str] | None = Field(description="MD5 by relative name; null for a file or an unknown folder")
    recorded: list[str] = Field(
        description="origins that a *.dvc file gives for these bytes; empty for hand-written ones"
    )


class Commit(BaseModel, frozen=True):
    """A commit of the project's repository."""

    id: str
    date: str
    subject: str


class Execution(BaseModel, frozen=True):
    """One execution of a stage with this command, these inputs and these parameters."""

    started: str
    seconds: float
    device: str
    git_commit: str
    experiment: str | None
    flow_run: str | None = Field(description="name of the flow run, else its id; null for plain dvc")
    flow_run_url: str | None


class MirrorRun(BaseModel, frozen=True):
    """A run of the MLflow mirror."""

    id: str
    name: str
    experiment: str


class Stage(BaseModel, frozen=True):
    """An executed stage of the chain."""

    name: str = Field(description="with its item: generate@base")
    key: str = Field(description="digest of command, inputs and parameters")
    command: str
    params: dict[str, Any] = Field(description="dotted keys")
    code: list[Code]
    inputs: list[Input]
    outputs: list[Artefact]
    scorer: dict[str, str] | None = Field(description="id and revision of the classifier, for a stage that scores")
    committed: Commit | None = Field(description="oldest commit since which the lock has these outputs; null for none")
    executions: list[Execution] = Field(description="oldest first; empty where no note was kept")
    found_fresh: int = Field(description="flow runs that found the stage up to date")
    last_found_fresh: str | None
    mirror_run: MirrorRun | None


class BaseModelOrigin(BaseModel, frozen=True):
    """Where the model came from that everything else was made with."""

    stage: str
    kind: str = Field(description="mini: pretrained by the pipeline; hub: downloaded")
    id: str | None = Field(description="on the hub; null for a model that the pipeline pretrains")
    revision: str | None


class Alteration(BaseModel, frozen=True):
    """A file or folder of the chain that no longer has the digest of the record."""

    path: str
    expected: str
    found: str = Field(description="digest on disk, or missing")


class Chain(BaseModel, frozen=True):
    """A result and everything that it was made from."""

    version: int = 1
    target: str = Field(description="as asked for")
    path: str
    value: Any = Field(description="of the key or cell; null for a bare file or folder")
    md5: str | None = Field(description="of the target's file or folder in the record")
    rev: str | None = Field(description="git revision that was read; null for the workspace")
    made_by: list[str] = Field(description="stages; empty for a source")
    committed: Commit | None = Field(description="oldest commit since which the record has these bytes; null for none")
    stages: list[Stage] = Field(description="what is made before what uses it; the target's last")
    sources: list[Source]
    base_model: BaseModelOrigin | None
    altered: list[Alteration]
    notes: list[str]

    def stage(self, name: str) -> Stage:
        """The stage with this name; KeyError if the chain has none."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)
