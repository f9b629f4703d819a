"""A sweep makes one experiment per point of its grid; an audit that runs as a flow finds what was altered."""

import pytest

from flows import audit as audit_flow
from flows import forms
from flows import sweep as sweep_flow
from flows.overrides import OverrideError
from tasks.plumbing import ledger


def test_the_points_of_a_grid_are_all_combinations() -> None:
    """Two values, two values and two seeds are eight points, the last axis changing fastest."""
    request = sweep_flow.Request(grid={"a.b": [1, 0.5], "c": ["x", [1, 2]]}, seeds=[4, 5])
    points = forms.points(request)
    assert len(points) == 8
    assert points[0] == ["a.b=1", "c=x", "train_dpo.seeds=[4]"]
    assert points[1] == ["a.b=1", "c=x", "train_dpo.seeds=[5]"]
    assert points[7] == ["a.b=0.5", "c=[1, 2]", "train_dpo.seeds=[5]"]


def test_an_empty_grid_is_refused() -> None:
    """No axis, or an axis without values, is a mistake to be named, not a sweep of nothing."""
    with pytest.raises(OverrideError, match="no parameter and no seed"):
        forms.points(sweep_flow.Request(grid={}))
    with pytest.raises(OverrideError, match=r"a\.b has no values"):
        forms.points(sweep_flow.Request(grid={"a.b": []}))


def test_one_bad_point_does_not_end_a_sweep(fresh_toy) -> None:
    """Of two points the one whose value the stages refuse fails; the other is an experiment with its value in it."""
    request = sweep_flow.Request(grid={"toy.root": ["text", 3]}, name="try")
    state = sweep_flow.sweep(request, return_state=True)
    assert state.is_failed() and "1 of 2 failed: try-root-text" in str(state.message)
    [name] = fresh_toy.dvc("exp", "list", "--name-only").stdout.split()
    assert name.startswith("try-root-3-")
    [ref] = fresh_toy.git("for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{name}").split()
    assert "root 3\n" in fresh_toy.git("show", f"{ref}:metrics/last.txt")


def test_an_audit_passes_on_a_clean_project_and_names_what_was_altered(fresh_toy) -> None:
    """Nothing is wrong after everything was committed; one flipped byte of an output fails the flow."""
    fresh_toy.git("add", "--all")
    fresh_toy.git("commit", "--quiet", "--message", "study")
    request = audit_flow.Request(export=False)
    state = audit_flow.audit(request, return_state=True)
    assert state.is_completed() and "no mismatch" in str(state.message)
    path = fresh_toy.root / "data" / "side" / "b.txt"
    path.write_bytes(path.read_bytes().replace(b"side-b", b"side-B"))
    assert audit_flow.audit(request, return_state=True).is_failed()
    wrong = {one.where for one in audit_flow.verify_project(fresh_toy.root).mismatches}
    assert any("data/side/b.txt" in where for where in wrong)


def test_every_run_is_noted_with_its_stages(fresh_toy) -> None:
    """`why` can say which flow runs made a stage or found it fresh: the ledger has the last run, all six Cached."""
    from flows.study import study  # noqa: PLC0415

    before = len(ledger.flow_runs())
    study(return_state=True)
    runs = ledger.flow_runs()
    assert len(runs) == before + 1
    assert set(runs[-1].outcomes.values()) == {"Cached"} and len(runs[-1].keys) == 6
