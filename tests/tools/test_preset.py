"""Presets are valid parameters, name no commit that nobody looked up, and change their own sections only."""

import hashlib
import importlib.util
import shutil
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import pytest
import yaml
from huggingface_hub import constants

from tasks import (
    find_toxic_neurons,
    generate,
    identify_language,
    prepare_labelled,
    prepare_model,
    prepare_pairs,
    prepare_parallel,
    prepare_prompts,
    score_fluency,
    train_dpo,
)
from tasks.plumbing import params
from tasks.scoring import scorer_choice

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))  # of models
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def preset() -> ModuleType:
    spec = importlib.util.spec_from_file_location("preset_tool", ROOT / "tools" / "preset.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_papers_models_and_newer_ones_are_there() -> None:
    """Six of the paper's Table 2 and eight of 2024 to 2026."""
    paper = {"mgpt-1b3", "bloom-1b7", "bloom-7b1", "llama-2-7b", "llama-3-8b", "aya-23-8b"}
    assert set(NAMES) == paper | {
        "qwen3-0.6b", "qwen3-8b", "gemma-3-1b", "apertus-8b",
        "eurollm-9b", "eurollm-9b-2512", "eurollm-22b-2512", "tiny-aya-base",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_gives_valid_parameters(preset: ModuleType, project: Path, name: str) -> None:
    """With a commit every section parses, seeds and policies agree, DVC watches the preset, and other bytes stay."""
    before = Path("params.yaml").read_text(encoding="utf-8")
    preset.apply(name, COMMIT)
    raw = params.read(Path("params.yaml"))
    model = params.section(raw, "prepare_model", prepare_model.PrepareModel)
    assert model.revision == COMMIT and Path(model.path).exists()
    params.section(raw, "train_dpo", train_dpo.TrainDpo)
    params.section(raw, "generate", generate.Generate)
    params.check_policies(raw)
    for section, values in yaml.safe_load(before).items():
        if section not in ("prepare_model", "train_dpo", "generate", "policies"):
            assert raw[section] == values
            assert preset._block(before, section) in Path("params.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*NAMES, "data/paper"])
def test_every_value_of_a_preset_has_its_source_beside_it(name: str) -> None:
    """A comment stands on every line with a value, but for what names the model, the path and the seed of sampling."""
    unexplained = {"kind", "path", "id", "seed"}
    lines = (ROOT / "presets" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    values = [line for line in lines if line.startswith(" ") and not line.rstrip().endswith(":")]
    assert len(values) > 25
    for line in values:
        assert "#" in line or line.split(":")[0].strip() in unexplained, line


class _Hub:
    """Knows the commit of every branch; notes who asked."""

    asked: ClassVar[list[tuple[str, str]]] = []

    def model_info(self, model: str, revision: str) -> SimpleNamespace:
        self.asked.append((model, revision))
        return SimpleNamespace(sha=hashlib.sha1(f"{model} {revision}".encode()).hexdigest())


@pytest.fixture
def hub(preset: ModuleType, monkeypatch: pytest.MonkeyPatch) -> type[_Hub]:
    _Hub.asked.clear()
    monkeypatch.setattr(preset, "HfApi", _Hub)
    return _Hub


def test_a_branch_is_looked_up_once_and_written_down(preset: ModuleType, project: Path, hub: type[_Hub]) -> None:
    """The commit stands in params.yaml; applied again it stays, and another branch is asked for."""
    preset.apply("bloom-1b7", "")
    model = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["prepare_model"]
    assert model["revision"] == hashlib.sha1(b"bigscience/bloom-1b7 main").hexdigest()
    assert preset.apply("bloom-1b7", "") == []
    assert hub.asked == [("bigscience/bloom-1b7", "main")]
    assert any("prepare_model.revision" in line for line in preset.apply("bloom-1b7", "refs/pr/3"))
    assert hub.asked[1:] == [("bigscience/bloom-1b7", "refs/pr/3")]


def test_no_commit_is_invented(preset: ModuleType, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Presets name none; if the hub cannot be asked nothing is written and the message says where to find it."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    before = Path("params.yaml").read_bytes()
    for name in set(NAMES) - {"mgpt-1b3"}:  # whose main has no safetensors
        assert "revision: REQUIRED" in (ROOT / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
    for revision in ("", "main"):
        with pytest.raises(
            preset.PresetError, match=r"git ls-remote https://huggingface\.co/bigscience/bloom-1b7 HEAD"
        ):
            preset.apply("bloom-1b7", revision)
    with pytest.raises(preset.PresetError, match="no preset 'bloom'; there are apertus-8b, aya-23-8b"):
        preset.apply("bloom", COMMIT)
    assert Path("params.yaml").read_bytes() == before
    monkeypatch.setattr("sys.argv", ["preset", "bloom-1b7", "data/paper", "--revision", COMMIT])
    assert preset.main() == 1  # the scorers of the second have no commit, so the first is taken back, too
    assert Path("params.yaml").read_bytes() == before


def test_the_papers_data_are_valid_parameters(preset: ModuleType, project: Path, hub: type[_Hub]) -> None:
    """Model and data together pass every stage's types; each scorer has the commit of its own model."""
    assert preset.apply("mgpt-1b3", COMMIT) and preset.apply("data/paper", "")
    raw = params.read(Path("params.yaml"))
    kinds = {
        "prepare_pairs": prepare_pairs.PreparePairs,
        "prepare_prompts": prepare_prompts.PreparePrompts,
        "prepare_parallel": prepare_parallel.PrepareParallel,
        "prepare_labelled": prepare_labelled.PrepareLabelled,
        "score_toxicity": scorer_choice.ScoreToxicity,
        "score_fluency": score_fluency.ScoreFluency,
        "identify_language": identify_language.IdentifyLanguage,
        "find_toxic_neurons": find_toxic_neurons.FindToxicNeurons,
    }
    assert set(yaml.safe_load((ROOT / "presets/data/paper.yaml").read_text(encoding="utf-8"))) == set(kinds)
    for section, kind in kinds.items():
        params.section(raw, section, kind)
    guard = raw["score_toxicity"]["scorers"]["qwen3guard"]
    assert guard["revision"] == hashlib.sha1(f"{guard['model']} main".encode()).hexdigest()
    assert set(guard["languages"]) == set(raw["languages"])
    assert len(hub.asked) == 2


def test_a_preset_with_a_commit_keeps_it_unless_another_is_asked_for(preset: ModuleType, project: Path) -> None:
    """MGPT names one; REVISION still wins, and nobody is asked."""
    preset.apply("mgpt-1b3", "")
    model = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["prepare_model"]
    assert model["revision"].startswith("845072ac")
    preset.apply("mgpt-1b3", COMMIT)
    model = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["prepare_model"]
    assert model["revision"] == COMMIT


def test_what_changed_is_told_and_a_second_time_nothing_does(preset: ModuleType, project: Path) -> None:
    """New, gone and changed values, each with its name; five seeds bring five policies."""
    told = preset.apply("mgpt-1b3", COMMIT)
    assert "  prepare_model.kind: mini -> hub" in told
    assert "- prepare_model.documents: 80000" in told
    assert "+ prepare_model.id: ai-forever/mGPT" in told
    assert "+ policies.dpo-5: models/train_dpo/5" in told
    written = Path("params.yaml").read_bytes()
    assert preset.apply("mgpt-1b3", COMMIT) == []
    assert Path("params.yaml").read_bytes() == written


def test_the_last_preset_wins(preset: ModuleType, project: Path) -> None:
    """A preset replaces whole sections, so that two in turn leave what the second says, not a mixture."""
    preset.apply("bloom-7b1", COMMIT)
    preset.apply("bloom-1b7", COMMIT)
    recipe = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["train_dpo"]["recipe"]
    assert recipe["tuning"] == {"kind": "full"}
