"""Writes requirements.lock and requirements-test.lock from pyproject.toml's bounds.

One environment holds everything, so that the two files never disagree; the first lists what a study needs, the second
what tests, linters and the optional task runners add.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

STUDY_HEADER = """\
# Every package of a study at one exact version: `make lock` writes this file from the bounds in pyproject.toml.
# Three of those bounds are not taste:
#   torch: the base version without a build tag, so that a CPU build and a CUDA build both satisfy it.
#   fastapi <0.151: Prefect 3.8.8 calls Body(min_items=...), gone from fastapi 0.155; its server dies at import.
#   sqlalchemy <2.1: under 2.1 Prefect 3.8.8's scheduler fails on every pass and never creates a scheduled run.
"""
TEST_HEADER = (
    "# What tests, linters, and the Dask and Ray runners need beside requirements.lock; `make lock` writes it.\n"
)


def main() -> None:
    """Installs everything, asks pip which part of it a study needs, writes both files."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    study = list(project["project"]["dependencies"])
    more = [requirement for extra in project["project"]["optional-dependencies"].values() for requirement in extra]
    more += [requirement for group in project["dependency-groups"].values() for requirement in group]
    with tempfile.TemporaryDirectory() as folder:
        everything, report = Path(folder) / "everything.txt", Path(folder) / "report.json"
        pip = _environment(Path(folder) / "everything")
        # Asked for exactly, so that a CPU wheel at hand is taken; a range would fetch the newest CUDA build.
        _run(pip, "install", "--quiet", "torch==2.13.0")
        _run(pip, "install", "--quiet", *study, *more)
        frozen = sorted(_pins(_run(pip, "freeze", "--all")), key=str.lower)
        everything.write_text("\n".join(frozen), encoding="utf-8")
        pip = _environment(Path(folder) / "study")
        _run(pip, "install", "--quiet", "--dry-run", "--report", str(report), "-c", str(everything), *study)
        resolved = json.loads(report.read_text(encoding="utf-8"))["install"]
    needed = {_canonical(entry["metadata"]["name"]) for entry in resolved}
    split: dict[bool, list[str]] = {True: [], False: []}
    for pin in frozen:
        split[_canonical(pin.partition("==")[0]) in needed].append(pin)
    Path("requirements.lock").write_text(STUDY_HEADER + "\n".join(split[True]) + "\n", encoding="utf-8")
    Path("requirements-test.lock").write_text(TEST_HEADER + "\n".join(split[False]) + "\n", encoding="utf-8")
    print(f"requirements.lock: {len(split[True])} packages; requirements-test.lock: {len(split[False])} more")


def _environment(folder: Path) -> list[str]:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]


def _run(pip: list[str], *arguments: str) -> str:
    return subprocess.run([*pip, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def _pins(frozen: str) -> list[str]:
    pins = []
    for line in frozen.splitlines():
        name, _, version = line.partition(" @ ") if " @ " in line else line.partition("==")
        if name != "pip":
            pins.append("torch==2.13.0" if name == "torch" else f"{name}=={version}")
    return pins


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


if __name__ == "__main__":
    main()
