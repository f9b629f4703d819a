"""Shares of an effect and their intervals, by hand and by property."""

import numpy as np
import pytest
from scipy import stats

from tasks.mechanism.explained import difference, estimates, resampled_means, share

NAMES, LANGUAGES = ["base", "tuned", "half", "draw 0", "draw 1"], ["de", "en"]


def _means(prompts: int = 40, resamples: int = 2000):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(3)
    base = rng.random((prompts, 2)) * 0.5 + 0.5
    tuned = base * 0.2
    values = np.stack([base, tuned, (base + tuned) / 2, base - 0.1, base + 0.1])
    return values, resampled_means(values, NAMES, LANGUAGES, resamples, np.random.default_rng(0))


def test_means_are_those_of_the_values_and_their_mean_over_languages() -> None:
    """Language by language, then over both, each counting alike."""
    values, means = _means()
    np.testing.assert_allclose(means.of("base")[0][:2], values[0].mean(axis=0))
    assert means.of("base")[0][2] == pytest.approx(values[0].mean())


def test_intervals_agree_with_scipys_bootstrap() -> None:
    """Percentile intervals of one language's mean, to within the noise of resampling."""
    values, means = _means(resamples=9999)
    found = estimates(means.of("base"), 0.95)[0]
    low, high = stats.bootstrap(
        (values[0, :, 0],), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(1)
    ).confidence_interval
    assert found.low == pytest.approx(low, abs=0.005) and found.high == pytest.approx(high, abs=0.005)


def test_shares_of_known_parts() -> None:
    """All of the way is 1, none 0, halfway a half: in every replicate, since prompts are paired."""
    _, means = _means()
    base, tuned = means.of("base"), means.of("tuned")
    for name, expected in (("tuned", 1.0), ("base", 0.0), ("half", 0.5)):
        for one in estimates(share(means.of(name), base, tuned), 0.95):
            assert (one.value, one.low, one.high) == pytest.approx((expected,) * 3)


def test_no_effect_has_no_share() -> None:
    """Neither value nor interval."""
    _, means = _means()
    for one in estimates(share(means.of("half"), means.of("base"), means.of("base")), 0.95):
        assert np.isnan([one.value, one.low, one.high]).all()


def test_differences_are_paired() -> None:
    """A constant difference has an interval of no width."""
    _, means = _means()
    for one in difference(means.of("draw 1"), means.of("draw 0"), 0.95):
        assert (one.value, one.low, one.high) == pytest.approx((0.2,) * 3)


def test_draws_of_a_control_are_resampled_too() -> None:
    """Their mean is the estimate; that they differ widens the interval of the difference to a constant."""
    values, means = _means()
    found = means.of_draws(["draw 0", "draw 1"], np.random.default_rng(0))
    assert found[0][2] == pytest.approx(values[0].mean())
    one = difference(found, means.of("base"), 0.95)[2]
    assert one.low == pytest.approx(-0.1) and one.high == pytest.approx(0.1)


def test_bad_values_are_refused() -> None:
    """Too few prompts, or a missing value."""
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="at least two"):
        resampled_means(np.ones((1, 1, 2)), ["a"], LANGUAGES, 10, rng)
    with pytest.raises(ValueError, match="1 values are not finite"):
        resampled_means(np.array([[[1.0, np.nan], [1.0, 1.0]]]), ["a"], LANGUAGES, 10, rng)
