"""Artefacts are whole or absent, and what is wrong with one is said by name."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.plumbing.files import (
    ArtefactError,
    read_json,
    read_table,
    require,
    stage_of,
    write_csv,
    write_json,
    write_parquet,
    writing,
)


class Killed(BaseException):
    """As little to be caught as a kill."""


def _content(path: Path) -> Any:
    """A file's text, or a folder's files with their texts."""
    if path.is_dir():
        return {str(p.relative_to(path)): p.read_text() for p in sorted(path.rglob("*")) if p.is_file()}
    return path.read_text()


def _make(path: Path, content: Any) -> None:
    if isinstance(content, str):
        path.write_text(content)
        return
    for name, text in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)


FOLDER = {"a.txt": "new a", "deep/b.txt": "new b"}
OLD_FOLDER = {"a.txt": "old", "stale.txt": "must go"}


@pytest.mark.parametrize("old", [None, "old", OLD_FOLDER], ids=["nothing", "file", "folder"])
@pytest.mark.parametrize("new", ["new", FOLDER], ids=["file", "folder"])
def test_a_finished_block_replaces_what_was_there(tmp_path: Path, old: Any, new: Any) -> None:
    """File or folder, over nothing, file or folder: afterwards the new content is there and nothing else."""
    target = tmp_path / "made" / "target"
    if old is not None:
        target.parent.mkdir()
        _make(target, old)
    with writing(target) as part:
        assert part.parent == target.parent  # the same file system, so that renaming is enough
        assert not part.exists()
        _make(part, new)
        assert (_content(target) if old is not None else None) == old  # still there while the new is made
    assert _content(target) == new
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Killed])
@pytest.mark.parametrize("old", [None, "old", OLD_FOLDER], ids=["nothing", "file", "folder"])
@pytest.mark.parametrize("begun", [None, "half", {"half.txt": "x"}], ids=["before", "file", "folder"])
def test_a_failed_block_leaves_what_was_there(tmp_path: Path, error: type[BaseException], old: Any, begun: Any) -> None:
    """An error before or amid writing leaves the old content, or none, and the next attempt starts clean."""
    target = tmp_path / "target"
    if old is not None:
        _make(target, old)
    with pytest.raises(error), writing(target) as part:
        if begun is not None:
            _make(part, begun)
        raise error
    assert (_content(target) if target.exists() else None) == old
    with writing(target) as part:
        assert not part.exists()
        _make(part, FOLDER)
    assert _content(target) == FOLDER
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("old", ["old", OLD_FOLDER], ids=["file", "folder"])
def test_a_block_that_writes_nothing_leaves_what_was_there(tmp_path: Path, old: Any) -> None:
    """A block that forgot to write fails, and does not cost the old content."""
    target = tmp_path / "target"
    _make(target, old)
    with pytest.raises(OSError), writing(target):  # any error of the file system
        pass
    assert _content(target) == old


def test_require_names_the_stage_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is returned; what is missing is named with the command that makes it."""
    monkeypatch.chdir(tmp_path)
    Path("data/prepare_pairs").mkdir(parents=True)
    assert require(Path("data/prepare_pairs")) == Path("data/prepare_pairs")
    with pytest.raises(ArtefactError, match=r"data/prepare_pairs/pairs\.parquet: not there.*`dvc repro prepare_pairs`"):
        require(Path("data/prepare_pairs/pairs.parquet"))


@pytest.mark.parametrize(
    ("path", "stage"),
    [
        ("data/prepare_pairs/pairs.parquet", "prepare_pairs"),
        ("models/prepare_model", "prepare_model"),
        ("models/train_dpo/2", "train_dpo@2"),
        ("data/train_dpo/2/run.json", "train_dpo@2"),
        ("data/generate/dpo-1.parquet", "generate"),
        ("metrics/measure_transfer/summary.json", "measure_transfer"),
    ],
)
def test_stage_of_an_artefact(path: str, stage: str) -> None:
    """The folder below data, models or metrics is the stage, and a folder below that is the item."""
    assert stage_of(Path(path)) == stage


