"""The study at one moment: in the workspace, or in a git revision, read from dvc.lock and what it names."""

import configparser
import difflib
import hashlib
import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from tasks.plumbing import digests
from tasks.plumbing.lineage import LOCK, LockedStage, flatten

# The C parser reads a lock of 2000 lines in 20 ms, the Python one in 300; histories have many locks.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MOST_COMMITS = 20  # searched for the folder that a digest belongs to
# What a machine notes for itself: no result, and absent from a clone until its own run of the mirror.
NOTES = ".polydetox/"


class NotFoundError(ValueError):
    """What was asked for does not exist; the message names the nearest that do."""


class BrokenStudyError(ValueError):
    """A file of the record that cannot be read; the message names it and what is wrong."""


@dataclass(frozen=True)
class LockEntry:
    """One file or folder that dvc.lock names: md5 as DVC writes it, size in bytes, number of files of a folder."""

    stage: str
    is_output: bool
    path: str
    md5: str
    size: int | None
    files: int | None


def overlaps(one: str, other: str) -> bool:
    """Whether two paths are the same or one lies inside the other."""
    return one == other or one.startswith(other + "/") or other.startswith(one + "/")


def nearest(wanted: str, existing: Iterable[str], count: int = 3) -> str:
    """The names most like the wanted one, as the end of a message."""
    near = difflib.get_close_matches(wanted, sorted(set(existing)), n=count, cutoff=0.3)
    return f"; nearest: {', '.join(near)}" if near else ""


