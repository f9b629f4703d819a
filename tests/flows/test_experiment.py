"""Overrides run in a copy of the project and become a DVC experiment; the project itself stays as it is."""

import threading
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from flows.experiment import ExperimentError, project_copy
from flows.study import Request, study


def run(**request: Any) -> State[Any]:
    """Final state of one run of the flow."""
    return study(Request(**request), return_state=True)


def workspace(toy) -> dict[str, bytes]:
    """Every file that belongs to the user, and git's view of them."""
    paths = [path for path in toy.root.iterdir() if path.is_file() and path.name != "trace.jsonl"]
    return toy.outputs() | {path.name: path.read_bytes() for path in paths} | {"": toy.git("status", "-s").encode()}


def experiments(toy) -> list[str]:
    """Names of the DVC experiments, sorted."""
    return sorted(toy.dvc("exp", "list", "--name-only").stdout.split())


def copies(toy) -> list[Path]:
    """Copies of the project that are still there, to git or on disk."""
    listed = [line for line in toy.git("worktree", "list", "--porcelain").splitlines() if line.startswith("worktree ")]
    return [path for path in (toy.root / ".dvc/tmp/polydetox").glob("*") if path.is_dir()] + listed[1:]


def of_experiment(toy, name: str, path: str) -> str:
    """A file as the experiment has it."""
    [ref] = toy.git("for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{name}").split()
    return toy.git("show", f"{ref}:{path}")


def test_an_override_becomes_an_experiment_and_the_project_stays_as_it_is(fresh_toy) -> None:
    """Changed, new and deleted files that were not committed are part of it; afterwards not one byte here differs."""
    fresh_toy.edit("model: 1", "model: 5")
    (fresh_toy.root / "note.txt").write_text("new\n")
    (fresh_toy.root / "old.txt").unlink()
    fresh_toy.git("config", "diff.noprefix", "true")
    fresh_toy.git("config", "color.ui", "always")
    before = workspace(fresh_toy)
    state = run(overrides=["toy.side-b=7"], experiment="seven")
    assert state.message == "3 Cached, 3 Executed"
    assert fresh_toy.ran() == ["last", "model", "side-b"]
    assert workspace(fresh_toy) == before
    assert experiments(fresh_toy) == ["seven"] and copies(fresh_toy) == []
    assert {"side-b 7", "model 5"} < set(of_experiment(fresh_toy, "seven", "metrics/last.txt").splitlines())
    assert "side-b: 7" in of_experiment(fresh_toy, "seven", "params.yaml")
    assert of_experiment(fresh_toy, "seven", "note.txt") == "new\n"
    assert "old.txt" not in of_experiment(fresh_toy, "seven", "").split()


def test_a_failed_experiment_leaves_no_copy_and_loses_no_finished_work(fresh_toy) -> None:
    """Its copy is removed and nothing is kept under its name; what it finished is restored when it runs again."""
    before = workspace(fresh_toy)
    fresh_toy.behave("last", fail=1)
    request = {"overrides": ["toy.side-b=7"], "experiment": "again"}
    state = run(**request)
    assert state.is_failed() and state.message is not None and "last" in state.message
    assert copies(fresh_toy) == [] and experiments(fresh_toy) == []
    assert fresh_toy.ran() == ["side-b"]
    assert run(**request).message == "4 Cached, 1 Restored, 1 Executed"
    assert fresh_toy.ran() == ["last"]
    assert experiments(fresh_toy) == ["again"] and workspace(fresh_toy) == before


@pytest.mark.parametrize(
    ("override", "word"), [("toy.rot=7", "did you mean toy.root?"), ("toy.root=seven", "toy.root: expected a number")]
)
def test_a_bad_override_is_named_before_anything_runs(fresh_toy, override: str, word: str) -> None:
    """The flow fails with what is wrong in its message; no stage was begun and no copy is left."""
    state = run(overrides=[override])
    assert state.is_failed() and state.message is not None and word in state.message
    assert fresh_toy.attempts("root") == 0 and copies(fresh_toy) == []


def test_two_experiments_of_one_project_run_at_the_same_time(fresh_toy) -> None:
    """Each has its own copy, and each its own result in the end."""
    fresh_toy.behave("side-a", until=["side-b.attempts"])
    fresh_toy.behave("side-b", until=["side-a.attempts"])
    other = fresh_toy.start_study('{"overrides": ["toy.side-a=7"], "experiment": "first"}')
    fresh_toy.wait_until(lambda: copies(fresh_toy))
    assert run(overrides=["toy.side-b=8"], experiment="second").is_completed()
    assert other.wait(300) == 0, fresh_toy.said()
    assert experiments(fresh_toy) == ["first", "second"] and copies(fresh_toy) == []
    values = {name: of_experiment(fresh_toy, name, "metrics/last.txt") for name in ("first", "second")}
    assert "side-a 7\n" in values["first"] and "side-b 1\n" in values["first"]
    assert "side-a 1\n" in values["second"] and "side-b 8\n" in values["second"]
    (one, two) = (fresh_toy.span("side-a"), fresh_toy.span("side-b"))
    assert one[0] < two[1] and two[0] < one[1]


def test_two_of_one_name_take_turns(fresh_toy) -> None:
    """The second waits until the first has removed its copy, and does it no harm."""
    heard: list[str] = []

    def second() -> None:
        with project_copy(fresh_toy.root, "same", heard.append) as folder:
            heard.append((folder / "dvc.yaml").read_text())

    other = threading.Thread(target=second)
    with project_copy(fresh_toy.root, "same", heard.append) as folder:
        other.start()
        fresh_toy.wait_until(lambda: "waiting: another run makes experiment same" in heard)
        (folder / "dvc.yaml").write_text("of the first\n")
    other.join(300)
    assert heard[-1] == (fresh_toy.root / "dvc.yaml").read_text()
    assert copies(fresh_toy) == []


@pytest.mark.parametrize("name", ["..", ".", "", "a/../b", "-f", "x.lock", ".saving"])
def test_a_name_that_git_refuses_is_refused_first(tmp_path: Path, name: str) -> None:
    """Not after hours, when the experiment is kept; and the folder that .. names is nobody's to remove."""
    with pytest.raises(ExperimentError, match="not a name that git accepts"), project_copy(tmp_path, name, print):
        pass


def test_an_experiment_needs_a_commit(tmp_path: Path) -> None:
    """Outside git, or before its first commit, the message says so."""
    with pytest.raises(ExperimentError, match="with a commit to start from"), project_copy(tmp_path, "x", print):
        pass
