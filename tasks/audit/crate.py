"""Exports a study as a Workflow Run RO-Crate: what ran, on what, and what came of it, for machines that know no DVC.

Profiles: Process Run Crate 0.5, Workflow Run Crate 0.5, Workflow RO-Crate 1.0, on RO-Crate 1.1. The crate holds the
graph, the record, the parameters, the metric files and the report; code, data and models it names by digest only, and
no generated text is in it. It names no person and no machine. Made from the record and the ledger, it is the same each
time that these are.
"""

# Long because one builder makes one crate: its entities refer to each other.
import hashlib
import tomllib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rocrate.model import ComputerLanguage, ContextEntity  # type: ignore[import-untyped]
from rocrate.rocrate import ROCrate  # type: ignore[import-untyped]

from tasks.audit import history
from tasks.audit.chain import is_code
from tasks.audit.results import is_numbers
from tasks.audit.snapshot import (
    NOTES,
    BrokenStudyError,
    LockEntry,
    NotFoundError,
    Snapshot,
    git_text,
    load_yaml,
    overlaps,
)
from tasks.plumbing import digests
from tasks.plumbing.files import writing
from tasks.plumbing.ledger import Execution
from tasks.plumbing.lineage import LOCK, PARAMS, PIPELINE, LockedStage, flatten

METADATA = "ro-crate-metadata.json"
REPORT = "data/report"
README = "README.md"
WRITTEN_BY_HAND = {
    str(PARAMS): "application/yaml",
    str(LOCK): "application/yaml",
    README: "text/markdown",
    "LICENSE": "text/plain",
}
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
WORKFLOW_PROFILE = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
FORMATS = {
    ".json": "application/json",
    ".csv": "text/csv",
    ".html": "text/html",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}


def export(root: Path, target: Path) -> Path:
    """Writes the crate to a folder, or to one file if the target ends in .zip, and returns the target.

    Raises:
        NotFoundError: the study has no dvc.lock, or the target is a folder that holds something else than a crate.
        BrokenStudyError: a file that goes into the crate is not as dvc.lock names it.
    """
    root = root.resolve()
    if target.is_dir() and any(target.iterdir()) and not (target / METADATA).is_file():
        raise NotFoundError(f"{target}: holds something else than a crate; name a new folder")
    crate = _Builder(Snapshot(root)).build()
    with writing(target) as part:
        if target.suffix == ".zip":
            folder = part.with_name(f"{part.name}.zip")  # the library knows a file to zip into by this ending
            crate.write_zip(folder)
            folder.rename(part)
        else:
            crate.write(part)
    return target


