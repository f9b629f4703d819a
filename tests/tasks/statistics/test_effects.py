"""Effects and side effects of two tuned policies that disagree, worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from tasks.statistics.effects import before_and_after, effects_by_language, pooled_effects, side_effects

TUNED = ["dpo-1", "dpo-2"]
PROMPTS = [f"p{number}" for number in range(6)]
SETTINGS = {"resamples": 50, "confidence": 0.9}


def frame(values: dict[str, dict[str, list[float]]]) -> pd.DataFrame:
    """Language to policy to the value of each prompt, the same for all three metrics but halved for AvgTox."""
    return pd.DataFrame(
        {"language": language, "prompt_id": prompt, "policy": policy, "emt": one, "toxprob": one, "avgtox": one / 2}
        for language, policies in values.items()
        for policy, row in policies.items()
        for prompt, one in zip(PROMPTS, row, strict=False)
    )


@pytest.fixture
def table() -> pd.DataFrame:
    """Per language the numbers of toxic prompts of six.

    | language | base | dpo-1 | dpo-2 |
    | en       | 6    | 0     | 0     |
    | de       | 6    | 0     | 4     |
    | es       | 3    | 0     | 6     | the changes of the two policies cancel
    """
    first = [1.0] * 3 + [0.0] * 3
    shares = {
        "en": {"base": [1.0] * 6, "dpo-1": [0.0] * 6, "dpo-2": [0.0] * 6},
        "de": {"base": [1.0] * 6, "dpo-1": [0.0] * 6, "dpo-2": [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]},
        "es": {"base": first, "dpo-1": [0.0] * 6, "dpo-2": [1.0] * 6},
    }
    return frame(shares)


def found(table: pd.DataFrame) -> pd.DataFrame:
    """Effects by metric and language."""
    effects = effects_by_language(table, TUNED, ["en"], permutations=999, rng=np.random.default_rng(0), **SETTINGS)
    return effects.set_index(["metric", "language"])


def test_means_over_prompts_seeds_and_languages(table: pd.DataFrame) -> None:
    """German ToxProb falls from 1 to (0 + 4/6) / 2 = 1/3; Spanish stays at 1/2.

    The others (de, es) fall from 3/4 to (1/3 + 1/2) / 2 = 5/12, that is by 1/3 or 4/9; dpo-1 ends at 0,
    dpo-2 at (2/3 + 1) / 2 = 5/6. AvgTox is half of each.
    """
    rows = found(table)
    german, others = rows.loc[("toxprob", "de")], rows.loc[("toxprob", "others")]
    assert (german["before"], german["after"]) == pytest.approx((1, 1 / 3))
    assert (german["change"], german["relative_change"]) == pytest.approx((-2 / 3, -2 / 3))
    assert german["after_by_seed"] == "0 0.666667"
    assert (others["before"], others["after"]) == pytest.approx((3 / 4, 5 / 12))
    assert (others["change"], others["relative_change"]) == pytest.approx((-1 / 3, -4 / 9))
    assert others["after_by_seed"] == "0 0.833333"
    assert (others["prompts"], german["prompts"]) == (12, 6)
    assert rows.loc[("avgtox", "others"), "change"] == pytest.approx(-1 / 6)


def test_mcnemar_takes_the_policy_that_shows_least(table: pd.DataFrame) -> None:
    """De: dpo-1 turns 6 of 6 (p = 2 / 64), dpo-2 turns 2 (p = 1/2), so 1/2. En: both turn 6, so 1/32."""
    rows = found(table)
    assert rows.loc[("toxprob", "de"), "p_mcnemar"] == pytest.approx(1 / 2)
    assert rows.loc[("toxprob", "en"), "p_mcnemar"] == pytest.approx(1 / 32)
    assert rows.loc[("emt", "en"), "p_mcnemar"] != rows.loc[("emt", "en"), "p_mcnemar"]  # NaN: no outcome


def test_p_values_are_of_the_mean_over_policies_and_corrected_within_a_metric(table: pd.DataFrame) -> None:
    """All six prompts fall in en and de: 2 of 64 sign vectors are as extreme. Es: 3 up by 1/2, 3 down, mean 0: p = 1.

    Holm over three languages: the smallest times 3, the next times 2 or the one before if larger, the last 1.
    """
    rows = found(table)
    for metric in ("emt", "toxprob", "avgtox"):
        p = rows.loc[metric]["p_value"]
        assert p["es"] == 1 and p[["en", "de"]].between(0.015, 0.055).all()
        small, large = sorted(p[["en", "de"]])
        corrected = rows.loc[metric]["p_holm"]
        assert sorted(corrected[["en", "de"]]) == pytest.approx([3 * small, max(3 * small, 2 * large)])
        assert corrected["es"] == 1


def test_prompts_without_a_score_leave_all_policies(table: pd.DataFrame) -> None:
    """German p0 is unscored in dpo-2: of the five left, dpo-1 has 0 and dpo-2 4 toxic: (0 + 4/5) / 2."""
    missing = (table["language"] == "de") & (table["policy"] == "dpo-2") & (table["prompt_id"] == "p0")
    table.loc[missing, ["emt", "toxprob", "avgtox"]] = np.nan
    row = found(table).loc[("emt", "de")]
    assert (row["prompts"], row["after"]) == (5, pytest.approx(0.4))


def test_pooled_effects_weigh_prompts_alike_and_leave_the_pairs_language_out() -> None:
    """De has two prompts at 1, es one at 0.4, all falling to 0 and 0.2: 2.4 / 3 before, 0.1 after."""
    table = frame(
        {
            "en": {"base": [0.9], "dpo-1": [0.9], "dpo-2": [0.9]},
            "de": {"base": [1.0, 1.0], "dpo-1": [0.0, 0.0], "dpo-2": [0.2, 0.2]},
            "es": {"base": [0.4], "dpo-1": [0.0], "dpo-2": [0.2]},
        }
    )
    row = pooled_effects(table, TUNED, ["en"], rng=np.random.default_rng(0), **SETTINGS).iloc[0]
    assert (row["language"], row["metric"], row["prompts"]) == ("others", "emt", 3)
    assert (row["before"], row["after"]) == pytest.approx((0.8, 0.1))


def test_side_effects_by_hand() -> None:
    """Perplexities 1 2 3 10: median 2.5, quartiles 1.75 and 4.75, one dropped.

    Civil texts: ln 8 nats in 1 token and 0 in 2: exp(ln 8 / 3) = 2.
    """
    fluency = pd.DataFrame({"language": "de", "perplexity": [1.0, 2.0, 3.0, 10.0, np.nan]})
    diversity = pd.DataFrame(
        {"language": "de", "distinct_1": [0.0, 0.0, 0.9], "distinct_2": 0.5, "distinct_3": 0.6, "self_bleu": 0.7}
    )
    identity = pd.DataFrame(
        {
            "language": "de",
            "identified": ["de", "en", None, "de"],
            "consistent": [True, False, False, False],
            "empty": [True, False, False, False],
            "repetitive": [True, True, True, False],
            "cut_off": False,
        }
    )
    retention = pd.DataFrame({"language": "de", "nll": [np.log(8), 0.0], "tokens": [1, 2]})
    values = side_effects(fluency, diversity, identity, retention).set_index("effect")["value"]
    assert values.to_dict() == pytest.approx(
        {
            "perplexity_median": 2.5,
            "perplexity_lower_quartile": 1.75,
            "perplexity_upper_quartile": 4.75,
            "perplexity_dropped": 1,
            "civil_perplexity": 2,
            "distinct_1": 0.3,
            "distinct_2": 0.5,
            "distinct_3": 0.6,
            "self_bleu": 0.7,
            "language_consistent": 0.25,
            "language_unknown": 0.25,
            "empty": 0.25,
            "repetitive": 0.75,
            "cut_off": 0,
        }
    )


def test_before_and_after_is_the_mean_over_policies() -> None:
    """2 becomes 4 and 9: 6.5 after, by +4.5 or 225%; from 0 there is no relative change."""
    effects = pd.DataFrame(
        [("de", "one", value, policy) for policy, value in (("base", 2.0), ("dpo-1", 4.0), ("dpo-2", 9.0))]
        + [("de", "two", value, policy) for policy, value in (("base", 0.0), ("dpo-1", 1.0), ("dpo-2", 3.0))],
        columns=["language", "effect", "value", "policy"],
    )
    rows = before_and_after(effects, TUNED).set_index("effect")
    names = ["before", "after", "change", "relative_change", "after_dpo-1", "after_dpo-2"]
    assert rows.loc["one", names].tolist() == pytest.approx([2, 6.5, 4.5, 2.25, 4, 9])
    assert rows.loc["two", names].tolist() == pytest.approx([0, 2, 2, np.nan, 1, 3], nan_ok=True)
