"""Where the project lies, and what of it is not committed."""

import subprocess
from pathlib import Path

import pytest

from tasks.plumbing.project import diff_digest, git, root


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "core.fsmonitor=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed project of four files, clean."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for name in ("params.yaml", "dvc.lock", "metrics/m.json", "tasks/train.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("one\n")
    (tmp_path / ".gitignore").write_text("*.tmp\n")
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "-m", "one")
    return tmp_path


def test_the_root_is_where_an_experiment_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """POLYDETOX_ROOT, else what DVC calls the root, else the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLYDETOX_ROOT", "/project")
    monkeypatch.setenv("DVC_ROOT", "/copy")
    assert root() == Path("/project")
    monkeypatch.delenv("POLYDETOX_ROOT")
    assert root() == Path("/copy")
    monkeypatch.delenv("DVC_ROOT")
    assert root() == tmp_path


def test_a_clean_tree_has_no_digest(repository: Path) -> None:
    """Neither has one that a running study changed, nor a folder that git does not know, nor ignored files."""
    assert diff_digest(repository) is None
    for name in ("dvc.lock", "metrics/m.json", "metrics/new.csv", "scratch.tmp"):
        (repository / name).write_text("two\n")
    assert diff_digest(repository) is None
    _git(repository, "add", "dvc.lock")
    assert diff_digest(repository) is None


@pytest.mark.parametrize("name", ["params.yaml", "tasks/train.py", "tasks/new.py", "tasks/späť.py"])
def test_a_change_has_a_digest_of_its_own(repository: Path, name: str) -> None:
    """Of a committed or a new file; equal changes give equal digests, staged or not, and taken back give none."""
    path = repository / name
    before = path.read_text() if path.exists() else None
    path.write_text("two\n")
    two = diff_digest(repository)
    path.write_text("three\n")
    three = diff_digest(repository)
    path.write_text("two\n")
    assert two is not None and len(two) == 12
    assert two != three
    assert diff_digest(repository) == two
    _git(repository, "add", ".")
    assert diff_digest(repository) == two
    _git(repository, "reset", "--quiet")
    if before is None:
        path.unlink()
    else:
        path.write_text(before)
    assert diff_digest(repository) is None


def test_a_deleted_file_is_a_change(repository: Path) -> None:
    """Another than the same file emptied."""
    (repository / "params.yaml").write_text("")
    emptied = diff_digest(repository)
    (repository / "params.yaml").unlink()
    assert diff_digest(repository) not in (None, emptied)


def test_a_project_may_be_a_folder_of_a_repository(repository: Path) -> None:
    """What lies beside it is not its business."""
    (repository / "params.yaml").write_text("two\n")
    assert diff_digest(repository / "tasks") is None
    (repository / "tasks" / "train.py").write_text("two\n")
    assert diff_digest(repository / "tasks") is not None


def test_a_users_git_settings_do_not_matter(repository: Path) -> None:
    """Colours, prefixes and bytes that are no text change nothing."""
    (repository / "params.yaml").write_bytes(b"\xff\xfe\n")
    plain = diff_digest(repository)
    _git(repository, "config", "color.ui", "always")
    _git(repository, "config", "diff.noprefix", "true")
    _git(repository, "config", "diff.external", "false")
    _git(repository, "config", "core.abbrev", "30")
    assert diff_digest(repository) == plain


def test_outside_a_repository_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No digest, no commit, no error."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert diff_digest(tmp_path) is None
    assert git("rev-parse", "HEAD", cwd=tmp_path) == ""
