"""What changed between two moments, and the fewest inputs that explain it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tasks.audit.__main__ import main
from tasks.audit.difference import Cause, difference
from tasks.audit.snapshot import NotFoundError

METRIC = "metrics/measure/summary.json"
TABLE = "metrics/measure/languages.csv"
Entry = Callable[..., dict[str, Any]]


@pytest.fixture
def record(empty: Any, entry: Entry) -> Callable[..., str]:
    """Commits a study of four stages: prepare -> train -> measure, and prepare -> plot; keywords change it."""

    def commit(**changed: Any) -> str:
        has = {
            "code": "code 1",
            "train_code": "train 1",
            "raw": "raw 1",
            "rate": 0.5,
            "unused": [1, 2],
            "prepared": "prepared 1",
            "model": "model 1",
            "metric": {"emt": {"ar": 0.25, "de": 0.5}, "n": 3},
            "table": "language,emt\nar,0.25\nde,0.5\n",
            "plot": "plot 1",
            "cmd": "python plot.py",
        } | changed
        metric = json.dumps(has["metric"])
        empty.write(METRIC, metric)
        empty.write(TABLE, has["table"])
        empty.write_lock(
            {
                "prepare": entry(
                    "python prepare.py",
                    {"prepare.py": has["code"], "data/raw.csv": has["raw"]},
                    {"data/prepare": has["prepared"]},
                ),
                "train": entry(
                    "python train.py",
                    {"train.py": has["train_code"], "data/prepare": has["prepared"]},
                    {"models/train": has["model"]},
                    {"train": {"rate": has["rate"], "unused": has["unused"]}},
                ),
                "measure": entry(
                    "python measure.py", {"models/train": has["model"]}, {METRIC: metric, TABLE: has["table"]}
                ),
                "plot": entry(has["cmd"], {"data/prepare": has["prepared"]}, {"data/plot": has["plot"]}),
                "send": entry("python send.py", {"data/plot": has["plot"]}, {}),
            }
        )
        return str(empty.commit("Record"))

    return commit


def causes(found: Any) -> list[list[tuple[str, str]]]:
    return [[(cause.kind, cause.where) for cause in group.causes] for group in found.groups]


def test_equal_studies_do_not_differ(
    empty: Any, record: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Two records of the same study have no difference, and the command says so."""
    one, two = record(), record()
    assert difference(empty.root, one, two).groups == []
    assert main(["diff", one, two]) == 0
    assert capsys.readouterr().out == f"no result differs between {one} and {two}\n"


def test_a_param_explains_what_it_changed(empty: Any, record: Callable[..., str]) -> None:
    """The rate changed model and metric; the raw data changed too, but nothing came of it: it explains nothing."""
    one = record()
    two = record(rate=0.75, model="model 2", metric={"emt": {"ar": 0.75, "de": 0.5}, "n": 3}, raw="raw 2")
    found = difference(empty.root, one, two)
    assert causes(found) == [[("param", "train.rate")]]
    assert found.groups[0].causes[0] == Cause(kind="param", where="train.rate", before=0.5, after=0.75)
    (result,) = found.groups[0].results
    assert (result.path, result.stage) == (METRIC, "measure")
    assert [value.model_dump() for value in result.values] == [
        {"where": "emt.ar", "before": 0.25, "after": 0.75, "change": 0.5}
    ]


