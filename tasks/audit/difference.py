"""Which results differ between two moments of a study, and the fewest inputs that explain it.

A document of `polydetox diff --json` is one Difference. An explanation starts at a changed result's stage and walks
back only through inputs that changed; what it meets on the way and no stage makes (params, code, commands, sources) is
the explanation. Nothing else that changed between the two moments is named.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from tasks.audit.chain import altered_params, differing_files, is_code
from tasks.audit.check_files import stale_sources
from tasks.audit.results import Value, changed_numbers, is_numbers
from tasks.audit.snapshot import NOTES, BrokenStudyError, Snapshot, changed_values, overlaps
from tasks.audit.tree import plain
from tasks.plumbing.lineage import LockedStage

__all__ = ["Cause", "Difference", "Group", "Result", "Value", "difference", "lines"]

_Key = str  # a Cause as JSON: values of params may be lists, which no set takes
WORKSPACE = "workspace"
MOST_VALUES = 20  # of one result in the printed list; --json has all


class Cause(BaseModel, frozen=True):
    """One changed input."""

    kind: Literal["param", "code", "command", "source", "stage", "not reproducible"]
    where: str = Field(description="dotted key, path, or stage")
    before: Any = Field(description="value or digest; null if it was not there")
    after: Any


class Result(BaseModel, frozen=True):
    """A result that differs."""

    path: str
    stage: str
    before: str | None = Field(description="digest; null if it was not there")
    after: str | None
    values: list[Value] = Field(description="of a JSON file by key, of a CSV table by row and column; else empty")


class Group(BaseModel, frozen=True):
    """Results that the same inputs explain."""

    causes: list[Cause]
    results: list[Result]


class Difference(BaseModel, frozen=True):
    """Everything that differs between two moments."""

    version: int = 1
    rev1: str
    rev2: str
    groups: list[Group] = Field(description="empty if no result differs")
    notes: list[str]


def difference(root: Path, rev1: str = "HEAD", rev2: str = WORKSPACE) -> Difference:
    """Compares two commits, branches, tags or experiments of a project, or its workspace.

    Results are metric files and the outputs that no stage uses further. What counts is dvc.lock: an edit in the
    workspace that no `dvc repro` has followed changes no result yet; a note names it.

    Raises:
        NotFoundError: no such revision, or no dvc.lock in it.
        BrokenStudyError: dvc.lock cannot be read.
    """
    root = root.resolve()
    before, after = (Snapshot(root, None if rev == WORKSPACE else rev) for rev in (rev1, rev2))
    walk = _Walk(before, after)
    groups: dict[frozenset[_Key], list[Result]] = {}
    for result in _results(before, after):
        groups.setdefault(frozenset(walk.causes(result.stage)), []).append(result)
    return Difference(
        rev1=rev1,
        rev2=rev2,
        groups=[Group(causes=_ordered(causes), results=results) for causes, results in groups.items()],
        notes=[note for snapshot in (before, after) for note in _not_reproduced(snapshot)],
    )


def lines(found: Difference) -> Iterator[str]:
    """The difference for a reader, a few dozen lines at most per result."""
    if not found.groups:
        yield f"no result differs between {found.rev1} and {found.rev2}"
    for group in found.groups:
        yield "because of" if group.causes else "for no recorded reason"
        for cause in group.causes:
            yield f"  {cause.kind} {cause.where}: {_shown(cause.before)} -> {_shown(cause.after)}"
        for result in group.results:
            yield f"    {result.path} ({result.stage}): {_shown(result.before)} -> {_shown(result.after)}"
            for value in result.values[:MOST_VALUES]:
                by = "" if value.change is None else f" ({value.change:+.6g})"
                yield f"      {value.where}: {_shown(value.before)} -> {_shown(value.after)}{by}"
            if len(result.values) > MOST_VALUES:
                yield f"      and {len(result.values) - MOST_VALUES} more of {len(result.values)}; --json has all"
    yield from (f"note: {note}" for note in found.notes)


def _shown(value: Any) -> str:
    return "nothing" if value is None else plain(value)


def _ordered(causes: frozenset["_Key"]) -> list[Cause]:
    found = [Cause.model_validate_json(cause) for cause in causes]
    return sorted(found, key=lambda cause: (cause.kind, cause.where))


class _Walk:
    """Walks back from stages through what changed; each stage is explained once."""

    def __init__(self, before: Snapshot, after: Snapshot) -> None:
        self._before, self._after = before, after
        self._known: dict[str, set[_Key]] = {}

    def causes(self, name: str) -> set[_Key]:
        if name not in self._known:
            self._known[name] = set()  # dvc.yaml has no cycles; a lock edited by hand must not hang us
            self._known[name] = self._explain(name)
        return self._known[name]

    def _explain(self, name: str) -> set[_Key]:
        old, new = self._before.stages.get(name), self._after.stages.get(name)
        if old is None or new is None:
            return {_cause("stage", name, old and old.command, new and new.command)}
        found = set()
        if old.command != new.command:
            found.add(_cause("command", name, old.command, new.command))
        for section in sorted({*old.params, *new.params}):
            was, now = old.params.get(section), new.params.get(section)
            if was is None or now is None:  # a section that only one of them read is one change, not one per key
                found.add(_cause("param", section, was, now))
            else:
                found |= {_cause("param", *one) for one in changed_values(was, now, section)}
        for path in _changed(old.deps, new.deps):
            makers = self._changed_makers(path)
            if makers:
                found |= set().union(*(self.causes(maker) for maker in makers))
            elif is_code(path):
                found |= self._code(path, old.deps.get(path), new.deps.get(path))
            else:
                found.add(_cause("source", path, old.deps.get(path), new.deps.get(path)))
        if not found and old.outs != new.outs:
            first = _changed(old.outs, new.outs)[0]
            found.add(_cause("not reproducible", name, old.outs.get(first), new.outs.get(first)))
        return found

    def _code(self, path: str, before: str | None, after: str | None) -> set[_Key]:
        """The files of a package that differ; the path itself if it is a file or its files are unknown."""
        old, new = (
            next((snapshot.listing(one) for one in snapshot.entries if (one.path, one.md5) == (path, md5)), None)
            for snapshot, md5 in ((self._before, before), (self._after, after))
        )
        if old is None or new is None:
            return {_cause("code", path, before, after)}
        return {_cause("code", f"{path}/{name}", was, now) for name, was, now in differing_files(old, new)}

    def _changed_makers(self, path: str) -> list[str]:
        """Stages that made what changed at a path."""
        makers = sorted({*self._before.producers(path), *self._after.producers(path)})
        return [maker for maker in makers if _outputs_differ(self._before, self._after, maker, path)]


def _cause(kind: str, where: str, before: Any, after: Any) -> _Key:
    return Cause.model_validate({"kind": kind, "where": where, "before": before, "after": after}).model_dump_json()


def _changed(old: dict[str, str], new: dict[str, str]) -> list[str]:
    return sorted(path for path in {*old, *new} if old.get(path) != new.get(path))


def _outputs_differ(before: Snapshot, after: Snapshot, maker: str, path: str) -> bool:
    old, new = (_outs(snapshot.stages.get(maker)) for snapshot in (before, after))
    return any(overlaps(out, path) for out in _changed(old, new))


def _outs(stage: LockedStage | None) -> dict[str, str]:
    return {} if stage is None else stage.outs


def _results(before: Snapshot, after: Snapshot) -> Iterator[Result]:
    """Metric files and final outputs that differ, by path."""
    used = {
        entry.path
        for snapshot in (before, after)
        for entry in snapshot.entries
        # A stage without outputs only shows or sends what others made.
        if not entry.is_output and snapshot.stages[entry.stage].outs
    }
    for path in sorted({*before.outputs, *after.outputs}):
        old, new = before.outputs.get(path), after.outputs.get(path)
        entry = new or old
        if entry is None or path.startswith(NOTES) or (old and new and old.md5 == new.md5):
            continue
        if is_numbers(path) or not any(overlaps(path, one) for one in used):
            yield Result(
                path=path,
                stage=entry.stage,
                before=old.md5 if old else None,
                after=new.md5 if new else None,
                values=changed_numbers(path, before, after) if is_numbers(path) else [],
            )


def _not_reproduced(snapshot: Snapshot) -> Iterator[str]:
    """Edits of code, sources and params in the workspace that the lock does not know yet."""
    if snapshot.commit is not None:
        return
    try:
        names = [*stale_sources(snapshot), *(one.path for one in altered_params(snapshot, set(snapshot.stages)))]
    except BrokenStudyError as error:
        names = [str(error)]
    if names:
        yield f"edited since the last `dvc repro`, without effect yet: {', '.join(names)}"
