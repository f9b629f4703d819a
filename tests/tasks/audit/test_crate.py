"""The exported crate: valid in somebody else's eyes, read back the same, and without what must not be in it."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import rocrate
from requests import Request, Response
from requests_cache import CachedSession
from rocrate.rocrate import ROCrate
from rocrate_validator import models, services
from urllib3 import HTTPResponse

from tasks.audit.__main__ import main
from tasks.audit.crate import export
from tasks.audit.snapshot import BrokenStudyError, NotFoundError, Snapshot

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROFILES = ["ro-crate-1.1", "process-run-crate-0.5", "workflow-run-crate-0.5", "workflow-ro-crate-1.0"]
INCLUDED = {
    "LICENSE",
    "README.md",
    "data/report/figures/languages.svg",
    "data/report/report.html",
    "dvc.lock",
    "dvc.yaml",
    "metrics/measure_retrieval/languages.csv",
    "metrics/measure_retrieval/summary.json",
    "params.yaml",
    "ro-crate-metadata.json",
}


@pytest.fixture(scope="session")
def http_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The validator's own cache with RO-Crate's vocabulary, which it reads instead of the network.

    The library that makes crates carries the vocabulary of RO-Crate 1.3; four terms had other addresses in 1.1.
    """
    shipped = json.loads((Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_text(encoding="utf-8"))
    bioschemas = "https://bioschemas.org/"
    shipped["@context"] |= {
        "ComputationalWorkflow": f"{bioschemas}ComputationalWorkflow",
        "FormalParameter": f"{bioschemas}FormalParameter",
        "input": f"{bioschemas}ComputationalWorkflow#input",
        "output": f"{bioschemas}ComputationalWorkflow#output",
    }
    body = json.dumps(shipped).encode()
    kind = {"Content-Type": "application/ld+json"}
    response = Response()
    response.status_code, response.url, response._content = 200, CONTEXT, body
    response.headers.update(kind)
    response.request = Request("GET", CONTEXT).prepare()
    response.raw = HTTPResponse(body=BytesIO(body), status=200, headers=kind, preload_content=False)
    path = tmp_path_factory.mktemp("http") / "cache"
    with CachedSession(cache_name=str(path), backend="sqlite", expire_after=-1) as session:
        session.cache.save_response(response)
        session.cache.close()
    return path


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # within the validator
def test_the_crate_is_valid(toy: Any, tmp_path: Path, http_cache: Path, profile: str) -> None:
    """An independent validator finds nothing that a profile requires and the crate lacks."""
    crate = export(toy.root, tmp_path / "crate")
    settings = models.ValidationSettings(
        rocrate_uri=str(crate),
        profile_identifier=profile,
        requirement_severity=models.Severity.REQUIRED,
        offline=True,
        cache_path=http_cache,
    )
    result = services.validate(settings)
    assert [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()] == []
    assert result.passed()


def test_a_library_reads_it_back(toy: Any, tmp_path: Path) -> None:
    """Every entity comes back, and the main one is the graph."""
    crate = export(toy.root, tmp_path / "crate")
    graph = json.loads((crate / "ro-crate-metadata.json").read_text(encoding="utf-8"))["@graph"]
    read = ROCrate(crate)
    assert {entity.id for entity in read.get_entities()} == {entity["@id"] for entity in graph}
    assert read.mainEntity.id == "dvc.yaml"
    assert read.mainEntity["programmingLanguage"]["name"] == "DVC"
    assert read.license.id == "https://spdx.org/licenses/Apache-2.0"
    assert len({entity["@id"] for entity in graph}) == len(graph) > 60


def test_every_stage_is_an_action(toy: Any, tmp_path: Path) -> None:
    """7 executed stages and the study as a whole, each with an instrument, inputs and results."""
    read = ROCrate(export(toy.root, tmp_path / "crate"))
    actions = {action["name"]: action for action in read.get_by_type("CreateAction")}
    assert set(actions) == {"The study", *Snapshot(toy.root).stages}
    assert len(actions) == 8
    train = actions["train@2"]
    assert train["instrument"]["description"] == "python tasks/train.py 2"
    assert {one.id for one in train["object"]} == {"#artefact/models/prepare_model", "#param/train.rate"}
    assert train["result"].id == "#artefact/models/train/2"
    assert actions["The study"]["instrument"].id == "dvc.yaml"
    assert {one.id for one in actions["The study"]["object"]} == {"params.yaml", "#artefact/data/words"}
    assert "startTime" not in train


def test_times_come_from_the_ledger(toy: Any, tmp_path: Path) -> None:
    """A stage that a note tells of has start and end; the study has none, for other stages have no note."""
    key = Snapshot(toy.root).stages["report"].key
    note = {
        "key": key,
        "stage": "report",
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 90.0,
        "peak_memory_mib": 1.0,
        "peak_gpu_memory_mib": None,
        "device": "some-machine-s-device",
        "versions": {},
        "git_commit": "abc",
        "git_diff": None,
        "flow_run": None,
        "experiment": None,
    }
    toy.note("executions", f"{key}-1", note)
    read = ROCrate(export(toy.root, tmp_path / "crate"))
    actions = {action["name"]: action for action in read.get_by_type("CreateAction")}
    assert actions["report"]["startTime"] == "2026-01-02T03:04:05+00:00"
    assert actions["report"]["endTime"] == "2026-01-02T03:05:35+00:00"
    assert "endTime" not in actions["The study"]


def test_only_listed_files_are_in_it(toy: Any, tmp_path: Path) -> None:
    """Graph, record, params, metrics and the report are there with their digests; models and data are digests only."""
    crate = export(toy.root, tmp_path / "crate")
    assert files(crate) == INCLUDED
    read = ROCrate(crate)
    for name in sorted(INCLUDED - {"ro-crate-metadata.json"}):
        content = (crate / name).read_bytes()
        assert content == (toy.root / name).read_bytes()
        assert read.get(name)["sha256"] == hashlib.sha256(content).hexdigest()
        assert read.get(name)["contentSize"] == str(len(content))
        assert read.get(name)["identifier"] == f"md5:{hashlib.md5(content).hexdigest()}"
    model = read.get("#artefact/models/train/1")
    assert model["identifier"] == f"md5:{Snapshot(toy.root).outputs['models/train/1'].md5}"
    assert model["license"].id == "https://spdx.org/licenses/Apache-2.0"


def test_a_report_that_shows_texts_stays_outside(toy: Any, tmp_path: Path) -> None:
    """Where the report prints generated text instead of redacting it, the crate names it by digest."""
    toy.write("params.yaml", (toy.root / "params.yaml").read_text().replace("show_text: false", "show_text: true"))
    crate = export(toy.root, tmp_path / "crate")
    assert not any(name.startswith("data/report") for name in files(crate))
    assert ROCrate(crate).get("#artefact/data/report") is not None


def test_a_zip_has_the_same_files(toy: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A target that ends in .zip is one file with the same content."""
    folder = export(toy.root, tmp_path / "crate")
    assert main(["crate", str(tmp_path / "crate.zip")]) == 0
    assert capsys.readouterr().out.strip().endswith("crate.zip")
    with zipfile.ZipFile(tmp_path / "crate.zip") as archive:
        assert set(archive.namelist()) == files(folder)
        for name in archive.namelist():
            assert archive.read(name) == (folder / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith((".", "crate"))) == [
        "crate",
        "crate.zip",
    ]


def test_the_same_study_gives_the_same_crate(toy: Any, tmp_path: Path) -> None:
    """No clock and no chance: two exports are equal, and dated by the commit."""
    one, two = export(toy.root, tmp_path / "one"), export(toy.root, tmp_path / "two")
    metadata = (one / "ro-crate-metadata.json").read_bytes()
    assert metadata == (two / "ro-crate-metadata.json").read_bytes()
    dated = datetime.fromisoformat(toy.git("log", "-1", "--format=%cI"))
    assert ROCrate(one).datePublished == dated


def test_an_altered_study_is_not_exported(toy: Any, tmp_path: Path) -> None:
    """A crate would vouch for a metric that no stage made: refused, and nothing is written."""
    toy.write("metrics/measure_retrieval/summary.json", "{}")
    with pytest.raises(BrokenStudyError, match=r"metrics/measure_retrieval/summary\.json: recorded as"):
        export(toy.root, tmp_path / "crate")
    assert not (tmp_path / "crate").exists()


def test_a_folder_with_something_else_is_left_alone(toy: Any, tmp_path: Path) -> None:
    """An earlier crate is replaced, any other folder is refused."""
    export(toy.root, tmp_path / "crate")
    (tmp_path / "crate" / "left-over.txt").write_text("old")
    export(toy.root, tmp_path / "crate")
    assert not (tmp_path / "crate" / "left-over.txt").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("precious")
    with pytest.raises(NotFoundError, match="something else"):
        export(toy.root, tmp_path / "other")
    assert files(tmp_path / "other") == {"thesis.txt"}


def test_neither_person_nor_machine_is_in_it(toy: Any, tmp_path: Path, canary: str) -> None:
    """The committer's name and address, the folder, and the environment are in no file that the export wrote."""
    crate = export(toy.root, tmp_path / "crate")
    text = (crate / "ro-crate-metadata.json").read_text(encoding="utf-8")
    assert "prepare_model" in text
    for word in (canary, "toy@invalid", str(tmp_path), str(toy.root)):
        assert word not in text
    assert json.loads(text)["@graph"]


def test_a_study_without_git_has_a_date(empty: Any, entry: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """Without a commit the crate is dated by the ledger, or by the beginning of time."""
    empty.write("params.yaml", "{}\n")
    empty.write("metrics/m.json", "{}")
    empty.write_lock({"m": entry("run", {}, {"metrics/m.json": "{}"})})
    assert ROCrate(export(empty.root, tmp_path / "crate")).datePublished.year == 1970
