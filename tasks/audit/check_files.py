"""Compares every file and folder that dvc.lock names with what lies on disk."""

from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from tasks.audit.findings import Verification
from tasks.audit.snapshot import NOTES, LockEntry, Snapshot
from tasks.plumbing import digests, progress

MISSING = "missing"


def check(snapshot: Snapshot, stages: Collection[str], found: Verification) -> None:
    """Digests, sizes and numbers of files, and that what a stage read is what another one made."""
    entries: dict[str, list[LockEntry]] = defaultdict(list)
    for entry in snapshot.entries:
        noted_elsewhere = entry.path.startswith(NOTES) and not (snapshot.root / entry.path).exists()
        if entry.stage in stages and not noted_elsewhere:
            entries[entry.path].append(entry)
    on_disk = {
        path: _Content(snapshot.root / path) for path in progress.progress(sorted(entries), "reading files again")
    }
    wrong: set[LockEntry] = set()
    # Folders around others last: what an inner one has said need not be said again.
    for path, same in sorted(entries.items(), key=lambda item: (-item[0].count("/"), item[0])):
        inner = any(one.path.startswith(path + "/") for one in wrong)
        wrong |= _check_path(snapshot, same, on_disk[path], Verification() if inner else found)
    for path, same in sorted(entries.items()):
        for entry in same:
            maker = snapshot.outputs.get(path)
            if maker is not None and not entry.is_output and not {maker, entry} & wrong:
                where = f"dvc.lock: {entry.stage}: {path}"
                found.compare("lock", where, maker.md5, entry.md5, f"`dvc repro {entry.stage}`")


class _Content:
    """What lies at a path."""

    def __init__(self, path: Path) -> None:
        self.files: dict[str, str] | None = digests.listing(path) if path.is_dir() else None
        if self.files is not None:
            self.md5 = digests.listing_md5(self.files)
            self.size = sum((path / name).stat().st_size for name in self.files)
        elif path.is_file():
            self.md5, self.size = digests.file_md5(path), path.stat().st_size
        else:
            self.md5, self.size = MISSING, 0


def _check_path(snapshot: Snapshot, entries: list[LockEntry], content: _Content, found: Verification) -> set[LockEntry]:
    """The entries that the disk contradicts."""
    wrong = {entry for entry in entries if entry.md5 != content.md5}
    found.checked += len(entries)
    if len(wrong) < len(entries):
        for entry in sorted(wrong, key=lambda one: one.stage):
            # Another entry agrees with the disk, so the record is what is wrong here.
            where = f"dvc.lock: {entry.stage}: {entry.path}"
            advice = f"`dvc repro {entry.stage}`, or `git restore dvc.lock` if nobody meant it"
            found.add("lock", where, entry.md5, content.md5, advice)
    else:
        for md5 in sorted({entry.md5 for entry in wrong}):
            _name_files(snapshot, next(entry for entry in entries if entry.md5 == md5), content, found)
    for entry in entries:
        if entry in wrong:
            continue
        where, advice = f"dvc.lock: {entry.stage}: {entry.path}", "`git restore dvc.lock`"
        if entry.size is not None:
            found.compare("lock", f"{where}: size", entry.size, content.size, advice)
        if entry.files is not None:
            found.compare("lock", f"{where}: nfiles", entry.files, len(content.files or {}), advice)
    return wrong


def _name_files(snapshot: Snapshot, entry: LockEntry, content: _Content, found: Verification) -> None:
    """One mismatch for the path, or one for each file of a folder whose listing is known."""
    advice = _advice(snapshot, entry)
    recorded = snapshot.listing(entry)
    if recorded is None or content.files is None:
        found.add("file", entry.path, entry.md5, content.md5, advice)
        return
    for name in sorted({*recorded, *content.files}):
        expected, now = recorded.get(name, "no such file"), content.files.get(name, MISSING)
        if expected != now:
            found.add("file", f"{entry.path}/{name}", expected, now, advice)


def _advice(snapshot: Snapshot, entry: LockEntry) -> str:
    makers = snapshot.producers(entry.path)
    if makers:
        return f"`dvc checkout {entry.path}` brings back what was recorded, `dvc repro {makers[0]}` makes it again"
    return f"`dvc repro` if the change is meant, else `git restore {entry.path}`"


def stale_sources(snapshot: Snapshot) -> list[str]:
    """Code and data of the workspace that no stage makes and that differ from dvc.lock; files of a folder by name."""
    stale: list[str] = []
    for path, entry in sorted(snapshot.sources.items()):
        content = _Content(snapshot.root / path)
        if content.md5 == entry.md5:
            continue
        recorded = snapshot.listing(entry)
        if recorded is None or content.files is None:
            stale.append(path)
        else:
            names = sorted({*recorded, *content.files})
            stale += [f"{path}/{name}" for name in names if recorded.get(name) != content.files.get(name)]
    return stale
