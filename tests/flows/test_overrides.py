"""Overrides reach params.yaml as a person typed them, or are refused with a word that helps."""

import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from flows.check import check_params
from flows.overrides import OverrideError, _replaced, apply, name_of, parse, render

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def params_yaml(tmp_path: Path) -> Path:
    """A copy of the study's own params.yaml."""
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path))


def test_only_the_lines_of_the_override_change(params_yaml: Path) -> None:
    """Of a file with a comment on nearly every line, one value on one line is another; all else keeps its bytes."""
    before = params_yaml.read_text(encoding="utf-8").splitlines()
    apply(params_yaml, ["train_dpo.recipe.beta=0.5"])
    after = params_yaml.read_text(encoding="utf-8").splitlines()
    [(old, new)] = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert "#" in old and new == old.replace("beta: 0.1", "beta: 0.5")


def test_a_block_gives_way_to_one_line_and_what_follows_it_stays(params_yaml: Path) -> None:
    """A section written over several lines becomes one; the comments and sections after it keep their bytes."""
    before = params_yaml.read_text(encoding="utf-8")
    following = before.index("\n# The odds of the embedded world")
    apply(params_yaml, ["policies={base: models/prepare_model}"])
    after = params_yaml.read_text(encoding="utf-8")
    assert after.endswith(before[following:])
    assert after.startswith(before[: before.index("policies:")] + "policies:\n  {base: models/prepare_model}\n\n")


def test_other_values_than_the_override_stay_equal(params_yaml: Path) -> None:
    """What does change in layout, if anything, changes no value: mappings, lists and numbers in all their spellings."""
    expected = yaml.safe_load(params_yaml.read_text(encoding="utf-8"))
    expected["mini_world"]["share"] = {"en": 1, "de": 2}
    expected["languages"] = ["de", "en"]
    apply(params_yaml, ["mini_world.share={en: 1, de: 2}", "languages=[de, en]"])
    assert yaml.safe_load(params_yaml.read_text(encoding="utf-8")) == expected


def test_other_seeds_bring_their_policies(params_yaml: Path) -> None:
    """Policies are the base model and one per seed; a checkpoint from elsewhere keeps its place among them."""
    apply(params_yaml, ["policies={base: models/prepare_model, candidate: models/candidate}"])
    apply(params_yaml, ["train_dpo.seeds=[4]"])
    loaded = yaml.safe_load(params_yaml.read_text(encoding="utf-8"))
    assert loaded["train_dpo"]["seeds"] == [4]
    assert loaded["policies"] == {
        "base": "models/prepare_model",
        "dpo-4": "models/train_dpo/4",
        "candidate": "models/candidate",
    }


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("train_dpo.recipe.betta=0.5", "did you mean train_dpo.recipe.beta?"),
        ("generate.sample=5", "did you mean generate.samples?"),
        ("train_dpo.seeds.0=5", "did you mean train_dpo.seeds?"),
        ("runtime.device=cpu", "runtime says how to run, not what"),
        ("runtime={}", "runtime says how to run, not what"),
        ("train_dpo.seeds=4", "expected a list, such as [1, 2], found 4"),
        ("beta", "expected KEY=VALUE"),
        ("=5", "expected KEY=VALUE"),
        ("generate.seed=[1", "not valid YAML"),
    ],
)
def test_what_cannot_be_overridden_is_refused(params_yaml: Path, override: str, word: str) -> None:
    """The message names the key and what would do; the file keeps its bytes, an earlier good override included."""
    before = params_yaml.read_bytes()
    with pytest.raises(OverrideError) as refused:
        apply(params_yaml, ["generate.seed=2", override])
    assert word in str(refused.value) and override.partition("=")[0] in str(refused.value)
    assert params_yaml.read_bytes() == before


@example("one, two: [three] # four")
@example("two\nlines")
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
        max_leaves=6,
    )
)
def test_a_rendered_value_is_parsed_as_itself(value: object) -> None:
    """A sweep writes its values as overrides: each comes back as it was, on one line."""
    text = render(value)
    assert "\n" not in text
    assert parse(f"section.key={text}") == ("section.key", value)


@given(st.text())
def test_a_text_may_hold_anything(text: str) -> None:
    """Whatever a title is, it comes back from where a person would write it: a block, or braces beside others."""
    for layout in ("report:\n  title: old   # why\n  show: 1\n", "report: {title: old, show: 1}\n"):
        edited = _replaced(layout, "report.title", text)
        assert yaml.safe_load(edited) == {"report": {"title": text, "show": 1}}
        assert ("# why" in edited) == ("# why" in layout) or "# why" in text


def test_names_of_experiments_differ_where_overrides_do() -> None:
    """Names are short, say what was changed, do not depend on the order, and are good as git branch names."""
    one = name_of(["train_dpo.recipe.beta=0.5", "generate.seed=2"])
    assert one.startswith("beta-0-5-seed-2-")
    assert one.rpartition("-")[2] == name_of(["generate.seed=2", "train_dpo.recipe.beta=0.5"]).rpartition("-")[2]
    assert one != name_of(["train_dpo.recipe.beta=-0.5", "generate.seed=2"])
    assert len(name_of(["report.title=" + "ж / " * 99])) <= 47


@pytest.mark.slow
def test_values_that_a_stage_would_refuse_are_named_before_anything_runs(params_yaml: Path, tmp_path: Path) -> None:
    """The types of the stages themselves say so, all of them at once: a probability of 7, a number that is a word."""
    shutil.copytree(ROOT / "tasks", tmp_path / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    apply(params_yaml, ["generate.top_p=7", "train_dpo.recipe.beta=much"])
    with pytest.raises(OverrideError) as refused:
        check_params(tmp_path)
    said = str(refused.value)
    assert "generate.top_p: " in said and "(found 7)" in said
    assert "train_dpo.recipe.beta: " in said and "(found 'much')" in said
    assert "Traceback" not in said
