"""Reads everything again and compares it with the records: the answer to `polydetox verify`; findings.py has its form.

The records are dvc.lock (every file, folder, command and parameter), dvc.yaml, git's last commit, and the mirror in
MLflow. Nothing is written, and no record is trusted for a file's content: sizes and times prove nothing.
"""

from pathlib import Path

from tasks.audit import check_files, check_git, check_graph, check_mirror
from tasks.audit.findings import Mismatch, Verification
from tasks.audit.snapshot import BrokenStudyError, NotFoundError, Snapshot
from tasks.plumbing.lineage import LOCK

__all__ = ["Mismatch", "Verification", "verify"]


def verify(root: Path) -> Verification:
    """Compares the workspace of a project with all records of it. A broken or missing record is a mismatch as well."""
    root = root.resolve()
    found = Verification()
    snapshot = Snapshot(root)
    try:
        stages = snapshot.stages
    except (BrokenStudyError, NotFoundError) as error:
        found.add("lock", str(LOCK), "a record that DVC wrote", error, f"`git restore {LOCK}`, or `dvc repro`")
        stages = {}
    declared = check_graph.check(root, stages, found)
    if stages:
        check_files.check(snapshot, declared, found)
        check_mirror.check(root, {name: stage for name, stage in stages.items() if name in declared}, found)
    check_git.check(root, found)
    return found
