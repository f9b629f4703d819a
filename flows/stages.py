"""Brings stages up to date: one Prefect task run per stage, each a `dvc repro --single-item`."""

import contextlib
import re
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture, wait
from prefect.runtime import flow_run, task_run
from prefect.states import Completed
from prefect.tasks import Task

from flows import children
from flows.graph import Node, repro_order, sort_lock, unsettled
from flows.runners import workers
from tasks.plumbing import device_lock, ledger, lineage, params, project
from tasks.plumbing.execution import EXPERIMENT, FLOW_RUN
from tasks.plumbing.params import DEVICE_VARIABLE
from tasks.plumbing.progress import VARIABLE as PROGRESS

CACHED, RESTORED, EXECUTED = "Cached", "Restored", "Executed"
RETRY_DELAYS = [10.0, 60.0, 300.0]  # seconds; a rate limit or a network is back after some minutes, or not at all
BUSY_SECONDS = 2.0
BAR = re.compile(r"^(?P<what>[^|]*?):?\s*(?P<percent>\d{1,3})%\|")
NOISE = (  # DVC's advice after each stage
    "Updating lock file",
    "Use `dvc push`",
    "To track the changes with git",
    "git add",
    "To enable auto staging",
    "dvc config core.autostage",
)
# One model stage at a time and as many others as there are cores: stages that wait for another process's turn in
# python -m tasks would hold memory here. Workers of Dask and Ray have their own.
_device: dict[tuple[str, int], threading.BoundedSemaphore] = {}
_any = threading.BoundedSemaphore(workers())


class StageError(RuntimeError):
    """A stage that failed; `status` is the exit status of its command, None if DVC itself failed."""

    def __init__(self, message: str, status: int | None) -> None:
        super().__init__(message)
        self.status = status


class Stopped(RuntimeError):
    """A stage that was stopped with its run."""


def bring_up_to_date(
    root: Path, nodes: Sequence[Node], *, force: bool = False, device: str | None = None, experiment: str | None = None
) -> dict[str, str]:
    """Runs what is not up to date, in parallel where the graph allows, and says what became of each stage.

    A stage that fails keeps only those below it from running. Called inside a flow.

    Args:
        root: Folder of the project, or of a copy of it.
        nodes: Stages in the order of `dvc repro`.
        force: Run all of them, fresh or not.
        device: auto, cpu or cuda; None for what params.yaml says.
        experiment: Name of the DVC experiment, if this is one.

    Returns:
        Name of the final Prefect state by stage: Cached, Restored (from DVC's run cache), Executed, Failed, NotReady.
    """
    started = datetime.now(UTC)
    run_id = str(flow_run.id)
    # A run that was cancelled and is tried again keeps its id; the STOP of the first attempt is not for the second.
    folder = project.root() / ledger.FOLDER / "running" / f"{run_id}-{flow_run.run_count}"
    order = repro_order(root)
    todo = {node.name for node in nodes} if force else unsettled(nodes)
    more = {FLOW_RUN: run_id, PROGRESS: "1", project.ROOT_VARIABLE: str(project.root())}
    if device:
        more[DEVICE_VARIABLE] = device
    if experiment:
        more[EXPERIMENT] = experiment
    runtime = params.read(root / "params.yaml")["runtime"]
    shared = device_lock.device_name(device or runtime["device"])
    count = device_lock.slots(shared, runtime)
    _device.setdefault((shared, count), threading.BoundedSemaphore(count))
    futures: dict[str, PrefectFuture[Any]] = {}
    try:
        for node in nodes:
            job = _task(node).submit(
                name=node.name,
                root=str(root),
                folder=str(folder),
                env=more,
                todo=node.name in todo,
                force=force,
                device=(shared, count) if node.gpu else None,
                wait_for=[futures[parent] for parent in node.parents if parent in futures],
            )
            futures[node.name] = job
        wait(list(futures.values()))
    except BaseException:  # a cancelled run: whatever Prefect raises, no child may go on
        children.stop(folder)
        raise
    finally:
        sort_lock(root, order)
        with contextlib.suppress(OSError):  # it was never made, or has the STOP that a late worker must see
            folder.rmdir()
    outcomes = {name: str(future.state.name) for name, future in futures.items()}
    _note(outcomes, root, started, experiment)
    return outcomes


