"""dvc.yaml, params.yaml, tasks/ and tests/ must agree: an undeclared dependency makes `dvc repro` lie."""

import ast
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks import __main__ as cli
from tasks.plumbing import params
from tasks.plumbing.digests import IGNORED, ignored

ROOT = Path(__file__).resolve().parents[1]
STAGES: dict[str, dict[str, Any]] = {
    name: entry.get("do") or entry
    for name, entry in yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"].items()
}
# What a module reads beside the code that it imports.
DATA_OF_MODULE = {"tasks/world/reader.py": "data/mini_world"}
NO_PACKAGE_OF_RESULTS = {"tasks/plumbing", "tasks/audit"}
ITEMS = {"train_dpo": "1", "explain_effect": "dpo-1"}


def imports(path: Path) -> set[Path]:
    """First-party modules that a file imports, wherever in the file it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            candidate = ROOT / Path(*name.split(".")).with_suffix(".py")
            if name.startswith(("tasks.", "flows.")) and candidate.exists():
                found.add(candidate)
    return found


def closure(stage: str) -> set[str]:
    """The stage's module, the packages of every module that it reaches, and the data that those modules read."""
    todo, seen = [ROOT / "tasks" / f"{stage}.py"], set()
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo += imports(path)
    modules = {path.relative_to(ROOT).as_posix() for path in seen}
    packages = {module.rpartition("/")[0] for module in modules} - {"tasks"} - NO_PACKAGE_OF_RESULTS
    data = {DATA_OF_MODULE[module] for module in modules & set(DATA_OF_MODULE)}
    return {f"tasks/{stage}.py"} | packages | data


def resolved(dependency: str) -> str:
    """A dependency whose path params.yaml gives, e.g. ${prepare_labelled.path}, as it is there."""
    if not (found := re.fullmatch(r"\$\{(\w+)\.path\}", dependency)):
        return dependency
    loaded = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    return str(loaded[found[1]]["path"])


def test_there_are_as_many_stages_as_the_study_has() -> None:
    """The checks below loop over 26 stages; an empty loop would prove nothing."""
    assert len(STAGES) == 26


@pytest.mark.parametrize("stage", STAGES)
def test_declared_dependencies_are_the_packages_that_it_reaches(stage: str) -> None:
    """A change in a package that a stage reaches re-runs it, and a change in any other does not."""
    declared = {resolved(str(dep)) for dep in STAGES[stage]["deps"]}
    declared_code = {dep for dep in declared if dep.startswith(("tasks/", "data/mini_world"))}
    needed = closure(stage)
    assert declared_code == needed, f"the code among the deps of {stage} should be [{', '.join(sorted(needed))}]"


def test_only_the_report_depends_on_reporting() -> None:
    """A change of wording or of a figure cannot re-run a stage that makes results."""
    assert [stage for stage in STAGES if "tasks/reporting" in STAGES[stage]["deps"]] == ["report"]
    readers = {stage for stage in STAGES for dep in STAGES[stage]["deps"] if str(dep).startswith("data/report")}
    assert readers == {"mirror_mlflow"}


def test_a_dependency_is_the_package_as_a_whole() -> None:
    """Packages are flat: nothing below tasks/PACKAGE/ lies deeper, and no other suffix would need a declaration."""
    inside = [path.relative_to(ROOT / "tasks") for path in (ROOT / "tasks").rglob("*") if path.is_file()]
    kept = [path for path in inside if not ignored(path)]
    assert len(kept) > 100
    assert {len(path.parts) for path in kept} == {1, 2}
    assert {path.suffix for path in kept} == {".py", ".j2"}


def test_dvc_ignores_what_our_digests_ignore() -> None:
    """`polydetox verify` computes the digests of folders itself; both leave out the same names."""
    lines = (ROOT / ".dvcignore").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == list(IGNORED)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_one_name_everywhere(stage: str) -> None:
    """dvc.yaml, tasks/, tests/ and the command name a stage alike, and its outs lie in its own folders."""
    assert (ROOT / "tasks" / f"{stage}.py").exists()
    assert (ROOT / "tests" / "tasks" / f"test_{stage}.py").exists()
    assert STAGES[stage]["cmd"].split()[:4] == ["python", "-m", "tasks", stage]
    for out in outs(stage):
        assert out.split("/")[1] == stage or (stage, out) == ("mirror_mlflow", ".polydetox/mirror.json")


