"""From a result back to everything that it was made from: the answer to `polydetox why`; account.py has its form."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

import networkx as nx
import yaml

from tasks.audit import history, mirror, targets
from tasks.audit.account import (
    Alteration,
    Artefact,
    BaseModelOrigin,
    Chain,
    Code,
    Commit,
    Input,
    MirrorRun,
    Source,
    Stage,
)
from tasks.audit.snapshot import BrokenStudyError, LockEntry, Snapshot, changed_values, load_yaml, overlaps, param
from tasks.plumbing import digests, progress, tracking
from tasks.plumbing.lineage import PARAMS, LockedStage, flatten

__all__ = ["Chain", "chain", "stage_graph"]

CODE = {".py", ".j2", ".sh"}
CODE_FOLDER = "tasks"
MODEL_STAGE = "prepare_model"


def chain(root: Path, target: str, rev: str | None = None) -> Chain:
    """The whole story of a result, in the workspace of a project or in a git revision.

    In the workspace every file of the story is read again and compared with the record.

    Raises:
        NotFoundError: no such result, key, row, column or revision; the message names the nearest.
        BrokenStudyError: dvc.lock cannot be read.
    """
    root = root.resolve()
    snapshot = Snapshot(root, rev)
    wanted = targets.parse(root, target)
    targets.check_known(snapshot, wanted)
    made_by = snapshot.producers(wanted.path)
    graph = stage_graph(snapshot)
    names = set(made_by).union(*(nx.ancestors(graph, name) for name in made_by))
    order = [name for name in nx.lexicographical_topological_sort(graph) if name in names]
    notes: list[str] = []
    found_runs, note = _mirror_runs(root, [snapshot.stages[name] for name in order])
    notes += note
    outs = {entry.path: entry.md5 for entry in snapshot.outputs.values() if entry.stage in names}
    since = history.committed(root, snapshot.commit, outs)
    kept = history.Notes(root)
    stages = [_stage(snapshot, name, since, kept, found_runs) for name in order]
    if kept.unreadable:
        notes.append(f"{kept.unreadable} notes of executions cannot be read and are left out")
    sources = _sources(snapshot, [entry for entry in snapshot.entries if entry.stage in names])
    altered = [] if rev else _alterations(snapshot, wanted.path, names)
    return Chain(
        target=target,
        path=wanted.path,
        value=_value(snapshot, wanted, altered),
        md5=snapshot.locked_md5(wanted.path),
        rev=rev,
        made_by=made_by,
        committed=_commit(snapshot, wanted.path, made_by, since),
        stages=stages,
        sources=sources,
        base_model=_base_model(stages),
        altered=altered,
        notes=notes,
    )


def stage_graph(snapshot: Snapshot) -> "nx.DiGraph[str]":
    """Executed stages; an edge leads from a stage to each that read what it made."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(snapshot.stages)
    for entry in snapshot.entries:
        if not entry.is_output:
            graph.add_edges_from(
                (maker, entry.stage) for maker in snapshot.producers(entry.path) if maker != entry.stage
            )
    return graph


def is_code(path: str) -> bool:
    """Whether a file or folder that no stage makes is a program or a template, not data."""
    return PurePosixPath(path).parts[0] == CODE_FOLDER or PurePosixPath(path).suffix in CODE


def _value(snapshot: Snapshot, wanted: targets.Target, altered: list[Alteration]) -> Any:
    lost = any(one.found == "missing" and overlaps(one.path, wanted.path) for one in altered)
    return None if lost else targets.value(snapshot, wanted)


def _commit(snapshot: Snapshot, path: str, made_by: list[str], since: dict[str, Commit]) -> Commit | None:
    """The commit since which all outputs that the target is, lies in, or contains are recorded as they are."""
    if not made_by:
        return history.last_change(snapshot.root, snapshot.commit, path)
    commits = [since.get(out) for out in snapshot.outputs if overlaps(out, path)]
    known = [commit for commit in commits if commit is not None]
    return max(known, key=lambda commit: commit.date) if known and len(known) == len(commits) else None


def _stage(
    snapshot: Snapshot,
    name: str,
    since: dict[str, Commit],
    kept: history.Notes,
    found_runs: dict[str, mirror.MirrorRun],
) -> Stage:
    locked = snapshot.stages[name]
    entries = [entry for entry in snapshot.entries if entry.stage == name]
    read = [entry for entry in entries if not entry.is_output]
    outputs = [entry for entry in entries if entry.is_output]
    commits = [since[entry.path] for entry in outputs if entry.path in since]
    fresh = kept.found_fresh(locked)
    run = found_runs.get(locked.key)
    code = [entry for entry in read if entry.path in snapshot.sources and is_code(entry.path)]
    return Stage(
        name=name,
        key=locked.key,
        command=locked.command,
        params=flatten(locked.params) if locked.params else {},
        code=[Code(**_artefact(entry).model_dump(), files=snapshot.listing(entry)) for entry in code],
        inputs=[
            Input(**_artefact(entry).model_dump(), made_by=snapshot.producers(entry.path))
            for entry in read
            if entry not in code
        ],
        outputs=[_artefact(entry) for entry in outputs],
        scorer=_scorer(snapshot, outputs),
        committed=max(commits, key=lambda commit: commit.date) if commits and len(commits) == len(outputs) else None,
        executions=kept.told(locked.key),
        found_fresh=len(fresh),
        last_found_fresh=fresh[-1] if fresh else None,
        mirror_run=MirrorRun(id=run.run_id, name=run.name, experiment=tracking.EXPERIMENT) if run else None,
    )


