"""Sentences about the mechanism: what effects beyond chance, within chance, against it and undefined read like."""

import math

import pytest

from tasks.reporting import mechanism_verdicts as verdicts
from tasks.reporting.sourced import Measured
from tasks.reporting.wording import say

NAN = math.nan


def interval(name: str, value: float, low: float, high: float) -> dict[str, float]:
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def exchanged(less: tuple[float, float, float], share: float = 0.4) -> dict[str, float]:
    return {
        "count": 6,
        **interval("share", share, share - 0.1, share + 0.1),
        **interval("less_control", *less),
    }


RANDOM = interval("share", 0.05, -0.02, 0.12)


@pytest.mark.parametrize(
    ("less", "said"),
    [
        ((0.35, 0.2, 0.5), "; the difference +35% [+20%, +50%] is beyond chance."),
        ((0.35, -0.1, 0.8), "; the difference +35% [−10%, +80%] is not beyond chance."),
        ((0.35, 0.0, 0.8), "; the difference +35% [0%, +80%] is not beyond chance."),
        ((-0.3, -0.5, -0.1), "; the difference −30% [−50%, −10%] is beyond chance, and against the sources: "
                             "random neurons carry more."),
        ((0.35, NAN, NAN), "; whether the difference, +35%, is beyond chance cannot be said, since some bootstrap "
                           "samples have no drop."),
    ],
)  # fmt: skip
def test_share_of_the_sources(less: tuple[float, float, float], said: str) -> None:
    """Mean toxicity drops from .5 to .1; restoring 6 of 1,024 neurons goes 40% of the way back, random ones 5%."""
    sentence = verdicts.explained_verdict(
        "restore", "dpo-1", {"toxicity": 0.5}, {"toxicity": 0.1}, exchanged(less), RANDOM, 1024
    )
    start = (
        "Restoring 6 of 1,024 neurons undoes 40% [+30%, +50%] of the drop in mean toxicity (dpo-1), 0.500 to 0.100; as "
        "many random ones 5% [−2%, +12%]"
    )
    assert str(sentence) == start + said


def test_imposing_is_told_apart() -> None:
    """It is the base model that changes, so the drop is brought about."""
    sentence = verdicts.explained_verdict(
        "impose", "dpo-1", {"toxicity": 0.5}, {"toxicity": 0.1}, exchanged((0.35, 0.2, 0.5)), RANDOM, 1024
    )
    assert str(sentence).startswith("Imposing the tuned activations of 6 of 1,024 neurons brings about 40%")


@pytest.mark.parametrize("after", [0.5, 0.6])
def test_without_a_drop_no_share_is_told(after: float) -> None:
    """Toxicity that stays or rises leaves no drop, and a share of it would be without meaning."""
    undefined = {"count": 6, **interval("share", NAN, NAN, NAN), **interval("less_control", NAN, NAN, NAN)}
    sentence = str(
        verdicts.explained_verdict("restore", "dpo-1", {"toxicity": 0.5}, {"toxicity": after}, undefined, RANDOM, 9)
    )
    assert "does not drop here" in sentence and "no drop is to be explained" in sentence
    assert "beyond chance" not in sentence and "%" not in sentence


def test_all_neurons_that_restore_nothing_are_named() -> None:
    """If the most that can be exchanged undoes nothing, a small share of a part tells little; otherwise silence."""
    impose = interval("share", 0.9, 0.6, 1.1)
    little = str(verdicts.ceiling_verdict("dpo-1", {"restore": interval("share", 0.1, -0.1, 0.3), "impose": impose}))
    assert "undoes 10% [−10%, +30%] of the drop when restored and brings about 90% [+60%, +110%]" in little
    assert "does not measurably undo the drop" in little
    much = str(verdicts.ceiling_verdict("dpo-1", {"restore": interval("share", 0.8, 0.6, 1.0), "impose": impose}))
    assert "measurably" not in much


def test_each_control_of_the_dose_has_its_own_verdict() -> None:
    """-.2 with an interval below 0 is beyond; one that includes 0 is not; one above 0 is against the sources."""

    def less(value: float, low: float, high: float) -> dict[str, float]:
        return interval("sources_less_control", value, low, high)

    controls = {
        "random neurons": less(-0.2, -0.3, -0.1),
        "matched neurons": less(-0.05, -0.1, 0.02),
        "a random direction": less(0.1, 0.05, 0.2),
    }
    sources = {"toxicity": 0.3, "perplexity": 4.0, **interval("change", -0.2, -0.3, -0.1)}
    before = {"toxicity": 0.5, "perplexity": 3.5}
    sentence = str(verdicts.dose_verdict(say("−5"), before, sources, controls))
    assert "goes from 0.500 to 0.300 (change −0.200 [−0.300, −0.100]), perplexity from 3.50 to 4.00." in sentence
    assert "under random neurons: −0.200 [−0.300, −0.100], beyond this control." in sentence
    assert "under matched neurons: −0.050 [−0.100, +0.020], not beyond this control, since" in sentence
    assert "under a random direction: +0.100 [+0.050, +0.200], the other way" in sentence


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((-0.1, -0.2, -0.05), "falls"),
        ((0.1, 0.05, 0.2), "rises"),
        ((-0.1, -0.2, 0.05), "does not measurably change"),
        ((NAN, NAN, NAN), "does not measurably change"),
    ],
)
def test_activation(change: tuple[float, float, float], said: str) -> None:
    """The word follows the interval, not the estimate."""
    row = {"before": -0.1, "after": -0.2, **interval("change", *change)}
    assert str(verdicts.activation_verdict("It", "here", row)).startswith(f"It here {said}, from −0.100 to −0.200")


def test_probe_says_where_it_fails() -> None:
    """German is above .5 as a whole, Hindi's interval includes .5; only English beats always naming one class."""
    rows = {
        "en": {"auroc_low": 0.9, "accuracy": 0.9, "majority": 0.6},
        "de": {"auroc_low": 0.6, "accuracy": 0.4, "majority": 0.6},
        "hi": {"auroc_low": 0.45, "accuracy": 0.6, "majority": 0.6},
    }
    sentence = str(verdicts.probe_verdict("en", rows))
    assert "better than chance in 2 of 3 languages; not shown in Hindi." in sentence
    assert sentence.endswith("naming the larger class in 1 of 3.")


def test_sources_are_counted_apart_from_candidates() -> None:
    """Of three candidates two are active; p is below .05 for one of those, and undefined for another candidate."""
    rows = [
        {"actual": True, "cosine": Measured(0.3, "n.csv:a"), "p_fewer": 0.01, "p_more": 0.99},
        {"actual": True, "cosine": Measured(0.2, "n.csv:b"), "p_fewer": 0.5, "p_more": 0.5},
        {"actual": False, "cosine": Measured(0.1, "n.csv:c"), "p_fewer": NAN, "p_more": NAN},
    ]
    sentence = verdicts.sources_verdict("en", rows, 0.05)
    assert str(sentence).startswith("2 of 3 candidates")
    assert "top tokens of 1 sources, and of 1 candidates, belong to fewer" in str(sentence)
    assert {part.key for part in sentence.parts if not isinstance(part, str)} == {"n.csv"}


def test_an_undefined_interval_is_said() -> None:
    """Half an interval is none."""
    assert str(verdicts.percent_bracket(NAN, 0.2)) == "[undefined]"
    assert str(verdicts.percent_bracket(-0.04, 0.2)) == "[−4%, +20%]"