ROWS = {"prompt_id": ["p1", "p1", "p2"], "sample": [0, 1, 0], "text": ["a", None, "nan"], "score": [0.1, 0.25, math.pi]}


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_tables_come_back_as_written(tmp_path: Path, suffix: str) -> None:
    """Order, types, missing texts and the text "nan" survive both formats; a CSV keeps six digits of a number."""
    path = tmp_path / f"table.{suffix}"
    frame = pd.DataFrame(ROWS, index=[5, 3, 1])
    (write_parquet if suffix == "parquet" else write_csv)(path, frame)
    back = read_table(path, ["prompt_id", "text"], key=["prompt_id", "sample"])
    assert list(back.columns) == list(ROWS)
    assert list(back.index) == [0, 1, 2]
    assert back["prompt_id"].tolist() == ROWS["prompt_id"]
    assert back["sample"].tolist() == ROWS["sample"]
    assert back["text"].isna().tolist() == [False, True, False]
    assert back["text"].dropna().tolist() == ["a", "nan"]
    assert back["score"].tolist() == [0.1, 0.25, math.pi if suffix == "parquet" else 3.14159]
    assert list(frame.index) == [5, 3, 1]  # the caller's table is as it was


def test_csv_has_unix_lines(tmp_path: Path) -> None:
    """Bytes that do not depend on the machine, so that a digest can be compared."""
    write_csv(tmp_path / "t.csv", pd.DataFrame({"a": [1, 2], "b": [1 / 3, float("nan")]}))
    assert (tmp_path / "t.csv").read_bytes() == b"a,b\n1,0.333333\n2,\n"


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("rows", "columns", "key", "message"),
    [
        (ROWS, ["text", "language"], [], r"column 'language' is missing; it has prompt_id, sample, text, score"),
        ({"a": []}, ["a"], [], r"has no rows"),
        (ROWS, ["text"], ["prompt_id"], r"row 1: prompt_id 'p1' appears twice"),
        (
            {"pair": ["a", "b", "b"], "n": [1, 2, 2]},
            ["pair"],
            ["pair", "n"],
            r"row 2: pair 'b', n (np\.int64\()?2\)? appears twice",
        ),
    ],
    ids=["column", "empty", "key", "two keys"],
)
def test_a_wrong_table_is_refused(
    tmp_path: Path, suffix: str, rows: dict[str, list[Any]], columns: list[str], key: list[str], message: str
) -> None:
    """A missing column, no rows, or a repeated key: named with the file, the row and its values."""
    path = tmp_path / f"table.{suffix}"
    (write_parquet if suffix == "parquet" else write_csv)(path, pd.DataFrame(rows))
    with pytest.raises(ArtefactError, match=message) as caught:
        read_table(path, columns, key)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_table_names_its_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to run is part of the message."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtefactError, match=r"data/score_toxicity/base\.parquet: not there.*`dvc repro score_toxicity"):
        read_table(Path("data/score_toxicity/base.parquet"), ["score"])


def test_json_is_rounded_and_strict(tmp_path: Path) -> None:
    """Six digits; NaN and infinities are null, at any depth and of numpy too; keys keep their order; text is UTF-8."""
    path = tmp_path / "m.json"
    value = {
        "z": 1 / 3,
        "a": [float("nan"), float("inf"), -math.inf, 123456789.0],
        "nested": {"deep": (np.float64(2 / 3), np.float32("nan"), np.int64(7), np.bool_(True))},
        3: "ü",
        "none": None,
        "yes": True,
        "big": 12345678901,
        "small": -1.23456789e-12,
    }
    write_json(path, value)

    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    back = json.loads(path.read_text(encoding="utf-8"), parse_constant=no_constant)
    assert back == {
        "z": 0.333333,
        "a": [None, None, None, 123457000.0],
        "nested": {"deep": [0.666667, None, 7, True]},
        "3": "ü",
        "none": None,
        "yes": True,
        "big": 12345678901,
        "small": -1.23457e-12,
    }
    assert list(back) == ["z", "a", "nested", "3", "none", "yes", "big", "small"]
    assert "ü" in path.read_text(encoding="utf-8")
    assert path.read_bytes().endswith(b"}\n")
    assert read_json(path) == back


def test_a_value_that_json_cannot_hold_leaves_the_old_file(tmp_path: Path) -> None:
    """An object without a JSON form is an error, and the file is as it was."""
    path = tmp_path / "m.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path) == {"a": 1}


def test_a_broken_or_missing_json_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: the file and where; missing: the file and the stage to run."""
    monkeypatch.chdir(tmp_path)
    Path("broken.json").write_text('{"a": ')
    with pytest.raises(ArtefactError, match=r"broken\.json: not valid JSON: .*line 1"):
        read_json(Path("broken.json"))
    with pytest.raises(ArtefactError, match=r"data/report/x\.json: not there.*`dvc repro report`"):
        read_json(Path("data/report/x.json"))
