"""Sentences on training runs."""

from tasks.reporting.training import training_verdict


def test_training_that_never_improved() -> None:
    """The base model stays the best one, and the sentence says so."""
    assert "never falls below its start, 0.693; step 0 is kept" in str(
        training_verdict("Seed 1", 0.693, 0.693, 0, 9, 0)
    )


def test_training_that_stopped_at_its_end() -> None:
    """The last step being the best one hints at too few steps; a negative chosen reward is named."""
    sentence = str(training_verdict("Seed 1", 0.693, 0.1, 9, 9, -0.5))
    assert "the last, so it may not have converged" in sentence
    assert "became less likely as well" in sentence
    assert "less likely" not in str(training_verdict("Seed 1", 0.693, 0.1, 5, 9, 0.5))