def outs(stage: str) -> list[str]:
    """Paths that a stage makes."""
    entries = STAGES[stage].get("outs", []) + STAGES[stage].get("metrics", [])
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


@pytest.mark.parametrize("stage", STAGES)
def test_tracked_parameters_are_those_that_run_asks_for(stage: str) -> None:
    """What run() receives from params.yaml is what DVC tracks: nothing undeclared, nothing for show."""
    module = importlib.import_module(f"tasks.{stage}")
    asked = set(inspect.signature(module.run).parameters) - {"item", "runtime"}
    tracked = {str(key).partition(".")[0] for key in STAGES[stage].get("params", [])}
    if any("${item}" in str(dep) or "data/generate/${key}" in str(dep) for dep in STAGES[stage]["deps"]):
        asked -= {"policies"}  # the one path it takes from there is a dependency already
    if stage == "report":
        asked = set(params.read(ROOT / "params.yaml")) - {"runtime"}  # the page prints them all
    assert tracked == asked


def test_only_the_recipe_of_dpo_is_tracked() -> None:
    """train_dpo's section is seeds and recipe; tracking the seeds would re-train all policies when one is added."""
    section = params.read(ROOT / "params.yaml")["train_dpo"]
    assert set(section) == {"seeds", "recipe"}
    assert STAGES["train_dpo"]["params"] == ["train_dpo.recipe"]


@pytest.mark.parametrize("stage", STAGES)
def test_shipped_parameters_parse(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The params.yaml of the repository satisfies the types of every stage."""
    monkeypatch.chdir(ROOT)
    module = importlib.import_module(f"tasks.{stage}")
    item = None
    if "item" in inspect.signature(module.run).parameters:
        item = ITEMS.get(stage, "base")
    given = cli.stage_arguments(module, item)
    assert set(given) == set(inspect.signature(module.run).parameters)


def test_every_section_belongs_to_a_stage_or_is_shared() -> None:
    """params.yaml has no section that nothing reads."""
    sections = set(params.read(ROOT / "params.yaml"))
    assert sections <= {*STAGES, "languages", "policies", "mini_world", "runtime"}


def test_policies_and_seeds_must_agree() -> None:
    """The seeds are listed twice (DVC cannot derive one list from the other); a forgotten line is named."""
    loaded = params.read(ROOT / "params.yaml")
    params.check_policies(loaded)
    more_seeds = loaded | {"train_dpo": loaded["train_dpo"] | {"seeds": [1, 2, 3, 4]}}
    with pytest.raises(params.ParamsError, match="dpo-4 should read 'dpo-4: models/train_dpo/4'"):
        params.check_policies(more_seeds)
    fewer_seeds = loaded | {"train_dpo": loaded["train_dpo"] | {"seeds": [1, 2]}}
    with pytest.raises(params.ParamsError, match="dpo-3 has no seed"):
        params.check_policies(fewer_seeds)
    no_list = loaded | {"train_dpo": loaded["train_dpo"] | {"seeds": 4}}
    with pytest.raises(params.ParamsError, match=r"train_dpo\.seeds: expected a list, such as \[1, 2\], found 4"):
        params.check_policies(no_list)


def test_no_stage_that_gains_from_a_gpu_writes_a_metric_into_git() -> None:
    """An uncached output makes other clones re-run its stage, since DVC's run cache skips it."""
    costly = [name for name, entry in STAGES.items() if entry.get("meta", {}).get("gpu")]
    assert len(costly) == 14
    for stage in costly:
        assert not [entry for entry in STAGES[stage].get("outs", []) if isinstance(entry, dict)]
        assert "metrics" not in STAGES[stage]


def test_the_command_line_lists_every_stage_with_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -m tasks --help` says what each stage does."""
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    printed = capsys.readouterr().out
    for stage, entry in STAGES.items():
        assert f"{stage:20} {entry['desc']}" in printed


def test_an_unknown_section_is_refused_with_the_nearest_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt section would be ignored silently; instead the command names the right one and exits with 1."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("\nscore_diversity:", "\nscore_divercity:")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["score_diversity", "base"]) == 1
    assert "score_divercity: unknown section; did you mean 'score_diversity'?" in capsys.readouterr().err
