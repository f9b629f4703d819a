"""A copy of the project in which a flow may change parameters, and the DVC experiment that it becomes.

The copy is a git worktree below .dvc/tmp with the uncommitted changes; it shares DVC's cache, so what is fresh in
the project is fresh there, and what was finished in a run that failed need not be done again.
"""

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
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
        name: Of the experiment; a second run of one name waits for the first.
        say: Told what happens.

    Raises:
        ExperimentError: for a name that git does not accept, or if git cannot make the copy.
    """
    folder = root / ".dvc" / "tmp" / "polydetox" / name
    if name.startswith("-") or subprocess.run(["git", "check-ref-format", f"refs/exps/{name}"]).returncode:
        raise ExperimentError(f"experiment {name!r}: not a name that git accepts; use letters, digits and dashes")
    if not _run(root, "git", "rev-parse", "--verify", "--quiet", "HEAD", check=False).strip():
        raise ExperimentError(f"{root}: an experiment needs a git repository with a commit to start from")
    with _alone(folder, say):
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


def keep(folder: Path, name: str) -> None:
    """Makes the copy a DVC experiment of its commit, new files included, one of the same name replaced.

    Args:
        folder: The copy.
        name: `dvc exp show` lists it, `dvc exp apply` brings it into the workspace.
    """
    new = _run(folder, "git", "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    more = [argument for path in filter(None, new) for argument in ("--include-untracked", path)]
    with (folder.parent / ".saving.lock").open("a") as file:
        # DVC keeps the baseline of what it saves in refs that all copies share: of two saves at once, one failed.
        fcntl.flock(file, fcntl.LOCK_EX)
        dvc(folder, "exp", "save", "--force", "--name", name, *more)


def dvc(folder: Path, *arguments: str) -> str:
    """Output of a DVC command in the copy; ExperimentError with what it said if it fails."""
    return _run(folder, sys.executable, "-m", "dvc", *arguments)


@contextmanager
def _alone(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Lets one run at a time make the experiment of this name; the system lets go when a process dies."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting: another run makes experiment {folder.name}")
            fcntl.flock(file, fcntl.LOCK_EX)
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
