"""docs/architecture.md names files and functions that exist, and every package with what it may import."""

import ast
import re
from pathlib import Path

import pytest

from tests.test_architecture import SUBJECTS

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
FOLDERS = "tasks|flows|tests|tools|docs|metrics|data"
PLACE = re.compile(rf"`((?:{FOLDERS})/[\w./]*|[\w.]+\.(?:yaml|lock|md|toml))(?::(\w+))?`")
PLACES = sorted(set(PLACE.findall(TEXT)))
# Outputs of stages exist only after a study.
MADE = re.compile(r"data/(?!mini_world)")


def defined(path: Path) -> set[str]:
    """Names that a module defines at its top level."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def test_the_page_names_many_places() -> None:
    """The check below loops over them."""
    assert len(PLACES) >= 40
    assert len([name for _, name in PLACES if name]) >= 20


@pytest.mark.parametrize(("path", "name"), PLACES, ids=":".join)
def test_a_place_exists(path: str, name: str) -> None:
    """A file that was moved, or a function that was renamed, makes the page wrong."""
    if MADE.match(path):
        stage = path.split("/")[1]
        assert (ROOT / "tasks" / f"{stage}.py").exists()
    elif "STAGE" not in path:
        assert (ROOT / path).exists()
        assert not name or name in defined(ROOT / path), f"{path} defines no {name}"


def test_the_table_of_packages_is_that_of_the_imports() -> None:
    """One row per package, with the packages that it may import."""
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.*)\|$", TEXT, re.MULTILINE)
    told = {package: set(re.findall(r"`(\w+)`", imports)) for package, imports in rows}
    assert told == SUBJECTS | {"plumbing": set(), "audit": {"plumbing"}}


def test_all_ten_questions_are_answered() -> None:
    """Each names one place."""
    (table,) = re.findall(r"## Where is it decided\?\n\n(.*?)\n\n", TEXT, re.DOTALL)
    rows = table.splitlines()[2:]
    assert len(rows) == 10
    assert all(PLACE.search(row.rpartition("| `")[2].join(["`", ""])) for row in rows)