def _task(node: Node) -> Task[Any, Any]:
    return task(
        name=node.name.partition("@")[0],
        task_run_name=node.name,
        description=node.description,
        tags=["gpu"] if node.gpu else None,
        retries=node.retries,
        retry_condition_fn=_crashed,
        cache_policy=NO_CACHE,  # the one cache is DVC's
        persist_result=False,
    )(_stage)


def _crashed(task_: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether to try again: not after a stop, a wrong parameter (1), a wrong call (2), or the time limit (124)."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, StageError) and error.status not in (None, 1, 2, 124)


def _stage(
    name: str, root: str, folder: str, env: dict[str, str], todo: bool, force: bool, device: tuple[str, int] | None
) -> State[None]:
    if not todo:
        return Completed(name=CACHED, message="dvc.lock has this stage as its inputs, code and parameters are now")
    if tried := int(task_run.run_count) - 1:
        _pause(RETRY_DELAYS[min(tried, len(RETRY_DELAYS)) - 1], Path(folder))
    if device is None:
        with _any:
            return _repro(name, Path(root), Path(folder), env, force)
    with _device.setdefault(device, threading.BoundedSemaphore(device[1])), _any:  # a worker elsewhere has none yet
        return _repro(name, Path(root), Path(folder), env, force)


def _pause(seconds: float, folder: Path) -> None:
    """Waits before another attempt; Prefect's own delay would hold a cancelled run until it is over."""
    get_run_logger().info(f"trying again in {seconds:g} seconds")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not children.stopping(folder):
        time.sleep(0.3)


def _repro(name: str, root: Path, folder: Path, env: dict[str, str], force: bool) -> State[None]:
    logger = get_run_logger()
    bar = _Bar(name)
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", name]
    if force:
        command.append("--force")
    told = False
    while True:
        lines: list[str] = []

        def read(line: str, lines: list[str] = lines) -> None:
            lines.append(line)
            if (match := BAR.match(line)) is not None:
                bar.show(match["what"], int(match["percent"]))
            elif not line.startswith(NOISE):
                logger.info(line)

        status = children.run(command, root, children.environment(**env), folder, read)
        if status is None:
            raise Stopped(f"{name}: stopped with its run")
        if status == 0:
            return _outcome(lines)
        if not any("it is being blocked by" in line for line in lines):
            raise _failure(name, lines)
        if not told:
            logger.info("waiting: another process runs this stage, or one beside it that it reads from")
            told = True
        time.sleep(BUSY_SECONDS)


def _outcome(lines: Sequence[str]) -> State[None]:
    if any("didn't change, skipping" in line for line in lines):
        return Completed(name=CACHED, message="its inputs came out as they were")
    if any("is cached - skipping run" in line for line in lines):
        return Completed(name=RESTORED, message="DVC had kept the outputs of an equal run")
    return Completed(name=EXECUTED)


def _failure(name: str, lines: Sequence[str]) -> StageError:
    found = re.search(r"exited with (-?\d+)", "\n".join(lines))
    status = int(found[1]) if found else None
    said = [line for line in lines if not line.startswith((*NOISE, "> ", "Running stage")) and not BAR.match(line)]
    return StageError(f"{name}: " + "\n".join(said[-8:]), status)


class _Bar:
    """A progress artifact, made when there is something to show, and renewed not too often."""

    EVERY_SECONDS = 2.0

    def __init__(self, name: str) -> None:
        self._name, self._last = name, 0.0
        self._id: Any = None

    def show(self, what: str, percent: int) -> None:
        now = time.monotonic()
        if now - self._last < self.EVERY_SECONDS and percent < 100:
            return
        self._last = now
        description = f"{self._name} {what}".strip()
        if self._id is None:
            key = re.sub(r"[^a-z0-9]+", "-", self._name.lower()).strip("-")
            self._id = create_progress_artifact(progress=percent, key=f"progress-{key}", description=description)
        else:
            update_progress_artifact(self._id, progress=percent, description=description)


def _note(outcomes: dict[str, str], root: Path, started: datetime, experiment: str | None) -> None:
    locked = lineage.locked_stages(root / "dvc.lock")
    ledger.note_flow_run(
        ledger.FlowRun(
            id=str(flow_run.id),
            name=str(flow_run.name),
            flow=str(flow_run.flow_name),
            url=flow_run.ui_url,
            started=started.isoformat(timespec="seconds"),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            experiment=experiment,
            keys={name: locked[name].key for name in outcomes if name in locked},
            outcomes=outcomes,
        )
    )
