"""Puts presets' sections into params.yaml: `python tools/preset.py bloom-1b7 data/paper --revision main`.

A section of a preset replaces that of params.yaml as it is written, comments included; all else keeps its bytes. New
seeds bring their policies with them. Where a preset leaves a commit open, the hub is asked what the branch is now, and
that is written down: from then on the study names the same bytes.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import HfApi

sys.path.insert(0, str(Path(__file__).parents[1]))

from flows import overrides  # after the project's root is on the path
from tasks.plumbing import lineage

PRESETS = Path("presets")
PARAMS = Path("params.yaml")
COMMIT = re.compile(r"[0-9a-f]{40}")
OPEN = "REQUIRED"  # revision of a model that the preset leaves open


class PresetError(ValueError):
    """A preset that cannot be applied; the message names it and what to do."""


def apply(name: str, revision: str) -> list[str]:
    """Writes params.yaml and tells what changed, one line per value.

    Args:
        name: Of a preset, its path below presets/ without .yaml.
        revision: Commit or branch of the base model; without it, and for other models, the commit that params.yaml
            has for that model already, else that of the branch main.

    Raises:
        PresetError: There is no such preset, or the commit of one of its models cannot be found.
    """
    source = PRESETS / f"{name}.yaml"
    if not source.exists():
        names = sorted(path.relative_to(PRESETS).with_suffix("").as_posix() for path in PRESETS.rglob("*.yaml"))
        raise PresetError(f"no preset {name!r}; there are {', '.join(names)}")
    text = source.read_text(encoding="utf-8")
    before = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    pinned = dict(_models(before))
    base = yaml.safe_load(text).get("prepare_model", {}).get("id")
    for model, found in _models(yaml.safe_load(text)):
        if found == OPEN or (revision and model == base):
            wanted = revision if model == base else ""
            known = "" if wanted else pinned.get(model, "")
            chosen = known if COMMIT.fullmatch(known) else commit(model, wanted or "main")
            text = re.sub(rf"revision: {re.escape(found)}( *#.*)?", f"revision: {chosen}", text, count=1)
    edited = PARAMS.read_text(encoding="utf-8")
    for section in yaml.safe_load(text):
        edited = replaced(edited, section, _block(text, section))
    PARAMS.write_text(edited, encoding="utf-8")
    seeds = yaml.safe_load(edited)["train_dpo"]["seeds"]
    if seeds != before["train_dpo"]["seeds"]:
        overrides.apply(PARAMS, [f"train_dpo.seeds={overrides.render(seeds)}"])
    return changes(before, yaml.safe_load(PARAMS.read_text(encoding="utf-8")))


def commit(model: str, revision: str) -> str:
    """A commit as it is; of a branch or tag, the commit that the hub has it at now.

    Raises:
        PresetError: The hub does not tell.
    """
    if COMMIT.fullmatch(revision):
        return revision
    try:
        found = HfApi().model_info(model, revision=revision).sha
    except Exception as error:  # whatever the hub or the network raises
        raise PresetError(
            f"the hub does not tell what {revision!r} of {model} is ({type(error).__name__}). Where there is a "
            f"network: `git ls-remote https://huggingface.co/{model} HEAD`, then write those 40 hexadecimal digits "
            "into the preset, as revision; of the base model they can be given as REVISION"
        ) from error
    if not found:
        raise PresetError(f"the hub has no commit for {revision!r} of {model}")
    return found


def _models(values: Any) -> list[tuple[str, str]]:
    """Models and their revisions, in the order of the file."""
    if not isinstance(values, dict):
        return []
    found = [pair for inner in values.values() for pair in _models(inner)]
    name = values.get("id", values.get("model"))
    return [(name, str(values["revision"]))] if name and "revision" in values else found


def replaced(text: str, section: str, block: str) -> str:
    """The text of params.yaml with another text for one of its sections."""
    old = _block(text, section)
    return text.replace(old, block, 1)


def _block(text: str, section: str) -> str:
    """A section's lines, from its name to its last value; what stands before the next section is not part of it."""
    found = re.search(rf"^{re.escape(section)}:.*\n(?:[ \t]+.*\n|\n(?=[ \t]))*", text, re.MULTILINE)
    if found is None:
        raise PresetError(f"no section {section!r} in params.yaml")
    return found.group()


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Values that are new, gone or different, by their dotted names."""
    old, new = lineage.flatten(before), lineage.flatten(after)
    lines = []
    for key in sorted({*old, *new}):
        if key not in new:
            lines.append(f"- {key}: {old[key]}")
        elif key not in old:
            lines.append(f"+ {key}: {new[key]}")
        elif old[key] != new[key]:
            lines.append(f"  {key}: {old[key]} -> {new[key]}")
    return lines


def main() -> int:
    """Exit status: 0 applied, 1 not; then params.yaml is as it was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME", help="of presets/NAME.yaml; the last one wins")
    parser.add_argument("--revision", default="", help="commit or branch of the base model")
    chosen = parser.parse_args()
    before = PARAMS.read_bytes()
    try:
        for name in chosen.names:
            print("\n".join([f"presets/{name}.yaml:", *apply(name, chosen.revision)]))
    except PresetError as error:
        PARAMS.write_bytes(before)
        print(f"preset: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