def git_bytes(root: Path, *arguments: str, given: bytes | None = None) -> bytes | None:
    """Output of a git command run in `root`; None where it fails, as outside a repository."""
    done = subprocess.run(["git", *arguments], cwd=root, input=given, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def git_text(root: Path, *arguments: str) -> str | None:
    """Output of a git command as text, without surrounding space; None where it fails."""
    output = git_bytes(root, *arguments)
    return None if output is None else output.decode(errors="replace").strip()


def load_yaml(content: bytes, name: str) -> dict[str, Any]:
    """A YAML file's mapping; BrokenStudyError if it is none."""
    try:
        loaded = yaml.load(content, Loader=_LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BrokenStudyError(f"{name}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(loaded, dict):
        raise BrokenStudyError(f"{name}: expected a mapping, found {type(loaded).__name__}")
    return loaded


def param(values: Any, key: str) -> Any:
    """A value of params.yaml by its dotted key; None where there is none."""
    for part in key.split("."):
        if not isinstance(values, dict) or part not in values:
            return None
        values = values[part]
    return values


def changed_values(before: Any, after: Any, prefix: str) -> list[tuple[str, Any, Any]]:
    """Dotted keys whose values differ, with both; None stands for no such key."""
    old, new = flatten(before, prefix), flatten(after, prefix)
    return [(key, old.get(key), new.get(key)) for key in {**old, **new} if _differ(old.get(key), new.get(key))]


def _differ(one: Any, other: Any) -> bool:
    """Unlike ==, tells true from 1; 1 and 1.0 are the same to YAML's users and to DVC."""
    return one != other or isinstance(one, bool) != isinstance(other, bool)


def parse_lock(content: bytes, name: str = str(LOCK)) -> tuple[dict[str, LockedStage], list[LockEntry]]:
    """Stages of a dvc.lock by name, sorted, and every entry of theirs; BrokenStudyError if it has another form."""
    loaded = load_yaml(content, name)
    stages: dict[str, LockedStage] = {}
    entries: list[LockEntry] = []
    try:
        for stage, entry in sorted(loaded["stages"].items()):
            found = [
                LockEntry(stage, kind == "outs", one["path"], str(one["md5"]), one.get("size"), one.get("nfiles"))
                for kind in ("deps", "outs")
                for one in entry.get(kind) or []
            ]
            entries += found
            stages[stage] = LockedStage(
                stage,
                entry["cmd"],
                {one.path: one.md5 for one in found if not one.is_output},
                dict((entry.get("params") or {}).get("params.yaml", {})),
                {one.path: one.md5 for one in found if one.is_output},
            )
    except (KeyError, TypeError, AttributeError) as error:
        raise BrokenStudyError(f"{name}: not as DVC writes it ({type(error).__name__}: {error})") from error
    return stages, entries


class Snapshot:
    """The study in the workspace, or in a git revision if one is named."""

    def __init__(self, root: Path, rev: str | None = None) -> None:
        self.root = root
        self.rev = rev
        self.commit = None if rev is None else resolve(root, rev)
        self._listings: dict[tuple[str, str], dict[str, str] | None] = {}

    @cached_property
    def _lock(self) -> tuple[dict[str, LockedStage], list[LockEntry]]:
        content = self._plain(str(LOCK))
        if content is None:
            where = self.rev or "the workspace"
            raise NotFoundError(f"{LOCK}: not in {where}; `dvc repro` makes it")
        return parse_lock(content, str(LOCK) if self.rev is None else f"{LOCK} of {self.rev}")

    @property
    def stages(self) -> dict[str, LockedStage]:
        """Executed stages by name, sorted."""
        return self._lock[0]

    @property
    def entries(self) -> list[LockEntry]:
        """Everything that the lock names, stage by stage."""
        return self._lock[1]

    @cached_property
    def outputs(self) -> dict[str, LockEntry]:
        """What stages made, by path."""
        return {entry.path: entry for entry in self.entries if entry.is_output}

    @cached_property
    def sources(self) -> dict[str, LockEntry]:
        """What stages read and none made, code included, by path; a folder above an output counts as made."""
        return {entry.path: entry for entry in self.entries if not entry.is_output and not self.producers(entry.path)}

    def producers(self, path: str) -> list[str]:
        """Stages that made a path, something inside it, or a folder around it."""
        return sorted({entry.stage for out, entry in self.outputs.items() if overlaps(out, path)})

    def _plain(self, path: str) -> bytes | None:
        """A file of the workspace or of the revision's tree."""
        if self.commit is not None:
            return git_bytes(self.root, "cat-file", "blob", f"{self.commit}:./{path}")
        file = self.root / path
        return file.read_bytes() if file.is_file() else None

    def owner(self, path: str) -> LockEntry | None:
        """The locked file or folder that a path is or lies in; outputs first."""
        for entries in (self.outputs, self.sources):
            for known in (path, *(parent.as_posix() for parent in Path(path).parents)):
                if known in entries:
                    return entries[known]
        return None

    def read(self, path: str) -> bytes | None:
        """Content of a file: from the workspace, or from the revision's tree, else from DVC's cache; None if lost."""
        content = self._plain(path)
        if content is not None or self.commit is None:
            return content
        md5 = self.locked_md5(path)
        blob = None if md5 is None else cache_path(self.root, md5)
        return blob.read_bytes() if blob is not None and blob.is_file() else None

    def listing(self, entry: LockEntry) -> dict[str, str] | None:
        """MD5 by relative name of the files of a locked folder; None for a file, or if no copy of the folder is known.

        From DVC's cache, from the workspace if unaltered, or, for sources and code, from git.
        """
        if not entry.md5.endswith(".dir"):
            return None
        if (entry.path, entry.md5) not in self._listings:  # many stages depend on one package
            self._listings[entry.path, entry.md5] = self._found_listing(entry)
        return self._listings[entry.path, entry.md5]

    def _found_listing(self, entry: LockEntry) -> dict[str, str] | None:
        stored = cached_listing(self.root, entry.md5)
        folder = self.root / entry.path
        if stored is None and folder.is_dir() and self.commit is None:
            stored = _if_digest(digests.listing(folder), entry.md5)
        return stored if stored is not None else self._tracked_listing(entry)

    def _tracked_listing(self, entry: LockEntry) -> dict[str, str] | None:
        """The listing at the snapshot's commit, or at one of the last commits that changed the folder."""
        commit = self.commit or "HEAD"
        log = git_text(self.root, "log", f"-{MOST_COMMITS}", "--format=%H", commit, "--", entry.path) or ""
        for one in (commit, *log.splitlines()):
            if (found := _if_digest(self._listing_at(one, entry.path), entry.md5)) is not None:
                return found
        return None

    def _listing_at(self, commit: str, path: str) -> dict[str, str]:
        listed = git_bytes(self.root, "ls-tree", "-r", "-z", "--name-only", commit, "--", path) or b""
        found = {}
        for line in listed.split(b"\0")[:-1]:
            name = Path(os.fsdecode(line))
            if digests.ignored(name.relative_to(path)):
                continue
            content = git_bytes(self.root, "cat-file", "blob", f"{commit}:./{name.as_posix()}") or b""
            md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
            found[name.relative_to(path).as_posix()] = md5
        return found

    def locked_md5(self, path: str) -> str | None:
        """MD5 that the record gives a path, also one inside a locked folder; None where it says nothing of it."""
        entry = self.owner(path)
        if entry is None or entry.path == path:
            return None if entry is None else entry.md5
        return (self.listing(entry) or {}).get(Path(path).relative_to(entry.path).as_posix())


def resolve(root: Path, rev: str) -> str:
    """Commit of a revision: any name that git knows, or the name of a DVC experiment; NotFoundError for another."""
    commit = git_text(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
    if commit:
        return commit
    listed = git_text(root, "for-each-ref", "--format=%(objectname) %(refname)") or ""
    references = [line.split(" ", 1) for line in listed.splitlines()]
    names = {name.split("/", 4 if name.startswith("refs/exps/") else 2)[-1]: commit for commit, name in references}
    experiments = {commit for commit, name in references if name.startswith("refs/exps/") and name.endswith(f"/{rev}")}
    if len(experiments) == 1:
        return experiments.pop()
    if experiments:
        raise NotFoundError(f"{rev}: {len(experiments)} experiments have this name; name a commit")
    raise NotFoundError(f"{rev}: no such revision or experiment{nearest(rev, [*names, 'HEAD', 'workspace'])}")


def cache_path(root: Path, md5: str) -> Path:
    """Where DVC's cache keeps the bytes with this digest, whether it has them or not."""
    config = configparser.ConfigParser(interpolation=None, strict=False)
    config.read([root / ".dvc" / "config", root / ".dvc" / "config.local"], encoding="utf-8")
    # A relative folder counts from the configuration's own.
    folder = root / ".dvc" / Path(config.get("cache", "dir", fallback="cache").strip("'\"")).expanduser()
    return folder / "files" / "md5" / md5[:2] / md5[2:]


def cached_listing(root: Path, md5: str) -> dict[str, str] | None:
    """MD5 by relative name of a folder's files; None if the cache has no listing with this very digest."""
    try:
        loaded = json.loads(cache_path(root, md5).read_bytes())
        files = {entry["relpath"]: entry["md5"] for entry in loaded}
    except (OSError, ValueError, KeyError, TypeError):  # not cached, or altered there: then it says nothing
        return None
    return _if_digest(files, md5)


def _if_digest(files: dict[str, str], md5: str) -> dict[str, str] | None:
    return files if digests.listing_md5(files) == md5 else None
