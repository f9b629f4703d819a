"""When results came to be: in git's history, and in the notes that stages and flows leave."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from tasks.audit.account import Commit, Execution
from tasks.audit.snapshot import BrokenStudyError, git_bytes, git_text, parse_lock
from tasks.plumbing import ledger
from tasks.plumbing.lineage import LOCK, LockedStage

FIELD = "\x1f"


def committed(root: Path, commit: str | None, wanted: Mapping[str, str]) -> dict[str, Commit]:
    """For each path the oldest commit since which dvc.lock has given it this digest without a break.

    Paths whose digest the newest commit does not have are left out. `commit` is where history ends; null for HEAD.
    """
    form = FIELD.join(("%H", "%cI", "%s"))
    log = git_text(root, "log", f"--format={form}", commit or "HEAD", "--", str(LOCK)) or ""
    open_paths, since = dict(wanted), dict[str, Commit]()
    for line in log.splitlines():
        if not open_paths:
            break
        identity, date, subject = line.split(FIELD, 2)
        content = git_bytes(root, "cat-file", "blob", f"{identity}:./{LOCK}")
        try:
            entries = [] if content is None else parse_lock(content)[1]
        except BrokenStudyError:  # a commit with conflict markers, say: it has no record
            entries = []
        recorded = {entry.path: entry.md5 for entry in entries if entry.is_output}
        open_paths = {path: md5 for path, md5 in open_paths.items() if recorded.get(path) == md5}
        since |= dict.fromkeys(open_paths, Commit(id=identity, date=date, subject=subject))
    return since


def last_change(root: Path, commit: str | None, path: str) -> Commit | None:
    """The last commit that changed a file or folder that git tracks; None if it is untracked or differs from it now."""
    if commit is None and git_text(root, "status", "--porcelain", "--", path) != "":
        return None
    line = git_text(root, "log", "-1", f"--format={FIELD.join(('%H', '%cI', '%s'))}", commit or "HEAD", "--", path)
    if not line:
        return None
    identity, date, subject = line.split(FIELD, 2)
    return Commit(id=identity, date=date, subject=subject)


class Notes:
    """The ledger of a project, read once; a note that cannot be read is counted and left out."""

    def __init__(self, root: Path) -> None:
        self._folder = root / ledger.FOLDER
        self.unreadable = 0
        self._runs: list[ledger.FlowRun] = []
        for path in sorted((self._folder / "flow_runs").glob("*.json")):
            try:
                self._runs.append(ledger.FlowRun.model_validate_json(path.read_bytes()))
            except ValidationError:
                self.unreadable += 1

    def executions(self, key: str) -> list[ledger.Execution]:
        """Executions with this key, oldest first."""
        found = []
        for path in sorted((self._folder / "executions").glob(f"{key}-*.json")):
            try:
                found.append(ledger.Execution.model_validate_json(path.read_bytes()))
            except ValidationError:
                self.unreadable += 1
        return sorted(found, key=lambda execution: execution.started)

    def told(self, key: str) -> list[Execution]:
        """The same, each with the name and page of its flow run."""
        names = {run.id: run for run in self._runs}
        told = []
        for execution in self.executions(key):
            run = names.get(execution.flow_run or "")
            told.append(
                Execution(
                    started=execution.started,
                    seconds=execution.seconds,
                    device=execution.device,
                    git_commit=execution.git_commit,
                    experiment=execution.experiment,
                    flow_run=run.name if run else execution.flow_run,
                    flow_run_url=run.url if run else None,
                )
            )
        return told

    def found_fresh(self, stage: LockedStage) -> list[str]:
        """Times at which flow runs found this very stage up to date, oldest first."""
        return sorted(
            run.finished
            for run in self._runs
            if run.keys.get(stage.name) == stage.key and run.outcomes.get(stage.name) == "Cached"
        )
