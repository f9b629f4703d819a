"""What ran when, how long, on what: notes beside dvc.lock, which says what came of it.

Nothing here identifies a result; deleting the folder loses run times and the way to the runs in Prefect, no more.
It lies under .polydetox/ in the project's own folder and git ignores it.
"""

import json
from pathlib import Path

from pydantic import BaseModel, Field

from tasks.plumbing import project
from tasks.plumbing.files import writing

FOLDER = Path(".polydetox")


class Execution(BaseModel, frozen=True):
    """One execution of one stage, written by the stage itself."""

    key: str = Field(description="LockedStage.key of what was executed")
    stage: str = Field(description="with its item: generate@base")
    started: str = Field(description="UTC, ISO 8601")
    seconds: float = Field(description="wall time, waiting for the device not included")
    peak_memory_mib: float = Field(description="largest resident set of the process")
    peak_gpu_memory_mib: float | None = Field(description="largest allocation on the GPU; null without one")
    device: str = Field(description="name of the GPU, or cpu")
    cpu_threads: int | None = Field(default=None, description="of torch; null for a stage that did not load it")
    versions: dict[str, str] = Field(description="python and the libraries that compute")
    git_commit: str
    git_diff: str | None = Field(description="digest of the uncommitted changes; null for none")
    flow_run: str | None = Field(description="id of the Prefect flow run; null for plain dvc")
    experiment: str | None = Field(description="name of the DVC experiment; null in the workspace")


class FlowRun(BaseModel, frozen=True):
    """One run of a flow over the graph, written by the flow."""

    id: str
    name: str
    flow: str
    url: str | None = Field(description="of its page in the Prefect UI; null for a run without a server")
    started: str
    finished: str
    experiment: str | None
    keys: dict[str, str] = Field(description="stage with item -> LockedStage.key")
    outcomes: dict[str, str] = Field(description="stage with item -> Executed, Restored, Cached, Failed, ...")


def note_execution(execution: Execution) -> None:
    """Keeps the note; a later execution with the same key stands beside it."""
    stamp = execution.started.replace(":", "")
    _write(f"executions/{execution.key}-{stamp}.json", execution)


def note_flow_run(run: FlowRun) -> None:
    """Keeps the note."""
    _write(f"flow_runs/{run.id}.json", run)


def executions(key: str) -> list[Execution]:
    """Executions with this key, oldest first."""
    paths = (project.root() / FOLDER / "executions").glob(f"{key}-*.json")
    found = [Execution.model_validate_json(path.read_text(encoding="utf-8")) for path in paths]
    return sorted(found, key=lambda execution: execution.started)


def flow_runs() -> list[FlowRun]:
    """All flow runs, oldest first."""
    paths = (project.root() / FOLDER / "flow_runs").glob("*.json")
    found = [FlowRun.model_validate_json(path.read_text(encoding="utf-8")) for path in paths]
    return sorted(found, key=lambda run: run.started)


def _write(name: str, note: BaseModel) -> None:
    with writing(project.root() / FOLDER / name) as part:
        part.write_text(json.dumps(note.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
