"""The notes of a whole study that `dvc repro` ran."""

from tasks.plumbing import ledger, lineage


def test_every_execution_is_noted_under_the_key_that_dvc_lock_has(study) -> None:
    """A note's key is made before DVC writes dvc.lock, from what lies on disk; it is the one made from dvc.lock."""
    locked = lineage.locked_stages()
    assert len(locked) >= 20
    for name, stage in locked.items():
        notes = ledger.executions(stage.key)
        assert notes, f"{name}: no note under {stage.key}"
        assert (notes[0].stage, notes[0].flow_run, notes[0].experiment) == (name, None, None)
        assert notes[0].seconds > 0
