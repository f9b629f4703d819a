"""What docs/data.md offers to paste is accepted."""

import re
from typing import Any

import pytest
import yaml

from tasks.plumbing.params import section
from tasks.prepare_labelled import PrepareLabelled
from tasks.prepare_pairs import PreparePairs
from tasks.prepare_parallel import PrepareParallel
from tasks.prepare_prompts import PreparePrompts
from tests.published_data import ROOT

KINDS: dict[str, Any] = {
    "prepare_labelled": PrepareLabelled,
    "prepare_pairs": PreparePairs,
    "prepare_prompts": PreparePrompts,
    "prepare_parallel": PrepareParallel,
}
TEXT = (ROOT / "docs/data.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
SECTIONS = [(name, block) for block in BLOCKS for name in block if name in KINDS]


def test_there_are_blocks_for_every_stage() -> None:
    """The check below loops over them."""
    assert {name for name, _ in SECTIONS} == set(KINDS) and len(SECTIONS) >= 5


@pytest.mark.parametrize(("name", "block"), SECTIONS, ids=lambda value: str(value)[:60])
def test_a_block_is_valid(name: str, block: dict[str, Any]) -> None:
    """Every key and value passes the stage's type, and the raw data lies where git ignores it."""
    assert str(section(block, name, KINDS[name]).path).startswith("data/raw/")


def test_every_kind_is_documented() -> None:
    """By its name, as code."""
    for stage, kind in KINDS.items():
        for member in kind.__origin__.__args__:
            (tag,) = member.model_fields["kind"].annotation.__args__
            assert tag == "mini" or f"`{tag}`" in TEXT, f"{stage}: {tag}"
