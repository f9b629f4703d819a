"""Other values for params.yaml, as a person types them: train_dpo.recipe.beta=0.5."""

import difflib
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML

from tasks.plumbing import lineage, params


class OverrideError(ValueError):
    """An override that names no parameter, or cannot be read; the message says which and what would do."""


def parse(text: str) -> tuple[str, Any]:
    """KEY=VALUE, the value as YAML; OverrideError if it is not of that form."""
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise OverrideError(f"override {text!r}: expected KEY=VALUE, such as train_dpo.recipe.beta=0.5")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise OverrideError(f"override {text!r}: the value is not valid YAML: {error}") from error


def render(value: Any) -> str:
    """A value as YAML on one line, as KEY=VALUE has it."""
    text = yaml.safe_dump(value, default_flow_style=True, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")


def apply(path: Path, overrides: Sequence[str]) -> None:
    """Writes the overrides into a params.yaml, keeping its comments.

    Other seeds of train_dpo bring their policies with them, since those are derived from the seeds.

    Raises:
        OverrideError: for a key that the file does not have, or one of `runtime`, which changes no result.
    """
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096
    document = editor.load(path)
    for text in overrides:
        key, value = parse(text)
        if key.partition(".")[0] == "runtime":
            raise OverrideError(f"override {key}: runtime says how to run, not what; edit params.yaml")
        known = lineage.flatten(params.read(path)) | {name: None for name in _inner(params.read(path))}
        if key not in known:
            near = difflib.get_close_matches(key, list(known), n=1, cutoff=0.0)[0]
            raise OverrideError(f"override {key}: params.yaml has no such key; did you mean {near}?")
        *parents, last = key.split(".")
        section = document
        for part in parents:
            section = section[part]
        section[last] = value
        if key == "train_dpo.seeds" and isinstance(value, list):  # if not, the check of the types says so
            document["policies"] = params.expected_policies(value) | _from_elsewhere(document["policies"])
    editor.dump(document, path)


def name_of(overrides: Sequence[str]) -> str:
    """Name of the experiment that these overrides make: the last part of each key with its value, and a digest."""
    words = [f"{key.rpartition('.')[2]}-{value}" for key, value in map(parse, overrides)]
    slug = re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")[:40].strip("-")
    digest = hashlib.sha256("\n".join(sorted(overrides)).encode()).hexdigest()[:6]
    return f"{slug}-{digest}"


def _from_elsewhere(policies: dict[str, Any]) -> dict[str, Any]:
    """Those policies that no seed makes."""
    return {name: path for name, path in policies.items() if path == f"models/{name}"}


def _inner(values: dict[str, Any], prefix: str = "") -> list[str]:
    """Keys of sections within sections."""
    found = []
    for key, value in values.items():
        if isinstance(value, dict):
            found += [f"{prefix}{key}", *_inner(value, f"{prefix}{key}.")]
    return found
