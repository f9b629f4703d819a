"""Where the project lies, also for a stage that runs in a temporary copy of it."""

import hashlib
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


def diff_digest(root: Path) -> str | None:
    """Digest of what is not committed below `root`, new files included; None when clean, or outside a repository.

    Without dvc.lock and metrics/, which every study that runs changes. Taken of the files, not of git's diff: the text
    of that hangs on the user's settings.
    """
    scope = ("--", ".", ":!dvc.lock", ":!metrics")
    names = {
        *_git_names(root, "diff", "--relative", "--no-renames", "--name-only", "-z", "HEAD", *scope),
        *_git_names(root, "ls-files", "--others", "--exclude-standard", "-z", *scope),
    }
    digest = hashlib.sha256()
    for name in sorted(names):
        path = root / os.fsdecode(name)
        content = path.read_bytes() if path.is_file() else b""
        digest.update(name + b"\0" + hashlib.sha256(content).digest() + bytes([path.is_file()]))
    return digest.hexdigest()[:12] if names else None


def _git_names(root: Path, *arguments: str) -> set[bytes]:
    done = subprocess.run(["git", *arguments], capture_output=True, check=False, cwd=root)
    return {name for name in done.stdout.split(b"\0") if name}
