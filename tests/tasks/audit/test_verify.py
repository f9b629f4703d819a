"""Whatever is altered is found and named, and nothing else is."""

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.audit.__main__ import main
from tasks.audit.verify import verify

Corrupt = Callable[[Any, random.Random], str]


def flipped(project: Any, name: str, rng: random.Random) -> str:
    """Changes one byte of a file; size and modification time stay as they were."""
    path = project.root / name
    before, content = path.stat(), bytearray(path.read_bytes())
    place = rng.randrange(len(content))
    content[place] ^= rng.randrange(1, 256)
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size and path.stat().st_mtime_ns == before.st_mtime_ns
    return name


def flip(*globs: str) -> Corrupt:
    """Flips a byte in one of these files, drawn by chance."""

    def corrupt(project: Any, rng: random.Random) -> str:
        files = sorted(path for pattern in globs for path in project.root.glob(pattern) if path.is_file())
        return flipped(project, rng.choice(files).relative_to(project.root).as_posix(), rng)

    return corrupt


def replace(name: str, old: str, new: str, named: str | None = None, committed: bool = False) -> Corrupt:
    """Edits a text; committed, so that git cannot be what finds it."""

    def corrupt(project: Any, rng: random.Random) -> str:
        text = (project.root / name).read_text()
        assert text.count(old) >= 1
        project.write(name, text.replace(old, new, 1))
        if committed:
            project.commit("Edit")
        return named or name

    return corrupt


def relock(change: Callable[[dict[str, Any], random.Random], str]) -> Corrupt:
    """Edits dvc.lock and commits it, so that git cannot be what finds it."""

    def corrupt(project: Any, rng: random.Random) -> str:
        lock = project.lock()
        named = change(lock["stages"], rng)
        project.write_lock(lock["stages"])
        project.commit("Edit the record")
        return named

    return corrupt


def other_digest(kind: str) -> Callable[[dict[str, Any], random.Random], str]:
    def change(stages: dict[str, Any], rng: random.Random) -> str:
        one = rng.choice(rng.choice([stage for stage in stages.values() if kind in stage])[kind])
        place = rng.randrange(32)
        other = rng.choice([digit for digit in "0123456789abcdef" if digit != one["md5"][place]])
        one["md5"] = one["md5"][:place] + other + one["md5"][place + 1 :]
        return str(one["path"])

    return change


def set_entry(stage: str, kind: str, index: int, key: str, value: Any) -> Callable[..., str]:
    def change(stages: dict[str, Any], rng: random.Random) -> str:
        assert stages[stage][kind][index][key] != value
        stages[stage][kind][index][key] = value
        return str(stages[stage][kind][index]["path"])

    return change


def drop_stage(stages: dict[str, Any], rng: random.Random) -> str:
    name = rng.choice(sorted(stages))
    del stages[name]
    return name


def drop_dep(stages: dict[str, Any], rng: random.Random) -> str:
    return str(stages["score@1"]["deps"].pop()["path"])


def other_cmd(stages: dict[str, Any], rng: random.Random) -> str:
    stages["report"]["cmd"] += " --fast"
    return "report: cmd"


def other_param(stages: dict[str, Any], rng: random.Random) -> str:
    stages["train@2"]["params"]["params.yaml"]["train.rate"] = 0.25
    return "train.rate (train@2)"


def remove(name: str) -> Corrupt:
    def corrupt(project: Any, rng: random.Random) -> str:
        path = project.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        return name

    return corrupt


def add(name: str) -> Corrupt:
    def corrupt(project: Any, rng: random.Random) -> str:
        project.write(name, "extra")
        return name

    return corrupt


def swap(project: Any, rng: random.Random) -> str:
    """Exchanges two models: every byte is still somewhere."""
    one, other = (project.root / f"models/train/{item}/weights.bin" for item in (1, 2))
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)
    return "models/train/2/weights.bin"


def truncate(project: Any, rng: random.Random) -> str:
    path = project.root / "models/prepare_model/weights.bin"
    path.write_bytes(path.read_bytes()[: rng.randrange(100)])
    return "models/prepare_model/weights.bin"


