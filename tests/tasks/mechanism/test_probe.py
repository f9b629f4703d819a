"""The probe is the penalised maximum-likelihood fit; its measures are the textbook's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import mannwhitneyu

from tasks.mechanism.probe import Probe, detection, fit_probe


def _data(texts: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Correlated features on scales from .01 to 100 with offsets, and labels that they tell in part."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(texts, 4)) @ rng.normal(size=(4, 4))
    toxic = hidden[:, 0] - hidden[:, 2] + rng.normal(size=texts) > 0.5
    return hidden * [0.01, 1, 10, 100] + [5, -3, 0, 200], toxic


def _reference(features: np.ndarray, toxic: np.ndarray, c: float) -> np.ndarray:
    """Log-odds by minimising the penalised negative log-likelihood with scipy, on standardised features."""
    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    sign = np.where(toxic, 1, -1)

    def objective(parameters: np.ndarray) -> float:
        margin = sign * (standard @ parameters[:-1] + parameters[-1])
        return parameters[:-1] @ parameters[:-1] / 2 + c * np.logaddexp(0, -margin).sum()

    best = minimize(objective, np.zeros(features.shape[1] + 1), method="BFGS", options={"gtol": 1e-7})
    return standard @ best.x[:-1] + best.x[-1]


@pytest.mark.parametrize("c", [0.01, 1.0, 30.0])
def test_equals_the_minimum_that_scipy_finds(c: float) -> None:
    """Log-odds on raw features agree with an independent minimisation over standardised ones."""
    features, toxic = _data()
    probe = fit_probe(features, toxic, c, 1000)
    np.testing.assert_allclose(features @ probe.weight_D + probe.bias, _reference(features, toxic, c), atol=2e-4)


def test_a_stronger_penalty_shortens_the_weights() -> None:
    """In standardised units; with almost no freedom left the probe predicts the share of toxic texts."""
    features, toxic = _data()
    lengths = [np.linalg.norm(fit_probe(features, toxic, c, 1000).weight_D * features.std(axis=0)) for c in (1, 0.01)]
    assert lengths[1] < lengths[0] / 2
    probe = fit_probe(features, toxic, 1e-9, 1000)
    np.testing.assert_allclose(probe.probabilities(features), toxic.mean(), atol=1e-5)


def test_units_of_the_features_change_nothing_but_the_weights() -> None:
    """With x' = s x + t the probabilities stay, and the weights are divided by s."""
    features, toxic = _data()
    scale, shift = np.array([3.0, 0.1, -7.0, 20.0]), np.array([1.0, -50.0, 0.0, 4.0])
    probe, other = fit_probe(features, toxic, 1.0, 1000), fit_probe(features * scale + shift, toxic, 1.0, 1000)
    np.testing.assert_allclose(other.probabilities(features * scale + shift), probe.probabilities(features), atol=1e-4)
    np.testing.assert_allclose(other.weight_D * scale, probe.weight_D, rtol=1e-3, atol=1e-4)


def test_a_dimension_that_never_varies_has_no_weight() -> None:
    """It can tell nothing, even where its value (1/3) makes the computed deviation not quite 0."""
    features, toxic = _data()
    wider = np.column_stack([features, np.full(len(features), 1 / 3)])
    probe, narrow = fit_probe(wider, toxic, 1.0, 1000), fit_probe(features, toxic, 1.0, 1000)
    assert probe.weight_D[4] == 0
    np.testing.assert_allclose(probe.weight_D[:4], narrow.weight_D, rtol=1e-9)


def test_probabilities_are_the_logistic_of_the_log_odds() -> None:
    """At x = (1, 2) with weights (ln 3, 0) and bias 0: odds 3 to 1."""
    probe = Probe(np.array([np.log(3), 0.0]), 0.0, 1)
    np.testing.assert_allclose(probe.probabilities([[1, 2], [0, 9], [-1, 0]]), [0.75, 0.5, 0.25])


def test_the_input_is_not_changed() -> None:
    """Features are standardised in a copy."""
    features, toxic = _data()
    before = features.copy()
    fit_probe(features, toxic, 1.0, 1000)
    np.testing.assert_array_equal(features, before)


def test_what_cannot_be_fitted_is_refused() -> None:
    """One label only, a hole in the features, shapes that disagree, or too few iterations."""
    features, toxic = _data()
    with pytest.raises(ValueError, match="all labels are alike"):
        fit_probe(features, np.ones(len(features)), 1.0, 100)
    holed = features.copy()
    holed[7, 2] = np.nan
    with pytest.raises(ValueError, match="text 7 has a feature that is not finite"):
        fit_probe(holed, toxic, 1.0, 100)
    with pytest.raises(ValueError, match=r"features \(120, 4\) and labels \(119,\)"):
        fit_probe(features, toxic[1:], 1.0, 100)
    with pytest.raises(ValueError, match=r"did not converge in 1 iterations .*raise train_probe\.max_iterations"):
        fit_probe(features, toxic, 1.0, 1)


def _measured(toxic: list[int], scores: list[float], resamples: int = 50):
    return detection(toxic, scores, resamples, 0.95, np.random.default_rng(1))


