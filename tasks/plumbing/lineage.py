"""Reads dvc.yaml and dvc.lock: what should be made of what, and the one record of what was."""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from tasks.plumbing.digests import digest

LOCK = Path("dvc.lock")
PIPELINE = Path("dvc.yaml")
PARAMS = Path("params.yaml")
_TEMPLATE = re.compile(r"\$\{([\w.]+)\}")


@dataclass(frozen=True)
class LockedStage:
    """One executed stage: its command, its parameters, and the digests of what it read and made."""

    name: str
    command: str
    deps: dict[str, str]
    params: dict[str, Any]
    outs: dict[str, str]

    @cached_property
    def key(self) -> str:
        """Digest of command, inputs and parameters: equal keys, equal results."""
        identity = json.dumps([self.command, self.deps, self.params], sort_keys=True)
        return hashlib.sha256(identity.encode()).hexdigest()[:16]

    @property
    def stage(self) -> str:
        """Name without its item: generate@base -> generate."""
        return self.name.partition("@")[0]


def locked_stages(lock: Path = LOCK) -> dict[str, LockedStage]:
    """Executed stages by name, sorted; empty if nothing was ever executed.

    Entries of stages that dvc.yaml no longer has are DVC's to remove; callers that care compare with dvc.yaml.
    """
    if not lock.exists():
        return {}
    loaded = yaml.safe_load(lock.read_text(encoding="utf-8"))

    def digests(entries: list[dict[str, Any]] | None) -> dict[str, str]:
        return {entry["path"]: str(entry["md5"]) for entry in entries or []}

    return {
        name: LockedStage(
            name,
            entry["cmd"],
            digests(entry.get("deps")),
            (entry.get("params") or {}).get("params.yaml", {}),
            digests(entry.get("outs")),
        )
        for name, entry in sorted(loaded["stages"].items())
    }


def execution_meta(stage: str) -> dict[str, Any]:
    """How dvc.yaml says a stage is to be executed (gpu, minutes, retries); no part of its identity."""
    entry = yaml.safe_load(PIPELINE.read_text(encoding="utf-8"))["stages"][stage]
    return dict((entry.get("do") or entry).get("meta", {}))


def declared(name: str) -> dict[str, Any]:
    """A stage's entry of dvc.yaml in the current folder, its item filled in; KeyError if there is none."""
    stage, _, item = name.partition("@")
    entry = yaml.safe_load(PIPELINE.read_text(encoding="utf-8"))["stages"][stage]
    values = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    own: dict[str, str] = {}
    if "do" in entry:
        items = _items(entry, Path())
        own = {"key": item, "item": str(items[item])} if isinstance(items, dict) else {"item": item}

    def fill(value: Any) -> Any:
        if isinstance(value, list):
            return [fill(one) for one in value]
        if isinstance(value, str):
            return _TEMPLATE.sub(lambda found: own.get(found[1]) or str(_value(values, found[1])), value)
        return value

    return {key: fill(value) for key, value in entry.get("do", entry).items()}


def current_stages(root: Path = Path()) -> dict[str, LockedStage]:
    """Executed stages that dvc.yaml still has: DVC keeps the entries of a seed that was taken out of params.yaml."""
    entries = yaml.safe_load((root / PIPELINE).read_text(encoding="utf-8"))["stages"]
    names = set()
    for stage, entry in entries.items():
        names |= {f"{stage}@{item}" for item in _items(entry, root)} if "do" in entry else {stage}
    return {name: stage for name, stage in locked_stages(root / LOCK).items() if name in names}


def _items(entry: dict[str, Any], root: Path) -> Any:
    """What a stage's foreach names; only what this project uses of DVC's templates: a key of params.yaml."""
    values = yaml.safe_load((root / PARAMS).read_text(encoding="utf-8"))
    return _value(values, entry["foreach"].strip("${} "))


def _value(values: Any, name: str) -> Any:
    for part in name.split("."):
        values = values[part]
    return values


def expected_key(name: str) -> str:
    """Key that dvc.lock will give a stage when it ends, from what lies on disk now.

    What other stages made is taken from dvc.lock, not read again: a model may be large.
    """
    entry = declared(name)
    made = {path: md5 for stage in locked_stages().values() for path, md5 in stage.outs.items()}
    values = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    tracked = {key: _value(values, key) for key in entry.get("params", [])}
    deps = {path: made[path] if path in made else digest(Path(path)) for path in entry.get("deps", [])}
    return LockedStage(name, entry["cmd"], deps, tracked, {}).key


def study_key(stages: dict[str, LockedStage]) -> str:
    """Digest of the keys and outputs of all stages but the mirror, which is no part of what it mirrors."""
    parts = [[name, one.key, one.outs] for name, one in sorted(stages.items()) if one.stage != "mirror_mlflow"]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def flatten(value: Any, prefix: str = "", separator: str = ".") -> dict[str, Any]:
    """Nested dictionaries as one, keys joined; lists stay values."""
    if not isinstance(value, dict):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= flatten(inner, f"{prefix}{separator}{key}" if prefix else str(key), separator)
    return flat
