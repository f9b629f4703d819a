"""One policy per seed: reproducible, resumable, with a record of what was run."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tasks import __main__ as cli
from tasks import train_dpo
from tasks.train_dpo import TrainDpo

ROOT = Path(__file__).resolve().parents[2]


def test_validation_starts_at_log_two_and_falls(study) -> None:
    """Before a step the policy is the reference: both rewards are 0 and the loss is log 2 (0.693147)."""
    curves = pd.read_csv("data/train_dpo/1/curves.csv")
    first = curves[curves["step"] == 0].iloc[0]
    assert abs(first["validation_loss"] - 0.693147) < 1e-4
    assert first["validation_reward_chosen"] == first["validation_reward_rejected"] == 0
    assert curves["validation_loss"].min() < 0.6


def test_the_record_says_what_was_run(study) -> None:
    """run.json has every resolved argument, the best step, the number of pairs and the versions."""
    run = json.loads(Path("data/train_dpo/1/run.json").read_text())
    curves = pd.read_csv("data/train_dpo/1/curves.csv")
    best = curves.loc[curves["validation_loss"].idxmin(), "step"]
    assert run["best_step"] == best
    assert run["arguments"]["optim"] == "rmsprop" and run["arguments"]["beta"] == 0.1
    assert run["pairs"]["train"] > run["pairs"]["validation"] > 0
    assert set(run["versions"]) == {"python", "torch", "transformers", "trl"}


def test_a_killed_training_resumes_and_ends_at_the_same_bytes(
    copied_study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed after its second validation and started again, training ends as if nothing had happened."""
    expected = copied_study.files("models/train_dpo", "data/train_dpo")
    lines: list[str] = []

    def stop_at_the_third(line: str) -> None:
        lines.append(line)
        if len(lines) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(train_dpo, "print", stop_at_the_third, raising=False)
    with pytest.raises(KeyboardInterrupt):
        cli.main(["train_dpo", "1"])
    assert list(Path(".scratch").glob("train_dpo-1-*/checkpoint-*"))
    monkeypatch.undo()
    monkeypatch.chdir(copied_study.root)
    copied_study.run("train_dpo", "1")
    assert "step 0:" not in capsys.readouterr().out
    assert copied_study.files("models/train_dpo", "data/train_dpo") == expected
    assert not list(Path(".scratch").glob("train_dpo-*"))


def test_a_seed_that_params_do_not_list_is_refused(study, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the seeds there are."""
    assert cli.main(["train_dpo", "9"]) == 1
    assert "train_dpo.seeds has [1, 2]" in capsys.readouterr().err


def test_a_study_need_not_train() -> None:
    """Without a seed there is no policy to train: a study may judge checkpoints from elsewhere."""
    section = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["train_dpo"]
    assert TrainDpo.model_validate(section | {"seeds": []}).seeds == []
