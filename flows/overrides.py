"""Other values for params.yaml, as a person types them: train_dpo.recipe.beta=0.5."""

import difflib
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

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
    # In a list, for there a comma must be quoted, as it must where the value comes to stand in {a: 1, b: 2}.
    text = yaml.safe_dump([value], default_flow_style=True, width=float("inf"), allow_unicode=True).strip()
    if len(text.splitlines()) > 1:  # double quotes have an escape for every kind of line end
        text = yaml.safe_dump([value], default_flow_style=True, width=float("inf"), default_style='"').strip()
    return text.removeprefix("[").removesuffix("]")


def apply(path: Path, overrides: Sequence[str]) -> None:
    """Writes the overrides into a params.yaml; all else keeps its bytes, comments included.

    Other seeds of train_dpo bring their policies with them, since those are derived from the seeds.

    Raises:
        OverrideError: for a key that the file does not have, or one of `runtime`, which changes no result.
    """
    text = path.read_text(encoding="utf-8")
    for override in overrides:
        key, value = parse(override)
        if key.partition(".")[0] == "runtime":
            raise OverrideError(f"override {key}: runtime says how to run, not what; edit params.yaml")
        text = _replaced(text, key, value)
        if key == "train_dpo.seeds":
            if not isinstance(value, list):
                raise OverrideError(f"override {key}: expected a list, such as [1, 2], found {value!r}")
            policies = yaml.safe_load(text)["policies"]
            text = _replaced(text, "policies", params.expected_policies(value) | _from_elsewhere(policies))
    path.write_text(text, encoding="utf-8")


def _replaced(text: str, key: str, value: Any) -> str:
    """The text of params.yaml with another value for a key, every other byte as it was."""
    *parents, last = key.split(".")
    expected = yaml.safe_load(text)
    section: Any = expected
    for part in parents:
        section = section.get(part) if isinstance(section, dict) else None
    if not isinstance(section, dict) or last not in section:
        known = [*lineage.flatten(expected), *_inner(expected)]
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
        raise OverrideError(f"override {key}: params.yaml has no such key; did you mean {near}?")
    section[last] = value
    node: Any = yaml.compose(text)
    for part in key.split("."):
        [node] = [inner for name, inner in node.value if name.value == part]
    before, after = text[: node.start_mark.index], text[_end(node) :]
    edited = f"{before}{' ' if before.endswith(':') else ''}{render(value)}{after}"
    if yaml.safe_load(edited) != expected:
        raise OverrideError(f"override {key}: params.yaml writes this value in a way that cannot be replaced; edit it")
    return edited


def _end(node: yaml.Node) -> int:
    """Where the text of a value ends: that of an indented block with its last value, not at the next key."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


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
