"""From a result back to everything it was made from."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.audit.__main__ import main
from tasks.audit.account import Chain
from tasks.audit.chain import chain
from tasks.audit.snapshot import NotFoundError, Snapshot

SUMMARY = "metrics/measure_retrieval/summary.json"
# The words abba, banana, cab, 50 times: 50 * 6 a's and 50 * 4 b's. `train 1` drops the first letter, an a; `train 2`
# drops the b after it as well.
HITS = (50 * 6 - 1 + 50 * 4) + (50 * 6 - 1 + 50 * 4 - 1)


def test_the_chain_of_a_metric_is_complete(toy: Any) -> None:
    """The metric comes from both scores, both models, the base model, and the words written by hand."""
    found = chain(toy.root, f"{SUMMARY}:hits.ar")
    assert [stage.name for stage in found.stages] == [
        "prepare_model",
        "train@1",
        "score@1",
        "train@2",
        "score@2",
        "measure_retrieval",
    ]
    assert [source.path for source in found.sources] == ["data/words"]
    assert sorted(found.sources[0].files or {}) == ["lexicon.csv", "notes.txt"]
    assert found.sources[0].recorded == []
    last = found.stage("measure_retrieval")
    assert last.command == "python tasks/measure_retrieval.py"
    assert last.params == {"measure_retrieval.threshold": 0.25, "measure_retrieval.pivot": "en"}
    assert [code.path for code in last.code] == ["tasks/measure_retrieval.py"]
    assert [(one.path, one.made_by) for one in last.inputs] == [("data/score", ["score@1", "score@2"])]
    assert found.stage("score@2").scorer == {"id": "toy/counter", "revision": "r7"}
    assert found.base_model is not None
    assert found.base_model.model_dump() == {
        "stage": "prepare_model",
        "kind": "hub",
        "id": "some/model",
        "revision": "0123abc",
    }


def test_a_source_is_its_own_story(toy: Any) -> None:
    """Nothing makes a file that is written by hand; git says since when it is as it is."""
    found = chain(toy.root, "data/words/lexicon.csv")
    assert (found.made_by, found.stages) == ([], [])
    assert found.committed is not None and found.committed.id == toy.git("rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (SUMMARY, '{"hits": {"ar": 7}}'),
        ("data/words/lexicon.csv", "abba\n"),
        ("tasks/train.py", "pass\n"),
        ("params.yaml", "train: {rate: 9}\nprepare_model: {kind: mini}\nmeasure_retrieval: {}\n"),
    ],
)
def test_what_was_altered_since_is_named(toy: Any, name: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of the chain that is no longer what the record names gives exit status 1 and a line."""
    toy.write(name, text)
    assert main(["why", f"{SUMMARY}:hits.ar"]) == 1
    assert re.search(rf"altered since: {name.removesuffix('/lexicon.csv')}", capsys.readouterr().out)


def test_a_lost_file_is_altered_too(toy: Any) -> None:
    """A missing metric has no value, and the chain says that it is missing."""
    (toy.root / SUMMARY).unlink()
    found = chain(toy.root, f"{SUMMARY}:hits.ar")
    assert found.value is None
    assert [(one.path, one.found) for one in found.altered] == [(SUMMARY, "missing")]


