"""Digests of files and folders as dvc.lock names them, computed without DVC: a second opinion on what lies on disk."""

import hashlib
import json
from fnmatch import fnmatch
from pathlib import Path, PurePath

# Names that DVC leaves out of a folder, too: .dvcignore has the same lines.
IGNORED = (".gitignore", ".DS_Store", ".ipynb_checkpoints", "__pycache__", "*.pyc", "*.swp", "*~")


def ignored(path: PurePath) -> bool:
    """Whether a path below a folder, or one of the folders on the way to it, has a name that no digest includes."""
    return any(fnmatch(part, pattern) for part in path.parts for pattern in IGNORED)


def file_md5(path: Path) -> str:
    """MD5 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def listing(folder: Path) -> dict[str, str]:
    """MD5 of every file below a folder that is not ignored, by path relative to it, sorted."""
    inside = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    files = {name.as_posix(): path for name, path in inside.items() if not ignored(name)}
    return {name: file_md5(files[name]) for name in sorted(files)}


def listing_md5(files: dict[str, str]) -> str:
    """Digest of a folder's listing: MD5 of its sorted JSON and the suffix .dir, the format of DVC 3."""
    entries = [{"md5": digest, "relpath": name} for name, digest in sorted(files.items())]
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def digest(path: Path) -> str:
    """What dvc.lock would say of a file or folder; FileNotFoundError if there is none."""
    if path.is_dir():
        return listing_md5(listing(path))
    return file_md5(path)