def _artefact(entry: LockEntry) -> Artefact:
    return Artefact(path=entry.path, md5=entry.md5, size=entry.size)


def _scorer(snapshot: Snapshot, outputs: list[LockEntry]) -> dict[str, str] | None:
    for entry in outputs:
        content = snapshot.read(f"{entry.path}/scorer.json") if entry.md5.endswith(".dir") else None
        try:
            card = json.loads(content) if content else None
        except ValueError:  # altered: the list of alterations says so
            card = None
        if isinstance(card, dict) and "id" in card:
            return {key: str(card[key]) for key in ("id", "revision") if key in card}
    return None


def _sources(snapshot: Snapshot, entries: list[LockEntry]) -> list[Source]:
    unmade = {entry.path: entry for entry in entries if entry.path in snapshot.sources and not is_code(entry.path)}
    return [
        Source(
            **_artefact(entry).model_dump(),
            files=snapshot.listing(entry),
            recorded=_recorded_origins(snapshot, entry),
        )
        for _, entry in sorted(unmade.items())
    ]


def _recorded_origins(snapshot: Snapshot, entry: LockEntry) -> list[str]:
    """What `dvc import`, `dvc import-url` and `dvc add` wrote about these bytes beside them."""
    origins = []
    for file in sorted({*snapshot.root.glob("*.dvc"), *(snapshot.root / "data").rglob("*.dvc")}):
        if not file.is_file():
            continue
        name = file.relative_to(snapshot.root).as_posix()
        try:
            loaded = yaml.safe_load(snapshot.read(name) or b"") or {}
        except yaml.YAMLError:  # then it records nothing
            continue
        if entry.md5 not in {str(out.get("md5")) for out in loaded.get("outs") or []}:
            continue
        for dep in loaded.get("deps") or [{}]:
            repository = dep.get("repo") or {}
            parts = [repository.get("url"), dep.get("path"), repository.get("rev_lock") or repository.get("rev")]
            origins.append(" ".join([f"{name}:", *(str(part) for part in parts if part)]).rstrip(":"))
    return origins


def _base_model(stages: list[Stage]) -> BaseModelOrigin | None:
    for stage in stages:
        section = {key.removeprefix(f"{MODEL_STAGE}."): value for key, value in stage.params.items()}
        if stage.name == MODEL_STAGE and "kind" in section:
            hub = next((section[key] for key in ("id", "model", "repository", "name") if key in section), None)
            revision = section.get("revision")
            return BaseModelOrigin(
                stage=stage.name,
                kind=str(section["kind"]),
                id=None if hub is None else str(hub),
                revision=None if revision is None else str(revision),
            )
    return None


def _mirror_runs(root: Path, stages: list[LockedStage]) -> tuple[dict[str, mirror.MirrorRun], list[str]]:
    """Runs by key, and a note where they cannot be named."""
    try:
        store = mirror.open_mirror(root)
        found = {stage.key: run for stage in stages if store and (run := store.find(stage))}
    except mirror.MirrorError as error:
        return {}, [f"{error}; runs are not named"]
    return found, []


def _alterations(snapshot: Snapshot, path: str, names: set[str]) -> list[Alteration]:
    """What the record of the chain names and the disk has otherwise."""
    entries = {entry.path: entry for entry in snapshot.entries if entry.stage in names and not entry.is_output}
    entries |= {out: entry for out, entry in snapshot.outputs.items() if entry.stage in names and overlaps(out, path)}
    owner = snapshot.owner(path)
    if owner is not None:
        entries[owner.path] = owner
    altered = []
    for entry in progress.progress([entries[name] for name in sorted(entries)], "reading the chain again"):
        file = snapshot.root / entry.path
        found = digests.digest(file) if file.exists() else "missing"
        if found != entry.md5:
            altered += _differing(snapshot, entry, found)
    return altered + altered_params(snapshot, names)


def _differing(snapshot: Snapshot, entry: LockEntry, found: str) -> list[Alteration]:
    """The files of a package that differ; the entry itself for data, or if the recorded files are unknown."""
    recorded = snapshot.listing(entry) if is_code(entry.path) else None
    if recorded is None or found == "missing":
        return [Alteration(path=entry.path, expected=entry.md5, found=found)]
    return [
        Alteration(path=f"{entry.path}/{name}", expected=was or "no such file", found=now or "missing")
        for name, was, now in differing_files(recorded, digests.listing(snapshot.root / entry.path))
    ]


def differing_files(before: dict[str, str], after: dict[str, str]) -> list[tuple[str, str | None, str | None]]:
    """Files of two listings that differ, sorted by name, with both digests; None where a file is absent."""
    names = sorted({*before, *after})
    return [(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]


def altered_params(snapshot: Snapshot, names: set[str]) -> list[Alteration]:
    """Values of params.yaml that are not those with which these stages ran."""
    content = snapshot.read(str(PARAMS)) or b"{}"
    try:
        values = load_yaml(content, str(PARAMS))
    except BrokenStudyError as error:
        return [Alteration(path=str(PARAMS), expected="valid YAML", found=str(error))]
    recorded = {key: value for name in sorted(names) for key, value in snapshot.stages[name].params.items()}
    return [
        Alteration(path=f"{PARAMS}: {key}", expected=str(before), found=str(now))
        for section, locked in recorded.items()
        for key, before, now in changed_values(locked, param(values, section), section)
    ]
