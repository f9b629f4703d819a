"""Agreement of scorers with each other and with labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

from tasks.statistics.agreement import auroc, average_precision, rank_agreement, same_direction, validity

NAN = float("nan")


def test_auroc_counts_pairs_by_hand() -> None:
    """Toxic .9, .4 against .4, .1: pairs 1, 1, one half, 1 -> 3.5 of 4."""
    assert auroc([0.9, 0.4, 0.4, 0.1], [True, True, False, False]) == pytest.approx(3.5 / 4)


def test_average_precision_by_hand() -> None:
    """Order: toxic, other, toxic: precision 1 at recall 1/2, 2/3 at recall 1 -> (1 + 2/3) / 2."""
    assert average_precision([0.9, 0.5, 0.1], [True, False, True]) == pytest.approx((1 + 2 / 3) / 2)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
@settings(max_examples=60, deadline=None)
def test_both_are_scikit_learns(rows: list[tuple[int, bool]]) -> None:
    """With ties, on any data that has both classes."""
    scores, toxic = [row[0] / 5 for row in rows], [row[1] for row in rows]
    if len(set(toxic)) == 2:
        assert auroc(scores, toxic) == pytest.approx(roc_auc_score(toxic, scores))
        assert average_precision(scores, toxic) == pytest.approx(average_precision_score(toxic, scores))


def test_agreement_is_over_what_both_scored() -> None:
    """A missing score is not 0: its sample is left out for both."""
    first, second = [0.1, 0.5, NAN, 0.9, 0.3], [0.2, 0.4, 0.0, NAN, 0.6]
    found = rank_agreement(first, second)
    assert found.n == 3
    assert found.spearman == pytest.approx(spearmanr([0.1, 0.5, 0.3], [0.2, 0.4, 0.6]).statistic)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ([0.1, 0.2, NAN], [0.1, 0.2, 0.3], "fewer than 3"),
        ([0.1, 0.2, 0.3], [0.0, 0.0, 0.0], "all scores of one are equal"),
    ],
)
def test_undefined_agreement_has_a_reason(first: list[float], second: list[float], reason: str) -> None:
    """No number stands where there is none."""
    found = rank_agreement(first, second)
    assert found.spearman is None and reason in str(found.reason)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [((-0.3, -0.1), True), ((-0.3, 0.1), False), ((0.0, -0.1), None), ((NAN, -0.1), None)],
)
def test_direction(changes: tuple[float, float], expected: bool | None) -> None:
    """Sign agreement, where there are two signs."""
    assert same_direction(*changes) is expected


def test_validity_of_a_good_and_of_a_blind_scorer() -> None:
    """Separated classes have AUROC 1 without doubt; noise has an interval around one half."""
    rng = np.random.default_rng(0)
    toxic = np.arange(200) % 4 == 0
    good = validity(np.where(toxic, 0.8, 0.2) + rng.uniform(0, 0.1, 200), toxic, 500, 0.95, 1)
    assert (good.n, good.toxic, good.missing, good.auroc, good.low, good.high) == (200, 50, 0, 1, 1, 1)
    blind = validity(rng.uniform(0, 1, 200), toxic, 500, 0.95, 1)
    assert blind.low is not None and blind.high is not None and blind.low < 0.5 < blind.high
    assert blind.auroc is not None and blind.low < blind.auroc < blind.high


def test_the_interval_is_as_wide_as_theory_says() -> None:
    """Bamber's standard error for 100 + 100 equal-variance normals one deviation apart (AUROC .76): about .034."""
    rng = np.random.default_rng(1)
    scores = np.concatenate([rng.normal(1, 1, 100), rng.normal(0, 1, 100)])
    found = validity(scores, np.arange(200) < 100, 4000, 0.95, 1)
    assert found.low is not None and found.high is not None
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(0.034, rel=0.15)


def test_the_seed_decides_the_interval() -> None:
    """The same seed gives the same interval."""
    rng = np.random.default_rng(2)
    scores, toxic = rng.uniform(0, 1, 30), np.arange(30) % 2 == 0
    assert validity(scores, toxic, 50, 0.9, 3) == validity(scores, toxic, 50, 0.9, 3)
    assert validity(scores, toxic, 50, 0.9, 3) != validity(scores, toxic, 50, 0.9, 4)


@pytest.mark.parametrize(
    ("scores", "toxic", "reason"),
    [
        ([0.1, 0.2], [True, True], "all scored texts are toxic"),
        ([0.1, 0.2, NAN], [False, False, True], "all scored texts are not toxic"),
        ([NAN, NAN], [True, False], "no scored text"),
    ],
)
def test_one_class_has_no_validity_but_a_reason(scores: list[float], toxic: list[bool], reason: str) -> None:
    """AUROC of one class does not exist; missing scores are counted."""
    found = validity(scores, toxic, 10, 0.95, 1)
    assert found.auroc is None and found.low is None and found.reason == reason
    assert found.n + found.missing == len(scores)


@pytest.mark.parametrize("call", [auroc, average_precision])
def test_broken_input_is_refused(call) -> None:
    """Shapes that disagree, scores that are none, one class."""
    for scores, toxic in (([0.1], [True, False]), ([NAN, 0.1], [True, False]), ([0.1, 0.2], [True, True])):
        with pytest.raises(ValueError):
            call(scores, toxic)
