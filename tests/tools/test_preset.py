"""Presets are valid parameters, name no commit that nobody looked up, and change their own sections only."""

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from tasks import generate, prepare_model, train_dpo
from tasks.plumbing import params

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))
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
    """Six of the paper's Table 2 and five of 2024 and 2025."""
    paper = {"mgpt-1b3", "bloom-1b7", "bloom-7b1", "llama-2-7b", "llama-3-8b", "aya-23-8b"}
    assert set(NAMES) == paper | {"qwen3-0.6b", "qwen3-8b", "gemma-3-1b", "eurollm-9b", "apertus-8b"}


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


@pytest.mark.parametrize("name", NAMES)
def test_every_value_of_a_preset_has_its_source_beside_it(name: str) -> None:
    """A comment stands on every line with a value, but for what names the model, the path and the seed of sampling."""
    unexplained = {"kind", "path", "id", "seed"}
    lines = (ROOT / "presets" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    values = [line for line in lines if line.startswith(" ") and not line.rstrip().endswith(":")]
    assert len(values) > 25
    for line in values:
        assert "#" in line or line.split(":")[0].strip() in unexplained, line


def test_no_commit_is_invented(preset: ModuleType, project: Path) -> None:
    """Presets name none; without one nothing is written and the message says where to find it."""
    before = Path("params.yaml").read_bytes()
    for name in NAMES:
        assert "revision: REQUIRED" in (ROOT / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
    for revision in (None, "main"):
        with pytest.raises(
            preset.PresetError, match=r"git ls-remote https://huggingface\.co/bigscience/bloom-1b7 HEAD"
        ):
            preset.apply("bloom-1b7", revision)
    with pytest.raises(preset.PresetError, match="no preset 'bloom'; there are apertus-8b, aya-23-8b"):
        preset.apply("bloom", COMMIT)
    assert Path("params.yaml").read_bytes() == before


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
