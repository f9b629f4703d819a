"""Code dependencies that are packages: their files are named wherever something differs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.audit.chain import chain
from tasks.audit.crate import METADATA, export
from tasks.audit.difference import difference
from tasks.audit.snapshot import NotFoundError
from tasks.audit.verify import verify


@pytest.fixture
def packaged(toy: Any, run_dvc: Callable[..., Any]) -> Any:
    """The toy, whose report depends on the package tasks/plumbing, brought up to date and committed."""
    text = (toy.root / "dvc.yaml").read_text()
    toy.write("dvc.yaml", text.replace("tasks/report.py,", "tasks/report.py, tasks/plumbing,"))
    toy.write("tasks/plumbing/words.py", "WORDS = 3\n")
    assert run_dvc(toy.root, "repro").returncode == 0
    toy.commit("Depend on a package")
    return toy


def test_why_names_the_package_and_its_files(packaged: Any) -> None:
    """The package is code, not a source, and a file inside it can be asked for."""
    found = chain(packaged.root, "data/report")
    [package] = [code for code in found.stage("report").code if code.path == "tasks/plumbing"]
    assert sorted(package.files or {}) == ["files.py", "words.py"]
    assert [source.path for source in found.sources] == ["data/words"]
    file = chain(packaged.root, "tasks/plumbing/words.py")
    assert file.md5 == (package.files or {})["words.py"] and file.made_by == []
    with pytest.raises(NotFoundError, match=r"tasks/plumbing/words\.py"):
        chain(packaged.root, "tasks/plumbing/wrods.py")


def test_verify_and_why_name_the_file_that_differs(packaged: Any) -> None:
    """Not only the package, whose digest tells nobody where to look; git has what was recorded."""
    packaged.write("tasks/plumbing/words.py", "WORDS = 4\n")
    where = [one.where for one in verify(packaged.root).mismatches if one.kind == "file"]
    assert where == ["tasks/plumbing/words.py"]
    assert [one.path for one in chain(packaged.root, "data/report").altered] == ["tasks/plumbing/words.py"]
    assert "tasks/plumbing/words.py" in difference(packaged.root).notes[0]


def test_diff_names_the_file_that_differs(packaged: Any, run_dvc: Callable[..., Any]) -> None:
    """Between two commits, one file of the package and the stage's own module changed."""
    packaged.write("tasks/plumbing/words.py", "WORDS = 4\n")
    script = (packaged.root / "tasks/report.py").read_text()
    packaged.write("tasks/report.py", script.replace("<p>", "<p>total "))
    assert run_dvc(packaged.root, "repro").returncode == 0
    packaged.commit("Change a file of the package")
    [group] = difference(packaged.root, "HEAD~1", "HEAD").groups
    assert [cause.where for cause in group.causes] == ["tasks/plumbing/words.py", "tasks/report.py"]
    assert {cause.kind for cause in group.causes} == {"code"}


def test_the_crate_lists_the_package_s_files(packaged: Any, tmp_path: Path) -> None:
    """Package and files are source code with their digests."""
    crate = export(packaged.root, tmp_path / "crate")
    graph = json.loads((crate / METADATA).read_text(encoding="utf-8"))["@graph"]
    entities = {one["@id"]: one for one in graph}
    package = entities["#artefact/tasks/plumbing"]
    assert package["@type"] == "SoftwareSourceCode"
    assert [one["@id"] for one in package["hasPart"]] == [
        "#artefact/tasks/plumbing/files.py",
        "#artefact/tasks/plumbing/words.py",
    ]
    assert entities["#artefact/tasks/plumbing/words.py"]["identifier"].startswith("md5:")


def test_a_missing_note_of_the_machine_is_no_mismatch(toy: Any) -> None:
    """The marker of the MLflow mirror is absent from a clone; any other lost output is named."""
    for path in (".polydetox/mirror.json", "data/lost.json"):
        toy_lock = toy.lock()["stages"]
        toy_lock["report"]["outs"].append({"path": path, "hash": "md5", "md5": "0" * 32, "size": 1})
        toy.write_lock(toy_lock)
    found = [one.where for one in verify(toy.root).mismatches if one.kind == "file"]
    assert found == ["data/lost.json"]