def test_measures_by_hand() -> None:
    """Scores .9 .6 .6 .4 .1 with labels 1 0 1 1 0.

    Pairs of toxic over other: .9 beats both, .6 ties one and beats one, .4 beats one: (2 + 1.5 + 1) / 6 = .75.
    Called toxic: .9 .6 .6, of which 2 are; 3 are toxic: F1 = 2 * 2 / (3 + 3) = 2/3; right: .9, .6, .1 = 3 of 5.
    Average precision: at .9 recall 1/3, precision 1; at .6 recall 2/3, precision 2/3; at .4 recall 1, precision 3/4:
    (1 + 2/3 + 3/4) / 3 = 29/36.
    """
    measured = _measured([1, 0, 1, 1, 0], [0.9, 0.6, 0.6, 0.4, 0.1])
    assert (measured.texts, measured.toxic) == (5, 3)
    assert measured.auroc == pytest.approx(0.75)
    assert measured.average_precision == pytest.approx(29 / 36)
    assert measured.f1 == pytest.approx(2 / 3)
    assert measured.accuracy == pytest.approx(0.6)
    assert measured.majority == pytest.approx(0.6)
    assert measured.undefined == {}


def test_calling_nothing_toxic_is_no_better_than_the_majority() -> None:
    """With 1 of 10 toxic and all scores low, accuracy is .9, as is that of never looking; F1 is 0."""
    measured = _measured([1] + [0] * 9, [0.2] * 10)
    assert (measured.accuracy, measured.majority, measured.f1, measured.auroc) == (0.9, 0.9, 0.0, 0.5)
    assert measured.auroc_interval == (0.5, 0.5)


@pytest.mark.parametrize(
    ("toxic", "scores", "none"),
    [
        ([0, 0], [0.1, 0.7], {"auroc", "auroc_interval", "average_precision"}),
        ([0, 0], [0.1, 0.2], {"auroc", "auroc_interval", "average_precision", "f1"}),
        ([1, 1], [0.1, 0.7], {"auroc", "auroc_interval"}),
    ],
)
def test_what_one_class_leaves_undefined_is_none_with_a_reason(toxic, scores, none) -> None:
    """A measure that needs both kinds of texts is absent, never 0 or NaN, and the others stay."""
    measured = _measured(toxic, scores)
    assert set(measured.undefined) == none
    assert {name for name, value in vars(measured).items() if value is None} == none
    assert all("of the texts are toxic" in reason for reason in measured.undefined.values())
    assert measured.majority == 1


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=30).filter(
        lambda rows: 0 < sum(toxic for toxic, _ in rows) < len(rows)
    )
)
def test_the_area_is_the_rank_sum_and_lies_in_the_widest_interval(rows: list[tuple[bool, int]]) -> None:
    """AUROC = Mann-Whitney's U / (P M), ties included; replicates stay in [0, 1]; a perfect area has no width."""
    toxic = np.array([label for label, _ in rows])
    scores = np.array([score for _, score in rows]) / 8
    measured = detection(toxic, scores, 200, 0.9, np.random.default_rng(3))
    expected = mannwhitneyu(scores[toxic], scores[~toxic], method="asymptotic").statistic
    assert measured.auroc == pytest.approx(expected / (toxic.sum() * (~toxic).sum()))
    low, high = measured.auroc_interval
    assert 0 <= low <= high <= 1
    if measured.auroc in (0, 1):
        assert (low, high) == (measured.auroc, measured.auroc)


def test_the_interval_has_the_width_of_hanley_and_mcneil() -> None:
    """200 texts of each kind, normal scores one deviation apart: the standard error by their formula (1982)."""
    rng = np.random.default_rng(5)
    toxic = np.repeat([True, False], 200)
    scores = 1 / (1 + np.exp(-(rng.normal(size=400) + toxic)))
    measured = detection(toxic, scores, 4000, 0.95, np.random.default_rng(6))
    area = measured.auroc
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    error = np.sqrt((area * (1 - area) + 199 * (q1 - area**2) + 199 * (q2 - area**2)) / 200**2)
    low, high = measured.auroc_interval
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert low < area < high


def test_chunks_of_resamples_leave_the_interval_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resampled 7 at a time or all at once, the interval is that of as many replicates."""
    rng = np.random.default_rng(8)
    toxic = rng.random(100) < 0.4
    scores = np.clip(rng.random(100) * 0.7 + 0.3 * toxic, 0, 1)
    whole = detection(toxic, scores, 3000, 0.95, np.random.default_rng(1)).auroc_interval
    monkeypatch.setattr("tasks.mechanism.probe.CHUNK_VALUES", 700)
    np.testing.assert_allclose(
        detection(toxic, scores, 3000, 0.95, np.random.default_rng(2)).auroc_interval, whole, atol=0.02
    )


@pytest.mark.parametrize(
    ("toxic", "scores", "confidence", "said"),
    [
        ([], [], 0.95, "N > 0"),
        ([1, 0], [0.5], 0.95, "not both"),
        ([1, 0], [0.5, 1.5], 0.95, r"\[0, 1\]"),
        ([1, 0], [0.5, float("nan")], 0.95, r"\[0, 1\]"),
        ([1, 0], [0.5, 0.5], 95, "confidence is 95"),
    ],
)
def test_bad_scores_are_refused(toxic, scores, confidence, said) -> None:
    """Nothing to measure, shapes that disagree, no probabilities, or a level in per cent."""
    with pytest.raises(ValueError, match=said):
        detection(toxic, scores, 10, confidence, np.random.default_rng(1))
