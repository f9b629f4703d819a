"""Writes requirements.lock: installs pyproject.toml's bounds into a fresh environment and notes what pip chose."""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HEADER = """\
# Every package of the project at one exact version: `make lock` writes this file from the bounds in pyproject.toml.
# Three of those bounds are not taste:
#   torch: the base version without a build tag, so that a CPU build and a CUDA build both satisfy it.
#   fastapi <0.151: Prefect 3.8.8 calls Body(min_items=...), gone from fastapi 0.155; its server dies at import.
#   sqlalchemy <2.1: under 2.1 Prefect 3.8.8's scheduler fails on every pass and never creates a scheduled run.
"""


def main() -> None:
    """Installs, freezes, writes."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    wanted = list(project["project"]["dependencies"])
    for group in project["dependency-groups"].values():
        wanted += group
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = str(Path(folder) / "bin" / "python")
        # Asked for exactly, so that a CPU wheel at hand is taken; a range would fetch the newest CUDA build.
        subprocess.run([python, "-m", "pip", "install", "--quiet", "torch==2.13.0"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        frozen = subprocess.run([python, "-m", "pip", "freeze"], check=True, capture_output=True, text=True).stdout
    lines = []
    for line in frozen.splitlines():
        name, _, version = line.partition(" @ ") if " @ " in line else line.partition("==")
        lines.append("torch==2.13.0" if name == "torch" else f"{name}=={version}")
    Path("requirements.lock").write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"requirements.lock: {len(lines)} packages")


if __name__ == "__main__":
    main()
