"""Intervals, against normal theory and hand calculation."""

import math
import tracemalloc

import numpy as np
import pytest

from tasks.statistics.intervals import bootstrap_mean, mean_effect_over_languages, paired_effect
from tasks.statistics.resampling import Interval


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def width(interval: Interval) -> float:
    return interval.high - interval.low


# --- bootstrap of a mean ---


def test_interval_of_a_mean_against_normal_theory() -> None:
    """With 400 values the interval is mean +- 1.96 sd / sqrt(400), to 5 % of its half-width."""
    values_N = generator().normal(3, 2, size=400)
    half = 1.959964 * values_N.std() / 20
    interval = bootstrap_mean(values_N, 10_000, 0.95, generator(1))
    assert interval.low == pytest.approx(values_N.mean() - half, abs=0.05 * half)
    assert interval.high == pytest.approx(values_N.mean() + half, abs=0.05 * half)


def test_interval_covers_the_mean_as_often_as_it_says() -> None:
    """Of 400 samples of 40 exponential values (mean 1) nearly 90 % of the intervals hold 1.

    A percentile interval of a skewed sample is a little short: over 5,000 samples, simulated
    apart, 0.864 hold 1. The standard error of the share of 400 is 0.017.
    """
    rng = generator(2)
    intervals = [bootstrap_mean(rng.exponential(size=40), 300, 0.9, rng) for _ in range(400)]
    covered = np.mean([interval.low <= 1 <= interval.high for interval in intervals])
    assert 0.80 <= covered <= 0.92


def test_mean_interval_refuses_what_has_none() -> None:
    """NaN is never dropped; one value has no spread; 95 is not a level."""
    with pytest.raises(ValueError, match="values holds 1 non-finite"):
        bootstrap_mean([0.1, np.nan], 10, 0.95, generator())
    with pytest.raises(ValueError, match="two or more"):
        bootstrap_mean([0.1], 10, 0.95, generator())
    with pytest.raises(ValueError, match="confidence is 95"):
        bootstrap_mean([0.1, 0.2], 10, 95, generator())


# --- paired effect ---


def test_effect_by_hand() -> None:
    """Before 0.4 0.8, after 0.2 0.6 and 0.4 0.4: 0.6 to 0.4, change -0.2, relative -1/3."""
    effect = paired_effect([0.4, 0.8], [[0.2, 0.6], [0.4, 0.4]], 100, 0.95, generator())
    assert effect.before == pytest.approx(0.6)
    assert effect.after == pytest.approx(0.4)
    assert effect.change == pytest.approx(-0.2)
    assert effect.relative_change == pytest.approx(-1 / 3)
    assert effect.seed_after == pytest.approx((0.4, 0.4))


def test_prompts_are_paired() -> None:
    """If every prompt falls by 0.1, the change is certain however much prompts differ."""
    before_P = generator().uniform(0.2, 1, size=50)
    effect = paired_effect(before_P, [before_P - 0.1], 500, 0.95, generator(1))
    assert width(effect.before_interval) > 0.05
    assert width(effect.change_interval) == pytest.approx(0, abs=1e-12)


def test_one_seed_against_normal_theory() -> None:
    """With one seed the change is a mean of 400 differences: +- 1.96 sd / sqrt(400)."""
    rng = generator(3)
    before_P, after_P = rng.normal(1, 1, size=400), rng.normal(0.5, 1, size=400)
    difference_P = after_P - before_P
    half = 1.959964 * difference_P.std() / 20
    interval = paired_effect(before_P, [after_P], 10_000, 0.95, rng).change_interval
    assert interval.low == pytest.approx(difference_P.mean() - half, abs=0.05 * half)
    assert interval.high == pytest.approx(difference_P.mean() + half, abs=0.05 * half)


def test_equal_seeds_add_nothing_and_differing_seeds_widen() -> None:
    """Seeds at -0.2, 0, +0.2 around the same prompts.

    The variance of the mean is then var(prompts) / P + (0.08 / 3) / 3, and an interval that draws
    prompts only misses the second term.
    """
    prompts_P = generator(4).normal(0.5, 0.5, size=100)
    flat_SP = np.tile(prompts_P, (3, 1))
    seeds_SP = flat_SP + np.array([[-0.2], [0.0], [0.2]])
    flat = paired_effect(prompts_P, flat_SP, 10_000, 0.95, generator(5)).after_interval
    hierarchical = paired_effect(prompts_P, seeds_SP, 10_000, 0.95, generator(5)).after_interval
    plain = bootstrap_mean(seeds_SP.mean(axis=0), 10_000, 0.95, generator(6))
    assert width(flat) == pytest.approx(width(plain), rel=0.05)
    expected = 2 * 1.959964 * math.sqrt(prompts_P.var() / 100 + 0.08 / 9)
    assert width(hierarchical) == pytest.approx(expected, rel=0.05)
    assert width(hierarchical) > 1.5 * width(plain)


def test_relative_change_needs_something_before() -> None:
    """Nothing before: no relative change. One toxic prompt of 20: some replicates have none."""
    nothing = paired_effect(np.zeros(20), np.ones((1, 20)), 50, 0.95, generator())
    assert nothing.change == 1
    assert math.isnan(nothing.relative_change)
    assert math.isnan(nothing.relative_change_interval.low)

    rare_P = np.eye(20)[0]
    rare = paired_effect(rare_P, np.ones((1, 20)), 500, 0.95, generator())
    assert rare.relative_change == pytest.approx(19)
    assert math.isnan(rare.relative_change_interval.low)


def test_memory_stays_bounded() -> None:
    """20,000 replicates of 3 seeds and 1,000 prompts as one array would take 480 MB."""
    before_P = generator().uniform(size=1000)
    tracemalloc.start()
    paired_effect(before_P, np.tile(before_P, (3, 1)), 20_000, 0.95, generator())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 160e6