def other_row(table: str, column: str, value: str, where: str, named: str) -> Corrupt:
    """Edits the MLflow store behind MLflow's back."""

    def corrupt(project: Any, rng: random.Random) -> str:
        store = sqlite3.connect(project.root / "mlflow.db")
        with store:
            assert store.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (value,)).rowcount >= 1
        store.close()
        return named

    return corrupt


CASES: dict[str, Corrupt] = {
    **{f"a byte of data {seed}": flip("data/score/*/*", "data/report/**/*") for seed in range(3)},
    **{f"a byte of a model {seed}": flip("models/**/*") for seed in range(3)},
    **{f"a byte of a metric {seed}": flip("metrics/**/*") for seed in range(3)},
    **{f"a byte of code {seed}": flip("tasks/*.py") for seed in range(3)},
    **{f"a byte of a source {seed}": flip("data/words/*") for seed in range(2)},
    **{f"a byte of dvc.lock {seed}": flip("dvc.lock") for seed in range(3)},
    **{f"a byte of dvc.yaml {seed}": flip("dvc.yaml") for seed in range(3)},
    **{f"a byte of params.yaml {seed}": flip("params.yaml") for seed in range(3)},
    **{f"a digest of an input in the record {seed}": relock(other_digest("deps")) for seed in range(3)},
    **{f"a digest of an output in the record {seed}": relock(other_digest("outs")) for seed in range(3)},
    "a byte of plumbing": flip("tasks/plumbing/*.py"),
    "a byte of the README": flip("README.md"),
    "a parameter": replace("params.yaml", "rate: 0.5", "rate: 0.6", "train.rate", committed=True),
    "a parameter that is removed": replace("params.yaml", ", pivot: en", "", "measure_retrieval.pivot", committed=True),
    "a parameter that is added": replace("params.yaml", "words: 3", "words: 3\n  more: 1", "prepare_model.more", True),
    "a comment in params.yaml": replace("params.yaml", "# per step", "# per year"),
    "a command in dvc.yaml": replace("dvc.yaml", "python tasks/report.py", "python -O tasks/report.py", "report", True),
    "an input in dvc.yaml": replace("dvc.yaml", ", data/words]", "]", "prepare_model: deps", committed=True),
    "an output in dvc.yaml": replace("dvc.yaml", "outs: [data/report]", "outs: [data/other]", "report: outs", True),
    "a stage in dvc.yaml that never ran": replace("dvc.yaml", "foreach: [1, 2]", "foreach: [1, 2, 3]", "train@3", True),
    "a size in the record": relock(set_entry("report", "outs", 0, "size", 1)),
    "a number of files in the record": relock(set_entry("prepare_model", "outs", 0, "nfiles", 9)),
    "a parameter in the record": relock(other_param),
    "a command in the record": relock(other_cmd),
    "a stage missing from the record": relock(drop_stage),
    "an input missing from the record": relock(drop_dep),
    "no record": remove("dvc.lock"),
    "a missing file of a folder": remove("models/prepare_model/tokens/vocabulary.txt"),
    "a missing metric": remove("metrics/measure_retrieval/languages.csv"),
    "a missing folder": remove("data/score/2"),
    "a missing source": remove("data/words/lexicon.csv"),
    "a missing module": remove("tasks/plumbing/files.py"),
    "an extra file in an output": add("models/train/1/optimiser.bin"),
    "an extra file among the sources": add("data/words/more.csv"),
    "a module that no commit has": add("tasks/shadow.py"),
    "two models exchanged": swap,
    "a model cut short": truncate,
    "a metric in MLflow": other_row("latest_metrics", "value", "41", "key = 'hits/ar'", "hits/ar"),
    "a digest in MLflow": other_row("tags", "value", "0" * 32, "key = 'dvc.out.data/score/1'", "data/score/1"),
}


def test_there_are_enough_cases() -> None:
    """At least thirty ways to corrupt a study; every one is a test below."""
    assert len(CASES) >= 30


