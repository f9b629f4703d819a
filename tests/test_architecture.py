"""Imports run one way: flows -> stages -> packages of subjects; plumbing serves stages, flows and the audit only."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(path for folder in ("tasks", "flows") for path in (ROOT / folder).rglob("*.py"))
# Packages that each package may import beside itself; no package may import a stage.
SUBJECTS: dict[str, set[str]] = {
    "sources": set(),
    "world": set(),
    "models": set(),
    "training": {"models"},
    "generation": {"models"},
    "scoring": {"models", "world"},
    "retrieval": {"models"},
    "mechanism": {"models", "generation"},
    "statistics": set(),
    "reporting": set(),
}
MAY_IMPORT = {package: {package, *others} for package, others in SUBJECTS.items()} | {
    "plumbing": {"plumbing"},
    "stage": {*SUBJECTS, "plumbing"},
    "audit": {"audit", "plumbing"},  # it judges what stages made, so it shares no definition with them
    "flows": {"flows", "plumbing", "audit"},
}
LOADS_MODELS = {"transformers", "trl", "peft", "accelerate", "vllm"}
MAY_LOAD_MODELS = {"models", "world", "training", "generation", "scoring", "retrieval", "mechanism"}
# What a definition must not import; its docstring ends with the line PURE.
OUTSIDE = {"os", "pathlib", "json", "csv", "time", "datetime", "subprocess", "socket", "logging"}
PURE = "Pure: no files, clock, network or globals."
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 300, 60


def layer(parts: tuple[str, ...]) -> str:
    """Layer of a first-party module, from its path or dotted name."""
    if parts[0] == "flows":
        return "flows"
    return parts[1] if len(parts) > 2 or parts[1] in MAY_IMPORT else "stage"


def imported(path: Path) -> set[str]:
    """Dotted names that a file imports, wherever in the file it does."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names if node.module in ("tasks", "flows")}
    return names


def first_party(path: Path) -> dict[str, str]:
    """Layers of the first-party modules that a file imports, by dotted name."""
    parts = {name: tuple(name.split(".")) for name in imported(path)}
    return {name: layer(one) for name, one in parts.items() if one[0] in ("tasks", "flows") and len(one) > 1}


def test_there_are_modules_to_check() -> None:
    """The checks below loop over packages and modules."""
    assert len(MODULES) >= 120
    packages = {
        path.parent.name for path in MODULES if path.name == "__init__.py" and path.parent.parent.name == "tasks"
    }
    assert packages == {*SUBJECTS, "plumbing", "audit"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    """No module imports from a layer above it, and no stage imports a stage."""
    own = layer(path.relative_to(ROOT).with_suffix("").parts)
    if path.name == "__main__.py":
        return
    for name, other in first_party(path).items():
        assert other in MAY_IMPORT[own], f"{own} may not import {name}"


def test_packages_form_no_circle_and_need_what_they_may_import() -> None:
    """Every permission is used, and following them never leads back."""
    used: dict[str, set[str]] = {package: set() for package in SUBJECTS}
    for path in MODULES:
        own = layer(path.relative_to(ROOT).with_suffix("").parts)
        if own in SUBJECTS:
            used[own] |= set(first_party(path).values()) - {own}
    assert used == SUBJECTS
    left = dict(SUBJECTS)
    while left:
        leaves = {package for package, needs in left.items() if not needs & set(left)}
        assert leaves, f"a circle among {sorted(left)}"
        left = {package: needs for package, needs in left.items() if package not in leaves}


@pytest.mark.parametrize("package", SUBJECTS)
def test_a_package_says_what_it_holds_may_import_and_serves(package: str) -> None:
    """The docstring names the packages that it may import, as the table above does, and the stages that use it."""
    text = ast.get_docstring(ast.parse((ROOT / "tasks" / package / "__init__.py").read_text(encoding="utf-8"))) or ""
    found = re.search(r"\nMay import: ([^.;]*)[.;]", text)
    assert found and "\nUsed by: " in text
    named = set() if found[1] == "nothing else of the project" else set(re.split(r",\s*", found[1]))
    assert named == SUBJECTS[package]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_definition_is_pure_and_says_so(path: Path) -> None:
    """A module of a subject that touches nothing outside and loads no model says it; one that says it keeps to it.

    The report's modules all make text and figures from values, so none says it.
    """
    package = layer(path.relative_to(ROOT).with_suffix("").parts)
    if package not in SUBJECTS or path.name == "__init__.py":
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    libraries = {one.partition(".")[0] for one in imported(path)}
    pure = not libraries & (OUTSIDE | LOADS_MODELS) and not [n for n in ast.walk(tree) if isinstance(n, ast.Global)]
    if package == "reporting":
        assert pure
    else:
        assert (ast.get_docstring(tree) or "").endswith(PURE) is pure


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_packages_that_run_models_load_them(path: Path) -> None:
    """A stage or a definition that needs a model asks one of these; tokenizers and version numbers are not models."""
    if layer(path.relative_to(ROOT).with_suffix("").parts) in MAY_LOAD_MODELS:
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in LOADS_MODELS:
            assert {alias.name for alias in node.names} <= {"AutoTokenizer"}


def test_nothing_but_flows_knows_prefect() -> None:
    """Stages run without an orchestrator."""
    knows = {path.relative_to(ROOT).parts[0] for path in MODULES if any("prefect" in one for one in imported(path))}
    assert knows == {"flows"}


def test_no_module_is_named_like_a_library() -> None:
    """Prefect puts flows/ first on sys.path: a module named like a library would replace it."""
    libraries = set(sys.stdlib_module_names) | set(packages_distributions())
    clashes = {path.stem for path in MODULES} - {"__init__", "__main__"}
    assert not clashes & libraries


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_are_short_or_say_why(path: Path) -> None:
    """At most 300 lines a module and 60 a function, docstring aside, unless a comment at its top gives the reason."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) <= MOST_LINES or "# Long because" in text, f"{len(lines)} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            length = (node.end_lineno or 0) - first.lineno + 1
            reason = any("# Long because" in line for line in lines[node.lineno - 2 : first.lineno])
            assert length <= MOST_LINES_OF_A_FUNCTION or reason, f"{node.name} has {length} lines"
