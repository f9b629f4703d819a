"""Compares every file that git tracks with the last commit, by content: an index believes sizes and times."""

import hashlib
import os
from pathlib import Path

from tasks.audit.findings import Verification
from tasks.audit.snapshot import git_bytes
from tasks.plumbing import progress

CODE_FOLDERS = ("tasks", "flows")
BATCH = 500  # files given to git at once, so that the bar moves
LINK, SUBMODULE = "120000", "160000"


def check(root: Path, found: Verification) -> None:
    """One mismatch per tracked file that differs or is missing, and per untracked module that Python could import."""
    commit = (git_bytes(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}") or b"").decode().strip()
    if not commit:
        found.notes.append("git: no commit to compare with")
        return
    tree = git_bytes(root, "ls-tree", "-r", "-z", commit) or b""
    tracked: dict[str, tuple[str, str]] = {}
    for line in tree.split(b"\0")[:-1]:
        facts, name = line.split(b"\t", 1)
        mode, _, blob = facts.decode().split(" ")
        if mode != SUBMODULE:
            tracked[os.fsdecode(name)] = (mode, blob)
    now = _hashes(root, tracked)
    for path, (_, blob) in tracked.items():
        advice = f"commit it if the change is meant, else `git restore {path}`"
        found.compare("git", path, f"{blob[:12]} of commit {commit[:8]}", _of(now.get(path), commit, blob), advice)
    others = git_bytes(root, "ls-files", "--others", "-z", "--", *(f"{name}/*.py" for name in CODE_FOLDERS)) or b""
    for line in sorted(others.split(b"\0")[:-1]):
        path = os.fsdecode(line)
        found.compare("git", path, None, "code that no commit has", "commit it, or remove it")


def _of(now: str | None, commit: str, blob: str) -> str:
    if now is None:
        return "missing"
    return f"{now[:12]} of commit {commit[:8]}" if now == blob else now[:12]


def _hashes(root: Path, tracked: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Blob ids of what lies on disk; files that are not there are left out."""
    hashes: dict[str, str] = {}
    plain: list[str] = []
    for path, (mode, _) in tracked.items():
        file = root / path
        if mode == LINK and file.is_symlink():
            content = os.fsencode(file.readlink())
            hashes[path] = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        elif file.is_file() and "\n" not in path:  # git reads one path per line
            plain.append(path)
    batches = [plain[start : start + BATCH] for start in range(0, len(plain), BATCH)]
    for batch in progress.progress(batches, "comparing with git"):
        given = "".join(f"{path}\n" for path in batch).encode(errors="surrogateescape")
        output = git_bytes(root, "hash-object", "--stdin-paths", given=given)
        if output is not None:
            hashes |= dict(zip(batch, output.decode().split(), strict=True))
    return hashes
