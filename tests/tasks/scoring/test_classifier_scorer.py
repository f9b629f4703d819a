"""Classifiers: the probability of the label that is named."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tasks.scoring.classifier_scorer import ClassifierScorer, load_classifier
from tasks.scoring.toxicity_scorer import Exchange, ScorerCard
from tests.scorer_models import save_classifier

CPU = torch.device("cpu")
TEXTS = ["you are a fool.", "el maestro", "先生はとても良いです。 " * 3]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As textdetox's: neutral or toxic."""
    return save_classifier(tmp_path_factory.mktemp("two"), ["neutral", "toxic"], None)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As Detoxify's: several labels, each right or wrong."""
    labels = ["toxicity", "obscene", "insult"]
    return save_classifier(tmp_path_factory.mktemp("many"), labels, "multi_label_classification")


def classifier(folder: Path, label: str, *, reads_prompt: bool = False, **options: str) -> ClassifierScorer:
    card = ScorerCard("tests/classifier", "1", label, ("en",), "toxicity", reads_prompt=reads_prompt)
    return ClassifierScorer(*load_classifier(folder, CPU), card, **options)


def logits(folder: Path, text: str) -> torch.Tensor:
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        return model(**tokenizer(text, return_tensors="pt", truncation=True)).logits[0]


def test_softmax_of_the_named_label(two: Path) -> None:
    """The label's place is looked up by name: neutral and toxic are each other's complement."""
    toxic, neutral = (
        [score.value for score in classifier(two, label, activation="softmax").score("en", list(map(Exchange, TEXTS)))]
        for label in ("toxic", "neutral")
    )
    assert toxic == pytest.approx([logits(two, text).softmax(-1)[1].item() for text in TEXTS], abs=1e-6)
    assert [a + b for a, b in zip(toxic, neutral, strict=True)] == pytest.approx([1.0] * 3)


def test_sigmoid_where_the_config_says_multi_label(many: Path) -> None:
    """problem_type decides: each label's sigmoid on its own, so they need not add up to 1."""
    scores = classifier(many, "insult").score("en", list(map(Exchange, TEXTS)))
    assert [s.value for s in scores] == pytest.approx([logits(many, t)[2].sigmoid().item() for t in TEXTS], abs=1e-6)


def test_an_unsaid_activation_is_asked_for(two: Path) -> None:
    """Softmax and sigmoid of the same logits are different scores, so nothing is guessed."""
    with pytest.raises(ValueError, match=r"problem_type None.*set activation to softmax .* or sigmoid"):
        classifier(two, "toxic")


def test_an_unknown_label_is_refused_with_those_that_there_are(two: Path) -> None:
    """An index would be silently another label's."""
    with pytest.raises(ValueError, match="no label 'Toxic'; its config names neutral, toxic"):
        classifier(two, "Toxic", activation="softmax")


def test_softmax_over_one_label_is_refused(tmp_path: Path) -> None:
    """It would score 1 for everything."""
    folder = save_classifier(tmp_path, ["toxic"], None)
    with pytest.raises(ValueError, match="always 1"):
        classifier(folder, "toxic", activation="softmax")


def test_the_prompt_is_read_only_where_it_is_asked_for(two: Path) -> None:
    """Continuation alone: the prompt changes nothing. Joined: as if it were one text."""
    exchanges = [Exchange(" fool.", "you are a"), Exchange(" fool.", "he is no")]
    alone = [score.value for score in classifier(two, "toxic", activation="softmax").score("en", exchanges)]
    joined = classifier(two, "toxic", activation="softmax", reads_prompt=True).score("en", exchanges)
    assert alone[0] == pytest.approx(alone[1])
    expected = [logits(two, text).softmax(-1)[1].item() for text in ("you are a fool.", "he is no fool.")]
    assert [score.value for score in joined] == pytest.approx(expected, abs=1e-6)


def test_a_long_text_keeps_its_beginning_and_a_long_prompt_its_end(two: Path) -> None:
    """Cut at 64 tokens: what follows does not count, and a continuation is never lost to its prompt."""
    alone, joined = (classifier(two, "toxic", activation="softmax", reads_prompt=reads) for reads in (False, True))
    tail = ["kind " * 200 + end for end in ("fool", "teacher")]
    first, second = (score.value for score in alone.score("en", list(map(Exchange, tail))))
    assert first == pytest.approx(second, abs=1e-6)
    first, second = (
        s.value for s in joined.score("en", [Exchange(end, "kind " * 200) for end in (" fool", " teacher")])
    )
    assert abs(first - second) > 1e-4
