"""Continuations: k per prompt, the same whatever the batch, resumable."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from tasks import __main__ as cli
from tasks import generate


def test_every_prompt_is_continued_k_times(study) -> None:
    """5 samples for each of 10 prompts in 6 languages, none longer than 20 tokens."""
    continuations = pd.read_parquet("data/generate/base/continuations.parquet")
    assert len(continuations) == 5 * 10 * 6
    assert set(continuations.groupby(["language", "prompt_id"])["sample"].agg(tuple)) == {(0, 1, 2, 3, 4)}
    assert continuations["tokens"].map(len).max() <= 20


def test_samples_of_a_prompt_differ(study) -> None:
    """Each sample has randomness of its own."""
    continuations = pd.read_parquet("data/generate/base/continuations.parquet")
    assert continuations.groupby(["language", "prompt_id"])["text"].nunique().mean() > 3


def test_batch_size_changes_no_text(copied_study) -> None:
    """runtime.generate_batch is how, not what: 7 sequences at once give the same bytes as 1000."""
    expected = copied_study.files("data/generate/base")
    loaded = yaml.safe_load(Path("params.yaml").read_text())
    loaded["runtime"]["generate_batch"] = 7
    Path("params.yaml").write_text(yaml.safe_dump(loaded))
    copied_study.run("generate", "base")
    assert copied_study.files("data/generate/base") == expected


def test_a_killed_generation_keeps_finished_languages_and_ends_at_the_same_bytes(
    copied_study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in its third language, it continues there."""
    expected = copied_study.files("data/generate/base")
    done: list[object] = []

    def stop_at_the_third(*arguments, **options):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(arguments)
        return original(*arguments, **options)

    original = generate.continue_prompts
    monkeypatch.setattr(generate, "continue_prompts", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        cli.main(["generate", "base"])
    assert len(list(Path(".scratch").glob("generate-base-*/*.parquet"))) == 2
    calls: list[object] = []
    monkeypatch.setattr(generate, "continue_prompts", lambda *a, **o: calls.append(a) or original(*a, **o))
    copied_study.run("generate", "base")
    assert len(calls) == 4
    assert copied_study.files("data/generate/base") == expected


def test_a_prompt_longer_than_the_context_is_refused(copied_study, capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the prompt and the numbers; nothing is truncated in silence."""
    path = Path("data/prepare_prompts/prompts.parquet")
    prompts = pd.read_parquet(path)
    prompts.loc[0, "text"] = "piano " * 300
    prompts.to_parquet(path)
    assert cli.main(["generate", "base"]) == 1
    said = capsys.readouterr().err
    assert prompts.loc[0, "prompt_id"] in said and "context of 192 leaves room for 172" in said


def test_a_duplicate_prompt_id_is_refused(copied_study, capsys: pytest.CaptureFixture[str]) -> None:
    """Two prompts of a language under one id would be merged into one of 2k samples; the message names the row."""
    path = Path("data/prepare_prompts/prompts.parquet")
    prompts = pd.read_parquet(path)
    prompts.loc[1, "prompt_id"] = prompts.loc[0, "prompt_id"]
    prompts.to_parquet(path)
    assert cli.main(["generate", "base"]) == 1
    assert "row 1" in capsys.readouterr().err


def test_an_unknown_policy_is_refused(study, capsys: pytest.CaptureFixture[str]) -> None:
    """The message lists the policies there are."""
    assert cli.main(["generate", "dpo-9"]) == 1
    assert "base, dpo-1, dpo-2" in capsys.readouterr().err