def test_effect_refuses_odd_inputs() -> None:
    """Misaligned prompts, holes and a single prompt are named."""
    with pytest.raises(ValueError, match=r"after \(1, 3\) does not match before \(2,\)"):
        paired_effect([1, 2], [[1, 2, 3]], 10, 0.95, generator())
    with pytest.raises(ValueError, match="after holds 1 non-finite"):
        paired_effect([1, 2], [[1, np.nan]], 10, 0.95, generator())
    with pytest.raises(ValueError, match="at least two"):
        paired_effect([1], [[1]], 10, 0.95, generator())
    with pytest.raises(ValueError, match="resamples is 0"):
        paired_effect([1, 2], [[1, 2]], 0, 0.95, generator())


# --- mean effect over languages ---


def test_mean_over_languages_by_hand() -> None:
    """Es stays at 0.2, fr falls from 0.8 to 0.4: the mean falls from 0.5 to 0.3, by 40 %.

    The mean of the relative changes 0 and -50 % would be -25 %. Prompts are matched by id.
    """
    effect = mean_effect_over_languages(
        before={"es": [0.1, 0.3], "fr": [0.9, 0.7]},
        after={"es": [[0.2, 0.2]], "fr": [[0.5, 0.3]]},
        prompts={"es": ["p1", "p2"], "fr": ["p2", "p1"]},
        resamples=200,
        confidence=0.95,
        rng=generator(),
    )
    assert effect.before == pytest.approx(0.5)
    assert effect.after == pytest.approx(0.3)
    assert effect.relative_change == pytest.approx(-0.4)
    # drawn by id: p1 alone has (0.1 + 0.7) / 2 = 0.4 before, p2 alone (0.3 + 0.9) / 2 = 0.6
    assert effect.before_interval.low == pytest.approx(0.4)
    assert effect.before_interval.high == pytest.approx(0.6)


def test_translations_of_a_prompt_are_drawn_together() -> None:
    """Two languages with equal values are no more certain than one if they share the prompts.

    As 200 + 200 unrelated prompts the variance halves: the width shrinks by sqrt(2).
    """
    values_P = generator(7).normal(size=200)
    ids = [f"p{i}" for i in range(200)]

    def interval(other_ids: list[str]) -> Interval:
        return mean_effect_over_languages(
            before={"es": values_P, "fr": values_P},
            after={"es": [values_P], "fr": [values_P]},
            prompts={"es": ids, "fr": other_ids},
            resamples=10_000,
            confidence=0.95,
            rng=generator(8),
        ).before_interval

    alone = paired_effect(values_P, [values_P], 10_000, 0.95, generator(9)).before_interval
    assert width(interval(ids)) == pytest.approx(width(alone), rel=0.05)
    apart = interval([f"q{i}" for i in range(200)])
    assert width(apart) == pytest.approx(width(alone) / math.sqrt(2), rel=0.05)


def test_a_seed_is_drawn_for_all_languages_at_once() -> None:
    """Seeds that help one language as much as they harm the other leave the mean unmoved."""
    effect = mean_effect_over_languages(
        before={"es": np.full(5, 0.5), "fr": np.full(5, 0.5)},
        after={
            "es": [np.full(5, 0.2), np.full(5, 0.8)],
            "fr": [np.full(5, 0.8), np.full(5, 0.2)],
        },
        prompts={"es": list("abcde"), "fr": list("abcde")},
        resamples=500,
        confidence=0.95,
        rng=generator(),
    )
    assert effect.after == pytest.approx(0.5)
    assert effect.seed_after == pytest.approx((0.5, 0.5))
    assert width(effect.after_interval) == pytest.approx(0, abs=1e-12)


def test_language_with_fewer_prompts_averages_its_own() -> None:
    """Fr has 30 of 60 prompts, all 1, and stays at 1 in each replicate whatever is drawn."""
    ids = [f"p{i}" for i in range(60)]
    effect = mean_effect_over_languages(
        before={"es": np.ones(60), "fr": np.ones(30)},
        after={"es": np.zeros((2, 60)), "fr": np.ones((2, 30))},
        prompts={"es": ids, "fr": ids[:30]},
        resamples=500,
        confidence=0.95,
        rng=generator(),
    )
    assert effect.change == pytest.approx(-0.5)
    assert width(effect.before_interval) == pytest.approx(0, abs=1e-12)
    assert width(effect.after_interval) == pytest.approx(0, abs=1e-12)


def test_languages_refuse_odd_inputs() -> None:
    """Languages, seeds and prompt ids that disagree are named."""
    ids = ["a", "b"]
    with pytest.raises(ValueError, match="languages differ"):
        mean_effect_over_languages({"es": [1, 2]}, {}, {"es": ids}, 9, 0.9, generator())
    with pytest.raises(ValueError, match="1 of them distinct"):
        mean_effect_over_languages({"es": [1, 2]}, {"es": [[1, 2]]}, {"es": ["a", "a"]}, 9, 0.9, generator())
    with pytest.raises(ValueError, match="'fr' has 2 seeds, not 1"):
        mean_effect_over_languages(
            {"es": [1, 2], "fr": [1, 2]},
            {"es": [[1, 2]], "fr": [[1, 2], [1, 2]]},
            {"es": ids, "fr": ids},
            9,
            0.9,
            generator(),
        )
    with pytest.raises(ValueError, match="draws no prompt"):
        mean_effect_over_languages(
            {"es": np.ones(20), "fr": [1]},
            {"es": np.ones((1, 20)), "fr": [[1]]},
            {"es": [str(i) for i in range(20)], "fr": ["0"]},
            99,
            0.9,
            generator(),
        )
