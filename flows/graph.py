"""Reads the graph, and what of it is out of date, from DVC. dvc.yaml declares it; nothing here repeats it."""

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import networkx as nx
import yaml
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.repo.reproduce import plan_repro
from dvc.rwlock import RWLockFileCorruptedError
from dvc.stage import PipelineStage

BUSY_SECONDS = 2.0
SORT_SECONDS = 30.0  # DVC holds its lock for 3 s per GB that it stores


@dataclass(frozen=True)
class Node:
    """One stage with its item.

    Attributes:
        name: As DVC addresses it: generate@base.
        description: `desc` of dvc.yaml.
        parents: Stages whose outputs it reads.
        stale: It, or an input that no stage makes, is not as dvc.lock has it; a stage below a stale one may be, too.
        gpu: It gains from a GPU, and shares the device with no other.
        retries: How often it is tried again when it crashes.
    """

    name: str
    description: str
    parents: tuple[str, ...]
    stale: bool
    gpu: bool
    retries: int


class GraphError(ValueError):
    """A pipeline or a target that cannot be read; the message says which and why."""


def read_graph(root: Path, targets: Sequence[str] = (), say: Callable[[str], None] = print) -> list[Node]:
    """The targets (all stages, if none) and what they need, in the order of `dvc repro`.

    Waits while another process runs a stage of the same project, for DVC cannot tell then what is fresh.

    Raises:
        GraphError: if dvc.yaml cannot be read or a target is no stage of it.
    """
    waiting = False
    while True:
        try:
            return _read(root, targets)
        except (LockError, RWLockFileCorruptedError):
            if not waiting:
                say("waiting: another process is running a stage of this project")
                waiting = True
            time.sleep(BUSY_SECONDS)
        except DvcException as error:
            raise GraphError(f"{root / 'dvc.yaml'}: {error}") from error


def _read(root: Path, targets: Sequence[str]) -> list[Node]:
    # DVC addresses stages relative to the current folder, which a copy of the project is not.
    with contextlib.chdir(root), Repo(str(root)) as repo:
        graph = repo.index.graph
        wanted = [stage for target in targets for stage in repo.stage.collect(target)] or None
        order = [stage for stage in plan_repro(graph, wanted) if isinstance(stage, PipelineStage)]
        status = repo.status()  # of all stages: for each target it would read dvc.lock again
        return [
            Node(
                name=stage.addressing,
                description=stage.desc or "",
                parents=tuple(one.addressing for one in graph.successors(stage) if isinstance(one, PipelineStage)),
                stale=stage.addressing in status,
                gpu=bool((stage.meta or {}).get("gpu")),
                retries=int((stage.meta or {}).get("retries", 0)),
            )
            for stage in order
        ]


def check_targets(root: Path, targets: Sequence[str]) -> None:
    """GraphError for a target that is no stage of dvc.yaml; reads no data, so it waits for nobody."""
    try:
        with contextlib.chdir(root), Repo(str(root), config={"core": {"no_scm": True}}) as repo:
            for target in targets:
                repo.stage.collect(target)
    except DvcException as error:
        raise GraphError(f"dvc.yaml: {error}") from error


def unsettled(nodes: Sequence[Node]) -> set[str]:
    """Stages that are stale or below a stale one: DVC must look at them again, in order."""
    graph = nx.DiGraph((parent, node.name) for node in nodes for parent in node.parents)
    stale = {node.name for node in nodes if node.stale}
    return stale.union(*(nx.descendants(graph, name) for name in stale if name in graph))


def repro_order(root: Path) -> list[str]:
    """All stages of dvc.yaml in the order in which `dvc repro` runs, and therefore records, them."""
    with contextlib.chdir(root), Repo(str(root)) as repo:
        return [stage.addressing for stage in plan_repro(repo.index.graph) if isinstance(stage, PipelineStage)]


def sort_lock(root: Path, order: Sequence[str]) -> None:
    """Sorts dvc.lock as an uninterrupted `dvc repro` from nothing writes it, whatever ran or was killed before.

    Parallel stages finish, and are recorded, in any order. Only the order changes, so if another process holds the
    project the file stays as it is; the next run sorts it.
    """
    lock = root / "dvc.lock"
    if not lock.exists() or locked_names(lock) == _ranked(locked_names(lock), order):
        return
    deadline = time.monotonic() + SORT_SECONDS
    while time.monotonic() < deadline:
        # Another DVC process may be writing an entry.
        with contextlib.suppress(LockError), Repo(str(root)) as repo, repo.lock:
            text = lock.read_text(encoding="utf-8")
            part = lock.with_name(f".{lock.name}.part")
            part.write_text(in_order(text, order), encoding="utf-8")
            part.rename(lock)
            return


def in_order(text: str, order: Sequence[str]) -> str:
    """The text of a dvc.lock with the stages in this order; entries of other stages follow, in their own order."""
    # Entries are moved as text: what DVC wrote stays what DVC wrote.
    head, entries = _entries(text)
    return head + "".join(entries[name] for name in _ranked(entries, order))


def _ranked(names: Iterable[str], order: Sequence[str]) -> list[str]:
    rank = {name: index for index, name in enumerate(order)}
    return sorted(names, key=lambda name: rank.get(name, len(rank)))


def _entries(text: str) -> tuple[str, dict[str, str]]:
    """The lines before the first stage, and each stage's lines by name."""
    lines = text.splitlines(keepends=True)
    first = lines.index("stages:\n") + 1 if "stages:\n" in lines else len(lines)
    entries: dict[str, str] = {}
    name = ""
    for line in lines[first:]:
        if line.startswith("  ") and not line.startswith("   "):
            name = str(next(iter(yaml.safe_load(line))))
            entries[name] = ""
        entries[name] += line
    return "".join(lines[:first]), entries


def locked_names(lock: Path) -> list[str]:
    """Names of dvc.lock's stages in their order; empty if there is none."""
    if not lock.exists():
        return []
    return list((yaml.safe_load(lock.read_text(encoding="utf-8")) or {}).get("stages") or {})
