"""Every condition continues the same prompts from the same random numbers; only the changed neurons differ."""

from pathlib import Path

import pandas as pd

TARGET = Path("data/intervene_neurons/continuations.parquet")


def test_all_conditions_continue_the_same_prompts(study) -> None:
    """One unchanged condition; per dose the sources, and two draws of each control; four prompts in six languages."""
    frame = pd.read_parquet(TARGET)
    sizes = frame.groupby(["neurons", "draw", "dose"]).size()
    assert (sizes == 24).all()
    assert len(sizes) == 1 + 2 * (1 + 2 + 2 + 2)
    assert set(frame["neurons"]) == {"unchanged", "actual", "random", "matched", "direction"}


def test_a_changed_model_writes_something_else(study) -> None:
    """Compared with the unchanged model on the same prompts; the judge is the unchanged model for both."""
    frame = pd.read_parquet(TARGET).set_index(["language", "prompt_id", "sample"])
    unchanged = frame[frame["neurons"] == "unchanged"]
    for name in ("actual", "random", "matched", "direction"):
        changed = frame[(frame["neurons"] == name) & (frame["draw"] == 0) & (frame["dose"] == -5)]
        assert (changed["text"] != unchanged.loc[changed.index, "text"]).any()
    assert (unchanged.loc[unchanged["tokens"] > 0, "nll"] > 0).all()


def test_it_gives_the_same_again(study) -> None:
    """Byte for byte."""
    before = study.files("data/intervene_neurons")
    study.run("intervene_neurons")
    assert study.files("data/intervene_neurons") == before