def test_results_are_grouped_by_what_explains_them(empty: Any, record: Callable[..., str]) -> None:
    """New code of the preparation changed the plot; with the list in params it changed the metrics."""
    one = record()
    two = record(
        code="code 2",
        prepared="prepared 2",
        unused=[3],
        model="model 2",
        metric={"emt": {"ar": 1}},
        table="language,emt\nar,0.125\nfr,1\n",
        plot="plot 2",
    )
    found = difference(empty.root, one, two)
    assert causes(found) == [
        [("code", "prepare.py")],
        [("code", "prepare.py"), ("param", "train.unused")],
    ]
    plot, metrics = found.groups
    assert [result.path for result in plot.results] == ["data/plot"]
    assert [result.path for result in metrics.results] == [TABLE, METRIC]
    assert [(value.where, value.before, value.after) for value in metrics.results[0].values] == [
        ("language=ar:emt", 0.25, 0.125),
        ("language=de:emt", 0.5, None),
        ("language=fr:emt", None, 1),
    ]
    assert [(value.where, value.after) for value in metrics.results[1].values] == [
        ("emt.ar", 1),
        ("emt.de", None),
        ("n", None),
    ]


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"cmd": "python plot.py --wide", "plot": "plot 2"}, ("command", "plot")),
        ({"raw": "raw 2", "prepared": "prepared 2", "plot": "plot 2"}, ("source", "data/raw.csv")),
        ({"plot": "plot 2"}, ("not reproducible", "plot")),
        ({"prepared": "prepared 2", "plot": "plot 2"}, ("not reproducible", "prepare")),
    ],
)
def test_other_explanations(
    empty: Any, record: Callable[..., str], changed: dict[str, str], cause: tuple[str, str]
) -> None:
    """A command, raw data, or nothing at all: a stage that made something else from the same is named."""
    one, two = record(), record(**changed)
    assert causes(difference(empty.root, one, two)) == [[cause]]


def test_a_new_stage_explains_its_results(empty: Any, record: Callable[..., str], entry: Entry) -> None:
    """A result that was not there before is explained by its stage."""
    one = record()
    stages = empty.lock()["stages"]
    empty.write_lock(stages | {"extra": entry("python extra.py", {}, {"data/extra": "extra"})})
    found = difference(empty.root, one)
    assert causes(found) == [[("stage", "extra")]]
    assert [(one.before is None, one.after is None) for one in found.groups[0].results] == [(True, False)]


def test_experiments_and_branches_are_revisions(empty: Any, record: Callable[..., str]) -> None:
    """An experiment's name is enough, though only DVC knows its ref; a wrong name is answered with the nearest."""
    one, two = record(), record(cmd="python other.py", plot="plot 2")
    empty.git("update-ref", f"refs/exps/{one[:2]}/{one[2:]}/wide-plot", two)
    empty.git("branch", "before", one)
    assert causes(difference(empty.root, "before", "wide-plot")) == [[("command", "plot")]]
    with pytest.raises(NotFoundError, match="nearest: wide-plot"):
        difference(empty.root, "before", "wide-plott")


def test_edits_without_effect_yet_are_a_note(toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """An edited module, source and param change no result before `dvc repro`; the note names them."""
    toy.write("tasks/train.py", "pass\n")
    toy.write("params.yaml", (toy.root / "params.yaml").read_text().replace("rate: 0.5", "rate: 0.6"))
    assert main(["diff"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "no result differs between HEAD and workspace"
    assert len(printed) == 2
    assert "tasks/train.py" in printed[1] and "train.rate" in printed[1]


def test_a_real_change_of_the_toy(toy: Any, run_dvc: Callable[..., Any]) -> None:
    """One word less changes every result; the words are the only explanation, though five stages ran again."""
    toy.write("data/words/lexicon.csv", "abba\nbanana\n")
    done = run_dvc(toy.root, "repro")
    assert done.returncode == 0, done.stderr
    found = difference(toy.root)
    assert causes(found) == [[("source", "data/words")]]
    paths = [result.path for result in found.groups[0].results]
    assert paths == [
        "data/report",
        "metrics/measure_retrieval/languages.csv",
        "metrics/measure_retrieval/summary.json",
    ]
    # 50 times "cab" less, twice: one a and one b each.
    assert [value.change for value in found.groups[0].results[-1].values] == [-200]


def test_a_long_list_is_cut_with_its_count(
    empty: Any, record: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 50 changed values 20 are printed and the rest counted; --json has all."""
    one = record(metric={str(key): key for key in range(50)})
    two = record(metric={str(key): key + 1 for key in range(50)}, model="model 2", rate=1)
    assert main(["diff", one, two]) == 0
    printed = capsys.readouterr().out
    assert printed.count("(+1)") == 20
    assert "and 30 more of 50" in printed
    assert main(["diff", one, two, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["groups"][0]["results"][0]["values"]) == 50
