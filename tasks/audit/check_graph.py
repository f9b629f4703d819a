"""Compares dvc.yaml and params.yaml, as DVC itself resolves them, with dvc.lock."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.audit.findings import Verification
from tasks.audit.snapshot import changed_values, param
from tasks.plumbing import digests
from tasks.plumbing.lineage import PARAMS, PIPELINE, LockedStage


def check(root: Path, locked: Mapping[str, LockedStage], found: Verification) -> set[str]:
    """Command, deps, params and outs of every stage; the names of the stages that dvc.yaml has.

    Entries of stages that dvc.yaml no longer has are a note: DVC keeps them.
    """
    from dvc.dependency import ParamsDependency  # noqa: PLC0415  # only verify needs DVC in its process
    from dvc.exceptions import DvcException  # noqa: PLC0415
    from dvc.repo import Repo  # noqa: PLC0415

    try:
        # Only the graph is read: a study that was unpacked without its history has one as well.
        with Repo(str(root), config={"core": {"no_scm": True}}) as repo:
            stages = {stage.addressing: stage for stage in repo.index.stages}
    except (DvcException, ValueError, TypeError) as error:  # a template over a broken value raises the latter two
        advice = f"`git restore {PIPELINE} {PARAMS} dvc.lock`, or correct the file that it names"
        found.add(
            "graph",
            str(PIPELINE),
            "a graph that DVC can read",
            f"{type(error).__name__}: {error}".replace(str(root), "."),
            advice,
        )
        return set(locked)
    names = set()
    for name, stage in sorted(stages.items()):
        if stage.is_data_source or name.endswith(".dvc"):
            _check_pinned(root, name, stage, found)
            continue
        names.add(name)
        if name not in locked:
            found.compare("graph", f"dvc.lock: {name}", "an entry", None, f"`dvc repro {name}`")
            continue
        entry = locked[name]
        advice = f"`dvc repro {name}` if the change is meant, else `git restore {PIPELINE} dvc.lock`"
        found.compare("graph", f"{PIPELINE}: {name}: cmd", entry.command, stage.cmd, advice)
        for kind, recorded, now in (
            ("deps", entry.deps, {dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)}),
            ("outs", entry.outs, {out.def_path for out in stage.outs}),
        ):
            for path in sorted({*recorded, *now}):
                was, has = (path if path in one else None for one in (recorded, now))
                found.compare("graph", f"{PIPELINE}: {name}: {kind}", was, has, advice)
        _check_params(name, entry, [dep for dep in stage.deps if isinstance(dep, ParamsDependency)], found)
    left = sorted(set(locked) - names)
    if left:
        found.notes.append(f"dvc.lock: {PIPELINE} no longer has {', '.join(left)}; DVC keeps such entries")
    return names


def _check_params(name: str, entry: LockedStage, dependencies: list[Any], found: Verification) -> None:
    from dvc.exceptions import DvcException  # noqa: PLC0415

    for dependency in dependencies:
        file = dependency.def_path
        recorded = entry.params if file == str(PARAMS) else dict(dependency.hash_info.value or {})
        try:
            values = dependency.read_params(flatten=False)
        except DvcException as error:
            found.add("param", file, "readable parameters", error, f"`git restore {file}`")
            continue
        for key in sorted({*recorded, *dependency.params}):
            found.checked += 1
            now = param(values, key) if key in dependency.params else None
            for dotted, was, has in changed_values(recorded.get(key), now, key):
                advice = f"`dvc repro {name}` if the change is meant, else `git restore {file}`"
                found.add("param", f"{file}: {dotted} ({name})", was, has, advice)


def _check_pinned(root: Path, name: str, stage: Any, found: Verification) -> None:
    """A *.dvc file, which pins data that no stage makes."""
    for out in stage.outs:
        path = Path(out.fs_path)
        now = digests.digest(path) if path.exists() else "missing"
        shown = path.relative_to(root).as_posix() if path.is_relative_to(root) else out.def_path
        recorded = out.hash_info.value if out.hash_info else None
        found.compare("file", f"{shown} ({name})", recorded, now, f"`dvc checkout {name}`")
