"""What the paper published: figures as printed, and what others computed from them."""

import pytest

from tasks.reporting.published import LANGUAGES, METRICS, MODELS, interval_of_r, of_model, p_of_r


def test_relative_changes_of_emt() -> None:
    """Computed by hand from Table 2: from -68.7% for mGPT to -43.6% for Llama 2."""
    changes = {model.name: round(100 * model.relative_change("emt"), 1) for model in MODELS}
    assert changes == {
        "mGPT 1.3B": -68.7,
        "BLOOM 1.7B": -62.5,
        "BLOOM 7.1B": -48.0,
        "Llama 2 7B": -43.6,
        "Llama 3 8B": -51.4,
        "Aya-23 8B": -45.8,
    }


def test_every_model_has_every_metric() -> None:
    """Seven before and seven after; shares are shares; toxicity falls in all, ToxProb below a quarter."""
    for model in MODELS:
        assert set(model.before) == set(model.after) == set(METRICS)
        assert all(0 < side[name] < 1 for side in (model.before, model.after) for name in METRICS if "perp" not in name)
        assert all(model.after[name] < model.before[name] for name in ("emt", "toxprob", "avgtox"))
        assert model.after["toxprob"] < 0.25


@pytest.mark.parametrize(
    ("r", "p", "low", "high"),
    [(0.732, 0.0013, 0.37, 0.90), (0.59, 0.0161, 0.13, 0.84), (0.66, 0.0054, 0.24, 0.87), (0.78, 0.0004, 0.46, 0.92)],
)
def test_what_sixteen_languages_say(r: float, p: float, low: float, high: float) -> None:
    """Known values of t and Fisher's z for n = 16; r = .59 is not significant at .01, which its figure claims."""
    assert p_of_r(r, LANGUAGES) == pytest.approx(p, abs=5e-5)
    assert interval_of_r(r, LANGUAGES, 0.95) == pytest.approx((low, high), abs=5e-3)
    assert p_of_r(-r, LANGUAGES) == p_of_r(r, LANGUAGES)


def test_a_perfect_correlation_has_no_interval() -> None:
    """Fisher's z is infinite there, and needs more than three pairs."""
    for r, n in ((1.0, 16), (0.5, 3)):
        with pytest.raises(ValueError, match=r"has no interval by Fisher's z"):
            interval_of_r(r, n, 0.95)


def test_a_model_is_found_by_its_id() -> None:
    """As on the hub, whose names ignore case; no other model, and no directory, is one of the paper's."""
    found = of_model("bigscience/BLOOM-1b7")
    assert found is not None and found.name == "BLOOM 1.7B"
    assert of_model("somebody/bloom-1b7") is None and of_model(None) is None
    renamed = of_model("CohereLabs/aya-23-8B")
    assert renamed is not None and renamed is of_model("CohereForAI/aya-23-8B")


def test_who_is_tuned_how() -> None:
    """Sec. 3: models of about one billion parameters in full, the others with QLoRA."""
    assert [model.tuning for model in MODELS] == ["full", "full", "qlora", "qlora", "qlora", "qlora"]
