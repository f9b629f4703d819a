"""Puts a preset's sections into params.yaml: `python tools/preset.py bloom-1b7 --revision COMMIT`.

A section of the preset replaces that of params.yaml as it is written, comments included; all else keeps its bytes. New
seeds bring their policies with them.
"""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from flows import overrides  # after the project's root is on the path
from tasks.plumbing import lineage

PRESETS = Path("presets")
PARAMS = Path("params.yaml")
COMMIT = re.compile(r"[0-9a-f]{40}")
PLACEHOLDER = "revision: REQUIRED"


class PresetError(ValueError):
    """A preset that cannot be applied; the message names it and what to do."""


def apply(name: str, revision: str | None) -> list[str]:
    """Writes params.yaml and tells what changed, one line per value.

    Raises:
        PresetError: There is no such preset, or it lacks the commit of its model.
    """
    source = PRESETS / f"{name}.yaml"
    if not source.exists():
        raise PresetError(f"no preset {name!r}; there are {', '.join(sorted(p.stem for p in PRESETS.glob('*.yaml')))}")
    text = source.read_text(encoding="utf-8")
    if PLACEHOLDER in text:
        model = yaml.safe_load(text)["prepare_model"]["id"]
        if revision is None or not COMMIT.fullmatch(revision):
            raise PresetError(
                f"{name} needs the commit of {model}, 40 hexadecimal digits: "
                f"`git ls-remote https://huggingface.co/{model} HEAD` tells it; then give it as REVISION"
            )
        text = re.sub(rf"{PLACEHOLDER}( *#.*)?", f"revision: {revision}", text)
    before = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    edited = PARAMS.read_text(encoding="utf-8")
    for section in yaml.safe_load(text):
        edited = replaced(edited, section, _block(text, section))
    PARAMS.write_text(edited, encoding="utf-8")
    seeds = yaml.safe_load(edited)["train_dpo"]["seeds"]
    if seeds != before["train_dpo"]["seeds"]:
        overrides.apply(PARAMS, [f"train_dpo.seeds={overrides.render(seeds)}"])
    return changes(before, yaml.safe_load(PARAMS.read_text(encoding="utf-8")))


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
    """Exit status: 0 applied, 1 not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="one of presets/*.yaml")
    parser.add_argument("--revision", default=None, help="commit of the model on the hub")
    chosen = parser.parse_args()
    try:
        print("\n".join(apply(chosen.name, chosen.revision or None)))
    except PresetError as error:
        print(f"preset: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