def test_the_tree_tells_each_stage_once(toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Both scores lead to the base model: it is told at the first and referred to at the second."""
    assert main(["why", f"{SUMMARY}:hits.ar", "--full"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{SUMMARY}:hits.ar = {HITS}"
    assert sum("stage prepare_model: python tasks/prepare_model.py" in line for line in lines) == 1
    assert sum("stage prepare_model, see above" in line for line in lines) == 1
    assert any("scorer: toy/counter revision r7" in line for line in lines)
    assert any("base model: hub, made by prepare_model from some/model revision 0123abc" in line for line in lines)
    assert any("source data/words" in line for line in lines)


def test_the_short_answer_folds_items_and_says_what_it_hangs_on(toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """At most 25 lines: the maker, the source, the model, the scorer, and seeds folded into one name."""
    assert main(["why", f"{SUMMARY}:hits.ar"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{SUMMARY}:hits.ar = {HITS}" and len(lines) <= 25
    text = "\n".join(lines)
    assert "made by measure_retrieval: python tasks/measure_retrieval.py" in text
    assert "source data/words" in text and "base model: hub some/model revision 0123abc" in text
    assert "scorer toy/counter r7" in text and "train@{1,2}" in text and "train@1" not in text


def history(empty: Any, entry: Callable[..., dict[str, Any]], contents: list[str]) -> list[str]:
    """One commit per content of the only metric."""
    commits = []
    for content in contents:
        empty.write("metrics/m/summary.json", content)
        empty.write_lock({"m": entry("run", {"data/raw.csv": "raw"}, {"metrics/m/summary.json": content})})
        commits.append(empty.commit(f"Record {content}"))
    return commits


def test_the_commit_is_the_oldest_of_an_unbroken_run(empty: Any, entry: Callable[..., dict[str, Any]]) -> None:
    """Values 1, 2, 1, 1: the present 1 is recorded since the third commit, for the second broke the first run."""
    commits = history(empty, entry, ['{"a": 1}', '{"a": 2}', '{"a": 1}', '{"a": 1}'])
    empty.write("data/raw.csv", "raw")
    found = chain(empty.root, "metrics/m/summary.json:a")
    assert found.committed is not None
    assert found.committed.id == commits[2]
    assert found.altered == []


def test_what_no_commit_has_is_not_committed(
    empty: Any, entry: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A new result in the workspace is on no record of git."""
    history(empty, entry, ['{"a": 1}'])
    empty.write("data/raw.csv", "raw")
    empty.write("metrics/m/summary.json", '{"a": 3}')
    empty.write_lock({"m": entry("run", {"data/raw.csv": "raw"}, {"metrics/m/summary.json": '{"a": 3}'})})
    assert main(["why", "metrics/m/summary.json:a"]) == 0
    assert "not committed yet" in capsys.readouterr().out


def test_an_earlier_revision_has_its_own_value(empty: Any, entry: Callable[..., dict[str, Any]]) -> None:
    """With --rev the record and the metric of that revision are read, and the workspace is not looked at."""
    commits = history(empty, entry, ['{"a": 1}', '{"a": 2}'])
    empty.git("tag", "first", commits[0])
    found = chain(empty.root, "metrics/m/summary.json:a", rev="first")
    assert (found.value, found.rev, found.altered) == (1, "first", [])
    assert found.committed is not None and found.committed.id == commits[0]
    with pytest.raises(NotFoundError, match="nearest: first"):
        chain(empty.root, "metrics/m/summary.json:a", rev="frist")


def test_an_earlier_revision_reads_dvc_s_cache(toy: Any) -> None:
    """A table that git does not have is read from DVC's cache, though the workspace lost it."""
    shutil.rmtree(toy.root / "data/score")
    found = chain(toy.root, "data/score/1/scores.csv:letter=b:count", rev="HEAD")
    assert found.value == 200


def test_executions_and_flow_runs_are_told(toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A stage executed by one flow run and found up to date by two others, one of them with another key."""
    key = Snapshot(toy.root).stages["measure_retrieval"].key
    execution = {
        "key": key,
        "stage": "measure_retrieval",
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 12.5,
        "peak_memory_mib": 100.0,
        "peak_gpu_memory_mib": None,
        "device": "cpu",
        "versions": {},
        "git_commit": "abc",
        "git_diff": None,
        "flow_run": "one",
        "experiment": None,
    }
    toy.note("executions", f"{key}-2026", execution)
    toy.note("executions", f"{key}-broken", {"key": key})
    for name, day, outcome, its_key in (
        ("one", 2, "Executed", key),
        ("two", 3, "Cached", key),
        ("three", 4, "Cached", key),
        ("four", 5, "Cached", "another"),
    ):
        run = {
            "id": name,
            "name": f"run-{name}",
            "flow": "study",
            "url": f"http://127.0.0.1/{name}",
            "started": f"2026-01-0{day}T00:00:00+00:00",
            "finished": f"2026-01-0{day}T01:00:00+00:00",
            "experiment": None,
            "keys": {"measure_retrieval": its_key},
            "outcomes": {"measure_retrieval": outcome},
        }
        toy.note("flow_runs", name, run)
    assert main(["why", SUMMARY]) == 0
    printed = capsys.readouterr().out
    assert "executed 2026-01-02T03:04:05+00:00 in 12.5 s on cpu by flow run run-one http://127.0.0.1/one" in printed
    assert "found up to date since by 2 flow runs, last 2026-01-04T01:00:00+00:00" in printed
    assert "1 notes of executions cannot be read" in printed


def test_the_mirror_s_runs_are_named(mirrored_toy: Any) -> None:
    """Every stage with outputs has its run in the mirror."""
    found = chain(mirrored_toy.root, SUMMARY)
    runs = [stage.mirror_run for stage in found.stages]
    assert len(runs) == 6
    assert [run and run.name for run in runs] == [stage.name for stage in found.stages]
    assert len({run.id for run in runs if run}) == 6


def test_no_store_is_made(toy: Any) -> None:
    """Where there is no MLflow store, none is made and MLflow is not asked."""
    before = sorted(path.name for path in toy.root.iterdir())
    found = chain(toy.root, SUMMARY)
    assert found.notes == []
    assert sorted(path.name for path in toy.root.iterdir()) == before


def test_a_server_that_is_down_is_a_note(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens on port 9: the chain is told without runs, and the note does not give the address."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somebody:secret@127.0.0.1:9")
    found = chain(toy.root, SUMMARY)
    assert len(found.notes) == 1
    assert "secret" not in found.notes[0] and "127.0.0.1" not in found.notes[0]


def test_imported_sources_name_their_origin(toy: Any, run_dvc: Callable[..., Any], tmp_path: Path) -> None:
    """What `dvc import-url` wrote about a source is told with it."""
    (tmp_path / "origin.csv").write_text("imported\n")
    imported = run_dvc(toy.root, "import-url", str(tmp_path / "origin.csv"), "data/imported.csv")
    assert imported.returncode == 0, imported.stderr
    toy.write("dvc.yaml", (toy.root / "dvc.yaml").read_text().replace("data/words]", "data/words, data/imported.csv]"))
    assert run_dvc(toy.root, "repro", "prepare_model").returncode == 0
    sources = {source.path: source for source in chain(toy.root, "models/prepare_model").sources}
    assert [origin.startswith("data/imported.csv.dvc: ") for origin in sources["data/imported.csv"].recorded] == [True]
    assert "origin.csv" in sources["data/imported.csv"].recorded[0]


def test_json_is_the_documented_document(toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed is a Chain again, of version 1."""
    assert main(["why", f"{SUMMARY}:hits.ar", "--json"]) == 0
    printed = capsys.readouterr().out
    found = Chain.model_validate_json(printed)
    assert found == chain(toy.root, f"{SUMMARY}:hits.ar")
    assert json.loads(printed)["version"] == 1


@pytest.mark.parametrize("arguments", [["why", SUMMARY], ["why", SUMMARY, "--json"], ["verify"], ["diff"]])
def test_nothing_of_the_environment_is_printed(
    toy: Any, arguments: list[str], canary: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A word that stands in the environment, also in the tracker's address, is in no output."""
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert len(printed.out) > 20
    assert canary not in printed.out + printed.err
