"""Where the project lies, also for a stage that runs in a temporary copy of it."""

import os
import subprocess
from pathlib import Path

# Where an experiment in a copy of the project keeps what must outlive the copy: runs, tracking store, ledger.
ROOT_VARIABLE = "POLYDETOX_ROOT"


def root() -> Path:
    """The project's own folder: the one that an experiment was started from, else the one that DVC names, else here."""
    return Path(os.environ.get(ROOT_VARIABLE) or os.environ.get("DVC_ROOT") or ".").resolve()


def git(*arguments: str, cwd: Path | None = None) -> str:
    """Output of a git command; empty where it fails, as outside a repository."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, cwd=cwd)
    return done.stdout.strip() if done.returncode == 0 else ""
