"""Reads dvc.lock, the one record of what made what."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

LOCK = Path("dvc.lock")


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


def flatten(value: Any, prefix: str = "", separator: str = ".") -> dict[str, Any]:
    """Nested dictionaries as one, keys joined; lists stay values."""
    if not isinstance(value, dict):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= flatten(inner, f"{prefix}{separator}{key}" if prefix else str(key), separator)
    return flat
