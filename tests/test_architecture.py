"""Imports run one way: flows -> stages -> engines -> science; plumbing serves stages, flows and the audit only."""

import ast
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(path for folder in ("tasks", "flows") for path in (ROOT / folder).rglob("*.py"))
MAY_IMPORT = {
    "science": {"science"},
    "engines": {"science", "engines"},
    "plumbing": {"plumbing"},
    "stage": {"science", "engines", "plumbing"},
    "audit": {"audit", "plumbing"},  # it judges what stages made, so it shares no definition with them
    "flows": {"flows", "plumbing", "audit"},
}
LOADS_MODELS = {"transformers", "trl", "peft", "accelerate", "vllm"}


def layer(parts: tuple[str, ...]) -> str:
    """Layer of a first-party module, from its path or dotted name."""
    if parts[0] == "flows":
        return "flows"
    return parts[1] if len(parts) > 2 or parts[1] in ("science", "engines", "plumbing", "audit") else "stage"


def imported(path: Path) -> set[str]:
    """Dotted names that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names if node.module in ("tasks", "flows")}
    return names


def test_there_are_modules_to_check() -> None:
    """The checks below loop over dozens of modules."""
    assert len(MODULES) >= 35


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    """No module imports from a layer above it, and no stage imports a stage."""
    own = layer(path.relative_to(ROOT).with_suffix("").parts)
    if path.name == "__main__.py":
        return
    for name in imported(path):
        parts = tuple(name.split("."))
        if parts[0] in ("tasks", "flows") and len(parts) > 1:
            assert layer(parts) in MAY_IMPORT[own], f"{own} may not import {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_science_does_no_input_or_output(path: Path) -> None:
    """Definitions take values and give values: no files, clock, network or processes."""
    if "science" in path.parts:
        forbidden = {"os", "pathlib", "io", "json", "csv", "time", "datetime", "subprocess", "socket", "logging"}
        assert not {name.partition(".")[0] for name in imported(path)} & forbidden


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_engines_load_models(path: Path) -> None:
    """A stage or a definition that needs a model asks an engine; tokenizers and version numbers are not models."""
    if "engines" in path.parts:
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in LOADS_MODELS:
            assert {alias.name for alias in node.names} <= {"AutoTokenizer"}


def test_no_module_is_named_like_a_library() -> None:
    """Prefect puts flows/ first on sys.path: a module named like a library would replace it."""
    libraries = set(sys.stdlib_module_names) | set(packages_distributions())
    clashes = {path.stem for path in MODULES} - {"__init__", "__main__"}
    assert not clashes & libraries
