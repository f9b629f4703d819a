"""What docs/scorers.md offers to paste is accepted, and its archive of scores says what the scorer said."""

import hashlib
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tasks import __main__ as cli
from tasks.identify_language import ByLingua, IdentifyLanguage
from tasks.models.language_model import load, pick_device
from tasks.plumbing.params import section
from tasks.score_fluency import ScoreFluency
from tasks.scoring.guard_scorer import GuardScorer
from tasks.scoring.scorer_choice import AnyScorer, Guard, Perspective, ScoreToxicity, build
from tasks.scoring.toxicity_scorer import Exchange, ScorerCard
from tests.published_data import ROOT
from tests.scorer_models import save_guard

TEXT = (ROOT / "docs/scorers.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
SECTIONS: dict[str, Any] = {
    "score_toxicity": ScoreToxicity,
    "score_fluency": ScoreFluency,
    "identify_language": IdentifyLanguage,
}
ENTRIES = [(name, entry) for block in BLOCKS for name, entry in block.items() if name not in SECTIONS]
PAPER = ["ar", "cs", "de", "en", "es", "fr", "hi", "id", "it", "ja", "ko", "nl", "pl", "pt", "ru", "sv", "zh"]


def scorers() -> dict[str, AnyScorer]:
    """Every scorer that is offered, as the stage takes it."""
    found: dict[str, AnyScorer] = {}
    for block in BLOCKS:
        if "score_toxicity" in block:
            found |= section(block, "score_toxicity", ScoreToxicity).scorers
    for name, entry in ENTRIES:
        chosen = {"score_toxicity": {"primary": name, "scorers": {name: entry}}}
        found |= section(chosen, "score_toxicity", ScoreToxicity).scorers
    return found


def test_there_is_a_block_for_every_scorer_of_a_real_study() -> None:
    """Entries and sections alike; the checks below loop over them."""
    offered = {"qwen3guard", "textdetox", "textdetox-v1", "polyguard", "detoxify", "perspective", "perspective-archive"}
    assert set(scorers()) == offered
    assert {scorer.kind for scorer in scorers().values()} == {"guard", "classifier", "perspective", "replay"}


@pytest.mark.parametrize("name", ["score_fluency", "identify_language"])
def test_sections_of_judges_and_languages_are_valid(name: str) -> None:
    """Both other judges, and lingua."""
    parsed = [section(block, name, SECTIONS[name]) for block in BLOCKS if name in block]
    if name == "score_fluency":
        assert [one.judge for one in parsed] == ["causal_lm", "mt5_published"]
    else:
        assert [type(one) for one in parsed] == [ByLingua]


def test_every_kind_and_judge_is_documented() -> None:
    """By its name, as code."""
    kinds = [member.model_fields["kind"] for member in AnyScorer.__origin__.__args__]
    judges = [member.model_fields["judge"] for member in ScoreFluency.__origin__.__args__]
    names = [tag for field in (*kinds, *judges) for tag in field.annotation.__args__]
    assert len(names) == 8
    assert [name for name in names if f"`{name}`" not in TEXT] == []


def test_languages_are_those_of_the_paper() -> None:
    """A primary scorer must know them all: Qwen3Guard and Perspective do, PolyGuard lacks Indonesian."""
    found = scorers()
    known = {name: sorted(scorer.languages) for name, scorer in found.items() if not isinstance(scorer, Perspective)}
    assert known["qwen3guard"] == known["perspective-archive"] == PAPER
    assert known["polyguard"] == [name for name in PAPER if name != "id"]
    assert all(set(languages) < set(PAPER) for name, languages in known.items() if "detox" in name)


@pytest.mark.parametrize("name", ["qwen3guard", "textdetox", "textdetox-v1", "polyguard", "detoxify"])
def test_a_commit_that_nobody_wrote_down_is_refused(name: str) -> None:
    """REQUIRED is no commit; the message says where commits are."""
    with pytest.raises(ValueError, match=r"'REQUIRED' is no commit.*commits/main"):
        build(scorers()[name], "cpu", 2)


def test_polyguards_form_can_be_asked(tmp_path: Path) -> None:
    """Its two labels differ in their first token after the forced answers, and both sides stand in one turn."""
    choice = scorers()["polyguard"]
    assert isinstance(choice, Guard) and choice.template is not None
    assert choice.template.format(prompt="P", continuation="C") == "Human user:\nP\n\nAI assistant:\nC"
    assert choice.labels == {"no": 0, "yes": 1} and choice.prefix.endswith("Harmful response:")
    model, tokenizer = load(save_guard(tmp_path / "guard"), pick_device("cpu"))
    card = ScorerCard("tests/polyguard", "1", "p(yes)", ("en",), "harm", reads_prompt=True)
    asked = choice.model_dump(include={"labels", "prefix", "system", "template"})
    (score,) = GuardScorer(model, tokenizer, card, **asked).score("en", [Exchange("you fool", "hi")])
    assert score.value is not None and 0 < score.value < 1


def test_an_archive_gives_back_what_the_scorer_said(copied_study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lexicon's scores, kept by the documented lines and replayed: every file of scores has the same values."""
    monkeypatch.setenv("POLYDETOX_SCORES", str(Path("scores").resolve()))
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    Path("data/raw").mkdir()
    exec(code.replace("perspective", "lexicon"), {})  # the documentation's own lines
    archive = Path("data/raw/lexicon.parquet")
    loaded = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    (entry,) = (entry for name, entry in ENTRIES if name == "perspective-archive")
    entry = entry | {"path": str(archive), "sha256": hashlib.sha256(archive.read_bytes()).hexdigest()}
    loaded["score_toxicity"]["scorers"]["lexicon"] = entry
    Path("params.yaml").write_text(yaml.safe_dump(loaded), encoding="utf-8")
    stages = [("score_toxicity", "dpo-1"), ("score_toxicity", "dpo-2"), ("score_labelled",), ("score_interventions",)]
    written = sorted({Path("data") / stage[0] for stage in stages})
    files = [path for folder in written for path in sorted(folder.rglob("*.parquet")) if "base" not in path.parts]
    before = {path: pd.read_parquet(path)["toxicity"].tolist() for path in files}
    assert len(files) == 7 and all(value is not None for values in before.values() for value in values)
    for stage in stages:
        assert cli.main(list(stage)) == 0
    assert {path: pd.read_parquet(path)["toxicity"].tolist() for path in files} == before
