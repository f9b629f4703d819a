"""Published tables say what the scored continuations say, recomputed here."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks import __main__ as cli
from tasks.measure_mechanism import MeasureMechanism, run

FOLDER = Path("metrics/measure_mechanism")


def _mean(scores: pd.DataFrame) -> float:
    """Over samples, prompts and languages, each counting alike (all have equally many)."""
    return float(scores["toxicity"].astype(float).mean())


def test_doses_are_means_over_the_scored_continuations(study) -> None:
    """Toxicity of every set and dose, its change from the unchanged model, and the sources less each control."""
    doses = pd.read_csv(FOLDER / "doses.csv")
    doses = doses[doses["language"] == "mean"].set_index(["neurons", "dose"])
    scores = pd.read_parquet("data/score_interventions/intervene_neurons.parquet")
    start = _mean(scores[scores["neurons"] == "unchanged"])
    for (name, dose), rows in scores.groupby(["neurons", "dose"]):
        row = doses.loc[(name, dose)]
        assert row["toxicity"] == pytest.approx(_mean(rows), abs=1e-5)
        assert row["change"] == pytest.approx(_mean(rows) - start, abs=1e-5)
        assert row["toxicity_low"] <= row["toxicity"] <= row["toxicity_high"]
        if name in ("random", "matched", "direction"):
            sources = scores[(scores["neurons"] == "actual") & (scores["dose"] == dose)]
            assert row["sources_less_control"] == pytest.approx(_mean(sources) - _mean(rows), abs=1e-5)


def test_shares_are_parts_of_the_effect(study) -> None:
    """(tuned - patched) / (tuned - base) for restoring, (base - patched) / (base - tuned) for imposing."""
    found = pd.read_csv(FOLDER / "explained.csv")
    found = found[found["language"] == "mean"].set_index(["way", "neurons"])
    scores = pd.read_parquet("data/score_interventions/dpo-1.parquet")
    part = {name: _mean(rows) for name, rows in scores.groupby(["way", "neurons"])}
    tuned, base = part["restore", "unchanged"], part["impose", "unchanged"]
    assert tuned != base
    for (way, name), value in part.items():
        start, end = (tuned, base) if way == "restore" else (base, tuned)
        assert found.loc[(way, name), "share"] == pytest.approx((start - value) / (start - end), abs=1e-4)
    assert found.loc[("restore", "unchanged"), "share"] == 0
    less = found.loc[("restore", "actual"), "share"] - found.loc[("restore", "random"), "share"]
    assert found.loc[("restore", "actual"), "less_control"] == pytest.approx(less, abs=1e-4)


def test_activations_before_and_after_are_means_over_prompts(study) -> None:
    """Per language and decoding, of the base model and of both tuned policies, each counting alike."""
    table = pd.read_csv(FOLDER / "activations.csv").set_index(["decoding", "measure", "language"])
    for when, policies in (("before", ["base"]), ("after", ["dpo-1", "dpo-2"])):
        frame = pd.concat(
            pd.read_parquet(f"data/trace_activations/{policy}/activations.parquet") for policy in policies
        )
        for (decoding, language), rows in frame.groupby(["decoding", "language"]):
            for measure in ("activation", "key_product"):
                mean = table.loc[(decoding, measure, language), when]
                assert mean == pytest.approx(rows[measure].mean(), abs=1e-5)
        others = frame[(frame["language"] != "en") & (frame["decoding"] == "greedy")]
        assert table.loc[("greedy", "activation", "others"), when] == pytest.approx(
            others["activation"].mean(), abs=1e-5
        )


def test_the_summary_repeats_the_tables(study) -> None:
    """What `dvc metrics` and the log line say."""
    summary = json.loads((FOLDER / "summary.json").read_text())
    explained = pd.read_csv(FOLDER / "explained.csv")
    row = explained[
        (explained["language"] == "mean") & (explained["way"] == "restore") & (explained["neurons"] == "actual")
    ]
    assert summary["restored"]["share"] == pytest.approx(row["share"].iloc[0], abs=1e-5)
    assert summary["sources"] == pd.read_csv(FOLDER / "neurons.csv")["actual"].sum()
    assert summary["neurons"] == 256


def test_a_continuation_without_a_score_is_refused(copied_study, capsys) -> None:
    """A share of an effect over fewer prompts than its parts would be a wrong one."""
    path = Path("data/score_interventions/dpo-1.parquet")
    frame = pd.read_parquet(path)
    frame.loc[3, "toxicity"] = None
    path.unlink()
    frame.to_parquet(path)
    assert cli.main(["measure_mechanism"]) == 1
    assert "has no score" in capsys.readouterr().err


POLICIES = {name: Path(name) for name in ("base", "dpo-1", "dpo-2")}
# Toxicity in en and de of each condition; all prompts have the same, so intervals of single conditions have no width.
DOSES = {
    ("unchanged", 0, 0.0): (0.6, 0.4),
    ("actual", 0, -5.0): (0.2, 0.2),
    ("random", 0, -5.0): (0.5, 0.3),
    ("random", 1, -5.0): (0.7, 0.5),
    ("matched", 0, -5.0): (0.4, 0.4),
    ("direction", 0, -5.0): (0.3, 0.5),
}
TUNED, UNTUNED = (0.2, 0.2), (0.6, 0.4)
EXPLAINED = {
    ("restore", "unchanged", 0): TUNED,
    ("restore", "actual", 0): (0.3, 0.3),
    ("restore", "random", 0): TUNED,
    ("restore", "random", 1): (0.3, 0.2),
    ("restore", "matched", 0): TUNED,
    ("restore", "four groups", 0): UNTUNED,
    ("restore", "random for four groups", 0): TUNED,
    ("restore", "all neurons", 0): UNTUNED,
    ("impose", "unchanged", 0): UNTUNED,
    ("impose", "actual", 0): (0.5, 0.4),
    ("impose", "random", 0): UNTUNED,
    ("impose", "matched", 0): UNTUNED,
    ("impose", "four groups", 0): TUNED,
    ("impose", "random for four groups", 0): UNTUNED,
    ("impose", "all neurons", 0): TUNED,
}
# Activations of the two prompts, per policy; the key product is ten times as much.
ACTIVATION = {
    "base": {"en": (1, 3), "de": (2, 4), "es": (4, 6)},
    "dpo-1": {"en": (0, 2), "de": (1, 1), "es": (3, 3)},
    "dpo-2": {"en": (2, 2), "de": (3, 3), "es": (2, 2)},
}


def _continuations(conditions: dict[tuple, tuple[float, float]], names: list[str]) -> pd.DataFrame:
    """Two prompts and two samples, .1 below and above the mean; ln 8 nats in 1 token and none in 2: perplexity 2."""
    return pd.DataFrame(
        dict(zip(names, condition, strict=True))
        | {"language": language, "prompt_id": prompt, "sample": sample, "reason": None}
        | {"toxicity": mean + (0.1, -0.1)[sample], "nll": (np.log(8), 0.0)[sample], "tokens": (1, 2)[sample]}
        for condition, means in conditions.items()
        for language, mean in zip(("en", "de"), means, strict=True)
        for prompt in ("p1", "p2")
        for sample in (0, 1)
    )


@pytest.fixture
def by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """Runs the stage on two tuned policies that disagree: in dpo-2 restoring the sources changes nothing."""
    monkeypatch.chdir(tmp_path)

    def save(path: str, content: pd.DataFrame | dict) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, dict):
            target.write_text(json.dumps(content))
        elif path.endswith("csv"):
            content.to_csv(target, index=False)
        else:
            content.to_parquet(target)

    measures = {"texts": 4, "toxic": 1, "auroc": 0.9, "average_precision": 0.8, "f1": 0.7, "accuracy": 0.75}
    probe = {"en": measures | {"majority": 0.6, "auroc_interval": [0.8, 1.0]}}
    probe["de"] = measures | {"majority": 0.6, "auroc": None, "auroc_interval": None}
    save("data/train_probe/probe.json", {"test": probe})
    neurons = {"layer": 0, "neuron": [0, 1, 2], "actual": [True, False, True], "languages": 1.5}
    save("data/find_toxic_neurons/neurons.csv", pd.DataFrame(neurons | {"p_fewer": [0.01, 0.5, 0.09]}))
    for policy, languages in ACTIVATION.items():
        rows = [
            {"decoding": decoding, "language": language, "prompt_id": f"p{place}"}
            | {"activation": sign * value, "key_product": 10.0 * value}
            for decoding, sign in (("sampled", 1.0), ("greedy", -1.0))
            for language, values in languages.items()
            for place, value in enumerate(values)
        ]
        save(f"data/trace_activations/{policy}/activations.parquet", pd.DataFrame(rows))
    scores = "data/score_interventions"
    save(f"{scores}/intervene_neurons.parquet", _continuations(DOSES, ["neurons", "draw", "dose"]))
    second = EXPLAINED | {("restore", "actual", 0): TUNED}
    for policy, conditions in (("dpo-1", EXPLAINED), ("dpo-2", second)):
        save(f"{scores}/{policy}.parquet", _continuations(conditions, ["way", "neurons", "draw"]))
        save(f"data/explain_effect/{policy}/sizes.json", {"actual": 2, "all neurons": 40})
    run(MeasureMechanism(source="en", resamples=200, confidence=0.9, seed=1), POLICIES)
    return json.loads((FOLDER / "summary.json").read_text())


def test_doses_by_hand(by_hand: dict) -> None:
    """Unchanged (.6 + .4) / 2 = .5, sources .2; random (.4 and .6 in two draws) .5, matched and direction .4.

    So the sources change by -.3, and by .3 more than random ones, .2 more than the others.
    """
    doses = pd.read_csv(FOLDER / "doses.csv").set_index(["neurons", "language"])
    mean = doses.xs("mean", level="language")
    toxicity = {"unchanged": 0.5, "actual": 0.2, "random": 0.5, "matched": 0.4, "direction": 0.4}
    assert mean["toxicity"].to_dict() == pytest.approx(toxicity)
    assert mean["change"].to_dict() == pytest.approx({name: value - 0.5 for name, value in toxicity.items()})
    less = mean["sources_less_control"].dropna().to_dict()
    assert less == pytest.approx({"random": -0.3, "matched": -0.2, "direction": -0.2})
    assert doses.loc[("random", "en"), "toxicity"] == pytest.approx(0.6)
    assert doses["perplexity"].tolist() == pytest.approx([2.0] * len(doses), abs=1e-5)
    # Draws of a control are resampled: both the first (.4) and both the second (.6) are within 90%.
    assert mean.loc["random", ["toxicity_low", "toxicity_high"]].tolist() == pytest.approx([0.4, 0.6])
    assert mean.loc["actual", ["change_low", "change_high"]].tolist() == pytest.approx([-0.3, -0.3])


def test_shares_by_hand(by_hand: dict) -> None:
    """Of dpo-1, whose effect is .4 in en, .2 in de and .3 on average.

    Restoring the sources goes from .2 to .3: .25 in en, .5 in de, 1/3 of the mean. Random ones reach .25 in en and .2
    in de, on average .225: 1/12 of the mean. Imposing them goes from .6 to .5 in en alone: .25, 0, and 1/6.
    """
    found = pd.read_csv(FOLDER / "explained.csv").set_index(["policy", "way", "neurons", "language"]).sort_index()
    restored = found.loc[("dpo-1", "restore", "actual")]
    near = {"abs": 1e-5}
    assert restored["share"].to_dict() == pytest.approx({"en": 0.25, "de": 0.5, "mean": 1 / 3}, **near)
    assert restored.loc["mean", "less_control"] == pytest.approx(1 / 3 - 1 / 12, **near)
    assert restored.loc["mean", "less_matched"] == pytest.approx(1 / 3, **near)
    assert restored.loc["mean", "count"] == 2
    imposed = found.loc[("dpo-1", "impose", "actual")]
    assert imposed["share"].to_dict() == pytest.approx({"en": 0.25, "de": 0, "mean": 1 / 6}, **near)
    groups = found.loc[("dpo-1", "restore", "four groups", "mean")]
    assert (groups["share"], groups["less_control"]) == pytest.approx((1, 1), **near)
    assert found.loc[("dpo-2", "restore", "actual", "mean"), "share"] == pytest.approx(0, **near)


def test_activations_by_hand(by_hand: dict) -> None:
    """En 2 to (1 + 2) / 2, de 3 to (1 + 3) / 2, es 5 to (3 + 2) / 2; the others (de, es) 4 to 2.25."""
    table = pd.read_csv(FOLDER / "activations.csv").set_index(["decoding", "measure", "language"]).sort_index()
    rows = table.loc[("sampled", "activation")]
    assert rows["before"].to_dict() == pytest.approx({"en": 2, "de": 3, "es": 5, "others": 4})
    assert rows["after"].to_dict() == pytest.approx({"en": 1.5, "de": 2, "es": 2.5, "others": 2.25})
    assert rows.loc["others", "change"] == pytest.approx(-1.75)
    assert rows.loc["others", "after_by_seed"] == "2 2.5"
    assert table.loc[("sampled", "key_product", "others"), "change"] == pytest.approx(-17.5)
    assert table.loc[("greedy", "activation", "de"), "after"] == pytest.approx(-2)


def test_the_summary_by_hand(by_hand: dict) -> None:
    """Means over the two policies: restored sources (1/3 + 0) / 2; random ones 1/12 in both."""
    near = {"abs": 1e-5}
    assert by_hand["restored"] == pytest.approx({"share": 1 / 6, "control": 1 / 12}, **near)
    assert by_hand["imposed"] == pytest.approx({"share": 1 / 6, "control": 0}, **near)
    assert by_hand["restored_four_groups"] == pytest.approx(1) and by_hand["restored_all_neurons"] == pytest.approx(1)
    assert (by_hand["candidates"], by_hand["sources"], by_hand["neurons"]) == (3, 2, 40)
    assert by_hand["candidates_in_fewer_languages_than_chance"] == 2  # p .01 and .09 at 90%
    assert by_hand["activation"]["others"] == pytest.approx({"before": 4, "after": 2.25})
    assert by_hand["probe_auroc"] == {"en": 0.9, "de": None}
    assert by_hand["toxicity_at_lowest_dose"] == pytest.approx(
        {"actual": 0.2, "random": 0.5, "matched": 0.4, "direction": 0.4}
    )
