"""What params.yaml may say about scorers, and that it makes the scorer that it says."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.models.pinned import folder_digest
from tasks.plumbing import params
from tasks.scoring.scorer_choice import ScoreToxicity, build
from tasks.scoring.toxicity_scorer import Exchange
from tests.scorer_models import save_classifier, save_guard


def chosen(**scorer: Any) -> ScoreToxicity:
    return ScoreToxicity.model_validate({"primary": "one", "scorers": {"one": scorer}})


def test_a_guard_is_built_from_a_directory(tmp_path: Path) -> None:
    """Qwen3Guard's labels are the default; the card says what was asked, of what, and in which precision."""
    folder = save_guard(tmp_path / "guard")
    revision = folder_digest(folder)
    choice = chosen(kind="guard", model=str(folder), revision=revision, languages=["en"])
    scorer = build(choice.scorers["one"], "cpu", 2)
    card = scorer.card
    assert (card.id, card.revision, card.languages) == (str(folder), revision, ("en",))
    assert (card.label, card.construct, card.reads_prompt) == ("p(Controversial) + p(Unsafe)", "unsafe content", True)
    assert card.settings["prefix"] == "Safety:" and card.settings["dtype"] == "torch.float32"
    assert 0 < (scorer.score("en", [Exchange("you fool", "hi")])[0].value or 0) < 1


def test_a_classifier_is_built_from_a_directory(tmp_path: Path) -> None:
    """Detoxify's form: sigmoid, as its config says."""
    folder = save_classifier(tmp_path / "classifier", ["toxicity", "insult"], "multi_label_classification")
    spec = {"kind": "classifier", "model": str(folder), "revision": folder_digest(folder), "label": "toxicity"}
    alone, joined = (
        build(chosen(**spec, languages=["en"], reads=reads).scorers["one"], "cpu", 2)
        for reads in ("continuation", "joined")
    )
    assert alone.card.construct == "toxicity" and not alone.card.reads_prompt and joined.card.reads_prompt
    text = Exchange(" fool", "you")
    assert alone.score("en", [text])[0].value != joined.score("en", [text])[0].value


def test_an_archive_is_pinned_by_its_digest(tmp_path: Path) -> None:
    """The scorer on the card is the one that made the scores, not the reader."""
    path = tmp_path / "archive.csv"
    path.write_text("language,text,score\nen,you fool,0.7\n", encoding="utf-8")
    made = {"id": "perspective", "revision": "2024-05", "label": "TOXICITY", "measures": "toxicity"}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    choice = chosen(kind="replay", path=str(path), sha256=digest, languages=["en"], **made)
    scorer = build(choice.scorers["one"], "cpu", 2)
    assert (scorer.card.id, scorer.card.revision) == ("perspective", "2024-05")
    assert scorer.score("en", [Exchange("you fool")])[0].value == 0.7


def test_perspective_warns_of_its_end() -> None:
    """Nothing is refused, but nobody can say that they were not told."""
    with pytest.warns(UserWarning, match="2026-12-31"):
        scorer = build(chosen(kind="perspective").scorers["one"], "cpu", 2)
    assert scorer.card.settings["url"] == "https://commentanalyzer.googleapis.com"


def test_the_primary_is_one_of_the_scorers() -> None:
    """A misspelt primary would leave the study without scores."""
    with pytest.raises(ValidationError, match="primary is 'two', not one of the scorers: one"):
        ScoreToxicity.model_validate({"primary": "two", "scorers": {"one": {"kind": "lexicon"}}})


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        ({"kind": "oracle"}, r"score_toxicity\.scorers\.one: .*'lexicon', 'guard', 'classifier'"),
        ({"kind": "guard"}, r"scorers\.one\.model: Field required"),
        ({"kind": "lexicon", "labels": {}}, r"scorers\.one\.labels: unknown key; .*valid keys: .*kind"),
        (
            {"kind": "guard", "model": "a/b", "revision": "c", "languages": ["en"], "labels": {"Unsafe": 2}},
            "less than or equal to 1",
        ),
    ],
)
def test_a_wrong_key_is_named_with_its_place(scorer: dict[str, Any], message: str) -> None:
    """The message leads to the line of params.yaml."""
    raw = {"score_toxicity": {"primary": "one", "scorers": {"one": scorer}}}
    with pytest.raises(params.ParamsError, match=message):
        params.section(raw, "score_toxicity", ScoreToxicity)
