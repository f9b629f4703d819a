"""A copy of the project in which a flow may change parameters, and the DVC experiment that it becomes.

The copy is a git worktree below .dvc/tmp with the uncommitted changes; it shares DVC's cache, so what is fresh in
the project is fresh there, and what was finished in a run that failed need not be done again.
"""

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from flows import children


class ExperimentError(RuntimeError):
    """The copy could not be made or kept; the message has what git or DVC said."""


@contextmanager
def project_copy(root: Path, name: str, say: Callable[[str], None]) -> Iterator[Path]:
    """A working copy of the project as it is now, uncommitted changes included, removed after the block.

    Args:
        root: The project, a git repository with at least one commit.
        name: Of the experiment.
        say: Told what happens.

    Raises:
        ExperimentError: if another of this name is running, or git cannot make the copy.
    """
    folder = root / ".dvc" / "tmp" / "polydetox" / name
    if not _run(root, "git", "rev-parse", "--verify", "--quiet", "HEAD", check=False).strip():
        raise ExperimentError(f"{root}: an experiment needs a git repository with a commit to start from")
    with _alone(folder):
        _remove(root, folder)  # what a killed run of this name left
        try:
            _run(root, "git", "worktree", "add", "--quiet", "--detach", str(folder), "HEAD")
            _copy_changes(root, folder)
            local = root / ".dvc" / "config.local"
            if local.exists():
                shutil.copy(local, folder / ".dvc" / "config.local")
            cache = _run(root, sys.executable, "-m", "dvc", "cache", "dir", check=False).strip()
            _run(folder, sys.executable, "-m", "dvc", "cache", "dir", "--local", cache or str(root / ".dvc" / "cache"))
            _run(folder, sys.executable, "-m", "dvc", "checkout", "--quiet", "--allow-missing", check=False)
            say(f"experiment {name}: a copy of the project, which stays as it is")
            yield folder
        finally:
            _remove(root, folder)


def keep(folder: Path, name: str, untracked: Sequence[str] = ()) -> None:
    """Makes the copy a DVC experiment of its commit, one of the same name replaced.

    Args:
        folder: The copy.
        name: `dvc exp show` lists it, `dvc exp apply` brings it into the workspace.
        untracked: New files that belong to it.
    """
    more = [argument for path in untracked for argument in ("--include-untracked", path)]
    dvc(folder, "exp", "save", "--force", "--name", name, *more)


def dvc(folder: Path, *arguments: str) -> str:
    """Output of a DVC command in the copy; ExperimentError with what it said if it fails."""
    return _run(folder, sys.executable, "-m", "dvc", *arguments)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps another run of the same name away during the block; the system lets go when this process dies."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ExperimentError(f"an experiment {folder.name} is running; wait, or choose another name") from error
        yield


def _copy_changes(root: Path, folder: Path) -> None:
    # Whatever the user configured for diffs (colours, prefixes, an external tool), `git apply` must read this one.
    plain = ["--binary", "--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/"]
    changes = subprocess.run(["git", "diff", *plain, "HEAD"], cwd=root, capture_output=True, check=True).stdout
    if changes:
        command = ["git", "apply", "--binary", "--whitespace=nowarn"]
        done = subprocess.run(command, cwd=folder, input=changes, capture_output=True, check=False)
        if done.returncode:
            raise ExperimentError(f"git apply: {done.stderr.decode(errors='replace').strip()}")
    new = _run(root, "git", "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    for path in new:
        if path and not path.endswith("/"):  # a folder that is a repository of its own
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / path, folder / path, follow_symlinks=False)


def _remove(root: Path, folder: Path) -> None:
    _run(root, "git", "worktree", "remove", "--force", str(folder), check=False)
    shutil.rmtree(folder, ignore_errors=True)
    _run(root, "git", "worktree", "prune", check=False)


def _run(cwd: Path, *command: str, check: bool = True) -> str:
    env = {key: value for key, value in children.environment().items() if not key.startswith("DVC_EXP")}
    done = subprocess.run(command, cwd=cwd, env=env | {"GIT_TERMINAL_PROMPT": "0"}, capture_output=True, text=True)
    if check and done.returncode:
        what = " ".join([Path(command[0]).name, *command[1:]])
        raise ExperimentError(f"{what}: {children.redact((done.stdout + done.stderr).strip())}")
    return done.stdout
