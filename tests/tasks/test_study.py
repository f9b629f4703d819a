"""The study from end to end, as `dvc repro` runs it."""

from pathlib import Path

import pytest
import yaml

from tasks.plumbing import headline

# Stages per policy that reach tasks/scoring.
PER_POLICY = [
    f"{stage}@{policy}"
    for stage in ("score_toxicity", "score_fluency", "score_diversity", "identify_language")
    for policy in ("base", "dpo-1", "dpo-2")
]


def test_a_second_run_does_nothing(study, run_dvc) -> None:
    """Everything is up to date, and dvc.lock keeps its bytes."""
    before = Path("dvc.lock").read_bytes()
    done = run_dvc(study.root, "repro")
    assert done.returncode == 0
    assert "Running stage" not in done.stdout
    assert "Data and pipelines are up to date" in done.stdout
    assert Path("dvc.lock").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("permutations", {"measure_transfer", "report", "mirror_mlflow"}),
        ("scoring", {"score_labelled", "score_interventions", *PER_POLICY}),
    ],
)
def test_a_change_makes_stale_what_depends_on_it_and_nothing_else(copied_study, run_dvc, change, expected) -> None:
    """A parameter of the last measurement, or a comment in a package, touches the stages that use it."""
    if change == "permutations":
        loaded = yaml.safe_load(Path("params.yaml").read_text())
        loaded["measure_transfer"]["permutations"] += 1
        Path("params.yaml").write_text(yaml.safe_dump(loaded, sort_keys=False))
    else:
        module = Path("tasks/scoring/diversity.py")
        module.write_text(module.read_text() + "# a comment\n")
    status = run_dvc(copied_study.root, "status", "--json")
    stale = {name for name in yaml.safe_load(status.stdout)}
    if change == "permutations":
        done = run_dvc(copied_study.root, "repro")
        assert done.returncode == 0, done.stderr
        ran = {line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage")}
        assert stale == {"measure_transfer", "report"}  # the page prints the parameters
        assert ran == expected
    else:
        assert stale == expected


def test_the_headline_names_every_language_and_the_report(study, capsys: pytest.CaptureFixture[str]) -> None:
    """What `make repro` prints last."""
    headline.main()
    printed = capsys.readouterr().out
    for language in ["ar", "de", "en", "es", "ja", "zh", "others"]:
        assert f"  {language:8} 0." in printed
    assert (study.root / "data/report/report.html").as_uri() in printed


def test_a_secret_of_the_environment_is_in_no_file(study, canary: str) -> None:
    """Neither lock, report, metrics, DVC's cache, the ledger nor MLflow's store has what stood in the environment."""
    files = [path for path in study.root.rglob("*") if path.is_file() and ".git" not in path.parts]
    names = {path.name for path in files}
    assert {"dvc.lock", "report.html", "mlflow.db", "summary.json"} <= names and len(files) > 150
    assert any(".polydetox" in path.parts for path in files)
    assert [path for path in files if canary.encode() in path.read_bytes()] == []