@pytest.mark.parametrize("name", CASES)
def test_a_corruption_is_found_and_named(mirrored_toy: Any, name: str) -> None:
    """Exactly what was altered is named in a line that says what was expected, what is there and what to do."""
    rng = random.Random(f"{name}, by chance")
    named = CASES[name](mirrored_toy, rng)
    found = verify(mirrored_toy.root)
    lines = [line for line in found.lines() if named in line and not line.startswith("note: ")]
    assert lines, found.lines()
    assert found.mismatches
    for one in found.mismatches:
        assert one.where and one.expected != one.found and one.advice
        assert "\n" not in one.line()


def test_a_clean_study_has_no_mismatch(mirrored_toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """7 stages, 20 files and folders, 13 tracked files and 7 runs give far more than 100 comparisons, all equal."""
    found = verify(mirrored_toy.root)
    assert found.mismatches == []
    assert found.notes == []
    assert found.checked > 100
    assert main(["verify"]) == 0
    assert "all as recorded" in capsys.readouterr().out


def test_what_cannot_be_compared_is_a_note(toy: Any) -> None:
    """Without git, without MLflow, and with an old entry in dvc.lock there is nothing wrong, only less to compare."""
    shutil.rmtree(toy.root / ".git")
    lock = toy.lock()
    lock["stages"]["retired"] = lock["stages"]["report"] | {"outs": [{"path": "data/old", "md5": "0" * 32}]}
    toy.write_lock(lock["stages"])
    found = verify(toy.root)
    assert found.mismatches == []
    assert len(found.notes) == 3
    assert any("retired" in note for note in found.notes)
    assert not (toy.root / "mlflow.db").exists()


def test_absent_runs_are_a_note(mirrored_toy: Any) -> None:
    """A stage that was executed since the mirror was filled is not wrong, only not mirrored yet."""
    other_row("tags", "value", "another", "key = 'polydetox.key'", "")(mirrored_toy, random.Random())
    found = verify(mirrored_toy.root)
    assert found.mismatches == []
    assert ["train@2" in note and "make mirror" in note for note in found.notes] == [True]


def test_one_wrong_file_is_one_line(toy: Any) -> None:
    """A byte of an output is told once, with the file's name, not once more for every folder around it."""
    flipped(toy, "data/score/1/scores.csv", random.Random(1))
    assert [one.where for one in verify(toy.root).mismatches] == ["data/score/1/scores.csv"]


def test_a_wrong_digest_of_an_input_is_blamed_on_the_record(toy: Any) -> None:
    """Where another entry agrees with the disk, the line names dvc.lock and the stage, not the file."""
    relock(set_entry("score@1", "deps", 0, "md5", "0" * 32 + ".dir"))(toy, random.Random())
    found = [one for one in verify(toy.root).mismatches if one.kind == "lock"]
    assert [one.where for one in found] == ["dvc.lock: score@1: models/train/1"]


def test_json_and_exit_status(toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A mismatch gives exit status 1 and a document with its fields."""
    (toy.root / "data/report/report.html").write_text("<p>7</p>")
    assert main(["verify", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["version"] == 1
    assert [one["where"] for one in document["mismatches"]] == ["data/report/report.html"]


def test_pinned_data_is_verified(toy: Any, run_dvc: Callable[..., Any]) -> None:
    """Data that `dvc add` pinned in a *.dvc file is read again too."""
    toy.write("raw/corpus.txt", "some text\n")
    done = run_dvc(toy.root, "add", "raw/corpus.txt")
    assert done.returncode == 0, done.stderr
    toy.commit("Pin the corpus")
    assert verify(toy.root).mismatches == []
    (toy.root / "raw/corpus.txt").chmod(0o644)
    (toy.root / "raw/corpus.txt").write_text("some texT\n")
    assert [one.where for one in verify(toy.root).mismatches] == ["raw/corpus.txt (raw/corpus.txt.dvc)"]


def test_a_folder_that_is_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside a project there is nothing to verify: exit status 2."""
    monkeypatch.chdir(tmp_path)
    assert main(["verify"]) == 2
