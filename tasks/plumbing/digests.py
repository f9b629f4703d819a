"""Digests of files and folders as dvc.lock names them, computed without DVC: a second opinion on what lies on disk."""

import hashlib
import json
from pathlib import Path


def file_md5(path: Path) -> str:
    """MD5 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def listing(folder: Path) -> dict[str, str]:
    """MD5 of every file below a folder, by path relative to it, sorted."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
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