class _Builder:
    """Turns one study into one crate."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._root = snapshot.root
        self._notes = history.Notes(snapshot.root)
        self._crate = ROCrate(version="1.1")
        self._crate.metadata.extra_terms.update(TERMS)
        self._params = load_yaml(snapshot.read(str(PARAMS)) or b"{}", str(PARAMS))
        self._license = self._add_license()
        self._known: dict[str, Any] = {}

    def build(self) -> Any:
        """The crate, not yet written."""
        crate, stages = self._crate, self._snapshot.stages
        report = self._params.get("report")
        title = report.get("title") if isinstance(report, dict) else None
        commit = git_text(self._root, "rev-parse", "HEAD")
        crate.name = title or "A study recorded by DVC"
        crate.description = f"{len(stages)} executed stages with their inputs, parameters and results, from {LOCK}."
        # A crate of the same commit is the same; without git it is dated by its record.
        crate.datePublished = git_text(self._root, "log", "-1", "--format=%cI") or self._lock_date()
        if self._license is not None:
            crate.license = self._license
        if commit:
            crate.root_dataset["version"] = commit
        profiles = [self._context(uri, "CreativeWork", name=n, version=v) for uri, (n, v) in PROFILES.items()]
        crate.root_dataset["conformsTo"] = profiles
        workflow = self._add_workflow(commit)
        for path, kind in WRITTEN_BY_HAND.items():
            if (self._root / path).is_file():
                about = {"about": crate.root_dataset} if path == README else {}
                self._known[path] = self._add_file(path, encodingFormat=kind, **about)
        for entry in self._included():
            self._include(entry)
        actions = [self._stage_action(stage) for _, stage in sorted(stages.items())]
        crate.root_dataset["mentions"] = [self._study_action(workflow), *actions]
        return crate

    def _context(self, identity: str, kind: str | list[str], **properties: Any) -> Any:
        return self._crate.add(ContextEntity(self._crate, identity, properties={"@type": kind, **properties}))

    def _lock_date(self) -> str:
        ended = [end for stage in self._snapshot.stages.values() if (end := _times(self._last(stage)).get("endTime"))]
        return max(ended, default="1970-01-01T00:00:00+00:00")

    def _add_license(self) -> Any:
        """The project's licence, which is also that of the data and models that it makes; None if it names none."""
        content = self._snapshot.read("pyproject.toml")
        name = tomllib.loads(content.decode()).get("project", {}).get("license") if content else None
        if not isinstance(name, str):
            return None
        return self._context(f"https://spdx.org/licenses/{name}", "CreativeWork", name=name, identifier=name)

    def _add_workflow(self, commit: str | None) -> Any:
        language = self._crate.add(
            ComputerLanguage(
                self._crate,
                "#dvc",
                properties={"name": "DVC", "alternateName": "Data Version Control", "url": {"@id": "https://dvc.org/"}},
            )
        )
        workflow = self._crate.add_workflow(
            self._root / PIPELINE,
            str(PIPELINE),
            main=True,
            lang=language,
            properties=self._facts(str(PIPELINE)) | {"name": "The study's graph", "encodingFormat": "application/yaml"},
        )
        workflow["conformsTo"] = {"@id": WORKFLOW_PROFILE}
        if commit:
            workflow["version"] = commit
        return workflow

    def _facts(self, path: str) -> dict[str, Any]:
        content = (self._root / path).read_bytes()
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        facts = {
            "contentSize": str(len(content)),
            "identifier": f"md5:{md5}",
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        return facts | ({"license": self._license} if self._license is not None else {})

    def _add_file(self, path: str, **properties: Any) -> Any:
        facts = self._facts(path) | {"name": path, **properties}
        return self._crate.add_file(self._root / path, path, properties=facts)

    def _included(self) -> Iterator[LockEntry]:
        """Outputs that the crate holds: files of numbers, and the report where it redacts texts."""
        report = self._params.get("report")
        shows_texts = not isinstance(report, dict) or report.get("show_text") is not False
        for path, entry in sorted(self._snapshot.outputs.items()):
            if path.startswith(NOTES):
                continue
            if (is_numbers(path) and not entry.md5.endswith(".dir")) or (path == REPORT and not shows_texts):
                yield entry

    def _include(self, entry: LockEntry) -> None:
        path = self._root / entry.path
        found = digests.digest(path) if path.exists() else "missing"
        if found != entry.md5:
            raise BrokenStudyError(f"{entry.path}: recorded as {entry.md5}, found {found}; see `polydetox verify`")
        names = [entry.path] if path.is_file() else [f"{entry.path}/{name}" for name in digests.listing(path)]
        files = [self._add_file(name, **_format(name)) for name in names]
        if path.is_file():
            self._known[entry.path] = files[0]
        else:
            facts = {"name": entry.path, "identifier": f"md5:{entry.md5}", "hasPart": _one(files)}
            self._known[entry.path] = self._crate.add_dataset(dest_path=entry.path, properties=facts)

    def _artefact(self, entry: LockEntry) -> Any:
        """The entity of a file or folder: in the crate, or named by digest."""
        if entry.path not in self._known:
            code = is_code(entry.path) and entry.path in self._snapshot.sources
            facts: dict[str, Any] = {"name": entry.path, "identifier": f"md5:{entry.md5}"}
            if code:
                facts["version"] = entry.md5
                if files := self._snapshot.listing(entry):
                    facts["hasPart"] = _one([self._module(f"{entry.path}/{name}", md5) for name, md5 in files.items()])
            if entry.size is not None:
                facts["contentSize"] = str(entry.size)
            if self._license is not None:
                facts["license"] = self._license
            kind = "SoftwareSourceCode" if code else "CreativeWork"
            self._known[entry.path] = self._context(f"#artefact/{entry.path}", kind, **facts)
        return self._known[entry.path]

    def _module(self, path: str, md5: str) -> Any:
        """A file of a package, named by digest."""
        if path not in self._known:
            facts = {"name": path, "identifier": f"md5:{md5}", "version": md5}
            self._known[path] = self._context(f"#artefact/{path}", "SoftwareSourceCode", **facts)
        return self._known[path]

    def _stage_action(self, stage: LockedStage) -> Any:
        entries = [entry for entry in self._snapshot.entries if entry.stage == stage.name]
        code = [self._artefact(one) for one in entries if is_code(one.path) and one.path in self._snapshot.sources]
        read = [one for one in entries if not one.is_output and self._artefact(one) not in code]
        tool = self._context(
            f"#stage/{stage.name}",
            "SoftwareApplication",
            name=stage.name,
            description=stage.command,
            hasPart=_one(code),
        )
        return self._action(
            f"#execution/{stage.key}/{stage.name}",
            stage.name,
            tool,
            [*(self._artefact(one) for one in read), *self._values(stage.params)],
            [self._artefact(one) for one in entries if one.is_output],
            _times(self._last(stage)),
        )

    def _values(self, params: dict[str, Any]) -> list[Any]:
        values = []
        for key, value in flatten(params).items() if params else ():
            identity = f"#param/{key}"
            if identity not in self._known:
                self._known[identity] = self._context(identity, "PropertyValue", name=key, value=_plain(value))
            values.append(self._known[identity])
        return values

    def _study_action(self, workflow: Any) -> Any:
        """The run of the whole graph, from what no stage makes to what no other stage reads."""
        used = {entry.path for entry in self._snapshot.entries if not entry.is_output}
        first = [entry for path, entry in sorted(self._snapshot.sources.items()) if not is_code(path)]
        last = [
            entry
            for path, entry in sorted(self._snapshot.outputs.items())
            if not path.startswith(NOTES) and (is_numbers(path) or not any(overlaps(path, one) for one in used))
        ]
        read = [self._known[name] for name in (str(PARAMS),) if name in self._known]
        read += [self._artefact(entry) for entry in first]
        made = [self._artefact(entry) for entry in last]
        workflow["input"] = _one([self._formal("input", one) for one in read])
        workflow["output"] = _one([self._formal("output", one) for one in made])
        times = [_times(self._last(stage)) for stage in self._snapshot.stages.values()]
        known = {}
        if times and all(times):  # a run of which a part is unknown began and ended nobody knows when
            known = {"startTime": min(t["startTime"] for t in times), "endTime": max(t["endTime"] for t in times)}
        return self._action("#run", "The study", workflow, read, made, known)

    def _formal(self, kind: str, example: Any) -> Any:
        one = self._crate.add_formal_parameter(
            name=example["name"],
            additionalType="Dataset"
            if example.type == "Dataset"
            else "File"
            if example.type == "File"
            else "CreativeWork",
            identifier=f"#{kind}/{example['name']}",
            valueRequired=kind == "input",
        )
        example["exampleOfWork"] = one
        return one

    def _action(
        self, identity: str, name: str, tool: Any, read: list[Any], made: list[Any], times: dict[str, str]
    ) -> Any:
        facts = {
            "name": name,
            "description": f"Execution of {name}",
            "actionStatus": "http://schema.org/CompletedActionStatus",
            **times,
        }
        return self._crate.add_action(tool, identity, _one(read), _one(made), facts)

    def _last(self, stage: LockedStage) -> Execution | None:
        return next(reversed(self._notes.executions(stage.key)), None)


def _one(values: list[Any]) -> Any:
    """A list as RO-Crate wants it: a single value by itself."""
    return values[0] if len(values) == 1 else values


def _times(execution: Execution | None) -> dict[str, str]:
    """Start and end of an execution in ISO 8601; nothing if no note of it was kept."""
    if execution is None:
        return {}
    start = datetime.fromisoformat(execution.started)
    end = start + timedelta(seconds=execution.seconds)
    return {"startTime": start.isoformat(timespec="seconds"), "endTime": end.isoformat(timespec="seconds")}


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else str(value)


def _format(path: str) -> dict[str, str]:
    suffix = Path(path).suffix
    return {"encodingFormat": FORMATS[suffix]} if suffix in FORMATS else {}
