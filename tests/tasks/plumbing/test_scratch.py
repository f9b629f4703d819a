"""Work that was interrupted is found again by the same parameters, inputs and code, and by no others."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from tasks.plumbing import scratch as scratch_module
from tasks.plumbing.scratch import key, scratch


class Params(BaseModel, frozen=True):
    seed: int = 1
    rate: float = 0.5


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A file and a folder of two files, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "model").mkdir(parents=True)
    for name in ("in/pairs.csv", "in/model/a.bin", "in/model/b.bin"):
        (tmp_path / name).write_text(name)
    return [Path("in/pairs.csv"), Path("in/model")]


def test_the_key_is_stable(inputs: list[Path]) -> None:
    """Equal parameters and contents have equal keys, in whatever order the inputs are listed."""
    first = key("train_dpo", Params(), inputs)
    assert first == key("train_dpo", Params(seed=1), inputs) == key("train_dpo", Params(), inputs[::-1])
    for path in inputs[1].iterdir():
        path.write_text(path.read_text())  # touched, not changed
    assert key("train_dpo", Params(), inputs) == first


def test_the_key_changes_with_what_the_result_depends_on(inputs: list[Path]) -> None:
    """Each parameter and each input file, its content, name or presence, changes the key, and no two are equal."""
    keys = [
        key("train_dpo", Params(), inputs),
        key("train_dpo", Params(seed=2), inputs),
        key("train_dpo", Params(rate=0.25), inputs),
        key("train_dpo", Params(), inputs[:1]),
    ]
    inputs[0].write_text("other")
    keys.append(key("train_dpo", Params(), inputs))
    (inputs[1] / "a.bin").write_text("other")
    keys.append(key("train_dpo", Params(), inputs))
    (inputs[1] / "b.bin").rename(inputs[1] / "c.bin")
    keys.append(key("train_dpo", Params(), inputs))
    (inputs[1] / "deep").mkdir()
    (inputs[1] / "deep" / "d.bin").write_text("d")
    keys.append(key("train_dpo", Params(), inputs))
    (inputs[1] / "deep" / "d.bin").unlink()
    assert key("train_dpo", Params(), inputs) == keys[-2]
    assert len(set(keys)) == len(keys) == 8


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("train_dpo.py", True),
        ("world/a.py", True),
        ("training/a.py", True),
        ("plumbing/a.py", False),
        ("reporting/a.py", False),
        ("report.py", False),
    ],
)
def test_the_key_changes_with_the_code_that_computes(
    inputs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, counts: bool
) -> None:
    """The stage itself and the packages of subjects count; plumbing, reporting and other stages do not."""
    code = tmp_path / "tasks"
    for name in (
        "train_dpo.py",
        "report.py",
        "world/a.py",
        "training/a.py",
        "plumbing/a.py",
        "reporting/a.py",
    ):
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text("a = 1\n")
    monkeypatch.setattr(scratch_module, "CODE", code)
    before = key("train_dpo", Params(), inputs)
    (code / file).write_text("a = 2\n")
    assert (key("train_dpo", Params(), inputs) != before) is counts


def test_a_missing_input_is_an_error(inputs: list[Path]) -> None:
    """A key without one of its inputs would fit too much."""
    with pytest.raises(FileNotFoundError):
        key("train_dpo", Params(), [*inputs, Path("in/none.csv")])


def test_success_removes_the_folder(inputs: list[Path]) -> None:
    """Afterwards nothing of it is left; stage and item can be read off its name while it is there."""
    with scratch("train_dpo", "2", Params(), inputs) as folder:
        assert folder.is_dir()
        assert folder.name.startswith("train_dpo-2-")
        assert folder.parent.name == ".scratch"
        (folder / "shard").write_text("x")
    assert not folder.exists()
    assert list(Path(".scratch").iterdir()) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failure_keeps_the_folder_for_the_same_work(inputs: list[Path], error: type[BaseException]) -> None:
    """The same stage, item, parameters and inputs find it again; another of any of them finds an empty one."""
    with pytest.raises(error), scratch("train_dpo", "2", Params(), inputs) as folder:
        (folder / "shard").write_text("x")
        raise error
    others = [("train_dpo", "1", Params()), ("generate", "2", Params()), ("train_dpo", "2", Params(seed=2))]
    for stage, item, params in others:
        with scratch(stage, item, params, inputs) as other:
            assert list(other.iterdir()) == []
    with scratch("train_dpo", "2", Params(), inputs) as again:
        assert again == folder
        assert (again / "shard").read_text() == "x"
    assert not folder.exists()
