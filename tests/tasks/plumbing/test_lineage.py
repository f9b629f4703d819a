"""dvc.lock is read as it stands, and a stage's key says what its result depends on."""

import itertools
from pathlib import Path

import pytest
import yaml

from tasks.plumbing.lineage import LockedStage, flatten, locked_stages

LOCK = """
schema: '2.0'
stages:
  train@2:
    cmd: python -m tasks train 2
    deps:
    - path: data/in
      hash: md5
      md5: aa.dir
      size: 3
      nfiles: 1
    - path: tasks/train.py
      hash: md5
      md5: bb
      size: 3
    params:
      params.yaml:
        train.recipe:
          beta: 0.1
          epochs: 1
    outs:
    - path: models/train/2
      hash: md5
      md5: '1234'
      size: 3
  mirror:
    cmd: python -m tasks mirror
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "dvc.lock"
    path.write_text(text)
    return path


def _stage(**changes: object) -> LockedStage:
    values: dict = {
        "name": "train@2",
        "command": "train 2",
        "deps": {"data/in": "aa", "tasks/train.py": "bb"},
        "params": {"train.recipe": {"beta": 0.1, "epochs": 1}},
        "outs": {"models/train/2": "cc"},
    }
    return LockedStage(**values | changes)


def test_stages_are_read_by_name(tmp_path: Path) -> None:
    """Sorted; digests by path, as text; a stage without deps, params and outs is one, too."""
    stages = locked_stages(_write(tmp_path, LOCK))
    assert list(stages) == ["mirror", "train@2"]
    assert stages["train@2"] == LockedStage(
        "train@2",
        "python -m tasks train 2",
        {"data/in": "aa.dir", "tasks/train.py": "bb"},
        {"train.recipe": {"beta": 0.1, "epochs": 1}},
        {"models/train/2": "1234"},
    )
    assert stages["train@2"].stage == "train"
    assert stages["mirror"] == LockedStage("mirror", "python -m tasks mirror", {}, {}, {})


def test_before_the_first_run_there_is_no_stage(tmp_path: Path) -> None:
    """No dvc.lock, no error."""
    assert locked_stages(tmp_path / "dvc.lock") == {}


def test_the_order_of_a_lock_is_no_part_of_a_key(tmp_path: Path) -> None:
    """Parallel stages write their entries as they end; deps and params may stand in any order."""
    shuffled = yaml.safe_load(LOCK)
    train = shuffled["stages"].pop("train@2")
    train["deps"].reverse()
    train["params"]["params.yaml"]["train.recipe"] = {"epochs": 1, "beta": 0.1}
    shuffled["stages"]["train@2"] = train
    before = locked_stages(_write(tmp_path, LOCK))
    after = locked_stages(_write(tmp_path, yaml.safe_dump(shuffled, sort_keys=False)))
    assert {name: stage.key for name, stage in before.items()} == {name: stage.key for name, stage in after.items()}


def test_a_key_says_what_a_result_depends_on() -> None:
    """Command, inputs, parameters: each change gives another key. Name and outputs do not count."""
    changed = [
        _stage(),
        _stage(command="train 3"),
        _stage(deps={"data/in": "ab", "tasks/train.py": "bb"}),
        _stage(deps={"data/other": "aa", "tasks/train.py": "bb"}),
        _stage(deps={"data/in": "aa"}),
        _stage(params={"train.recipe": {"beta": 0.2, "epochs": 1}}),
        _stage(params={"train.recipe": {"beta": 0.1}}),
        _stage(params={}),
        _stage(params={"train.recipe": {"beta": "0.1", "epochs": 1}}),
    ]
    for one, other in itertools.combinations(changed, 2):
        assert one.key != other.key, (one, other)
    assert _stage(outs={}).key == _stage(name="renamed").key == _stage().key


def test_a_key_stays_what_it_is() -> None:
    """It names runs in MLflow and notes in the ledger, made with earlier versions of this code."""
    # printf '%s' '["c", {"d": "1"}, {"p": 2}]' | sha256sum
    assert LockedStage("n", "c", {"d": "1"}, {"p": 2}, {}).key == "d4ae1a7fde8cdd96"


def test_every_stage_of_a_study_has_a_key_of_its_own(study) -> None:
    """As many keys as entries."""
    stages = locked_stages()
    assert len(stages) == 41
    assert len({stage.key for stage in stages.values()}) == 41


@pytest.mark.parametrize(
    ("value", "separator", "flat"),
    [
        ({"a": {"b": 1, "c": {"d": [1, 2]}}, "e": None}, ".", {"a.b": 1, "a.c.d": [1, 2], "e": None}),
        ({"emt": {"before": {"ar": 0.5}}}, "/", {"emt/before/ar": 0.5}),
        ({"seeds": {1: "x"}}, ".", {"seeds.1": "x"}),
        ({}, ".", {}),
    ],
)
def test_nested_values_become_one_level(value: dict, separator: str, flat: dict) -> None:
    """Keys are joined, lists stay lists."""
    assert flatten(value, separator=separator) == flat
