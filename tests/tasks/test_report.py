"""The report: one self-contained page whose sentences follow the numbers, here of a study of four languages."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tasks import report
from tasks.plumbing.files import ArtefactError, write_csv, write_json, write_parquet
from tasks.report import Report

pytestmark = pytest.mark.slow  # draws every figure anew
LANGUAGES = ["de", "en", "hi", "ru"]
NAMES = ["German", "English", "Hindi", "Russian"]
POLICIES = {
    "base": Path("models/prepare_model"),
    "dpo-1": Path("models/train_dpo/1"),
    "dpo-2": Path("models/train_dpo/2"),
}
FELL = {"de": (0.6, 0.2), "en": (0.7, 0.1), "hi": (0.5, 0.3), "ru": (0.6, 0.4)}
ROSE = {"de": (0.5, 0.6), "en": (0.5, 0.7), "hi": (0.5, 0.9), "ru": (0.4, 0.6)}
EFFECTS = (
    "civil_perplexity", "cut_off", "distinct_1", "distinct_2", "distinct_3", "empty", "language_consistent",
    "language_unknown", "perplexity_dropped", "perplexity_lower_quartile", "perplexity_median",
    "perplexity_upper_quartile", "repetitive", "self_bleu",
)  # fmt: skip
INPUTS = {
    "metrics/measure_transfer/languages.csv": "measure_transfer",
    "metrics/measure_transfer/side_effects.csv": "measure_transfer",
    "metrics/measure_transfer/summary.json": "measure_transfer",
    "metrics/measure_transfer/predictors.csv": "measure_transfer",
    "metrics/measure_transfer/points.csv": "measure_transfer",
    "metrics/measure_retrieval/layers.csv": "measure_retrieval",
    "metrics/measure_retrieval/languages.csv": "measure_retrieval",
    "metrics/measure_mechanism/probe.csv": "measure_mechanism",
    "metrics/measure_mechanism/neurons.csv": "measure_mechanism",
    "metrics/measure_mechanism/activations.csv": "measure_mechanism",
    "metrics/measure_mechanism/doses.csv": "measure_mechanism",
    "metrics/measure_mechanism/explained.csv": "measure_mechanism",
    "metrics/compare_scorers/validity.csv": "compare_scorers",
    "metrics/compare_scorers/agreement.csv": "compare_scorers",
    "metrics/compare_scorers/summary.json": "compare_scorers",
    "data/find_toxic_neurons/tokens.parquet": "find_toxic_neurons",
    "data/prepare_model/learning.csv": "prepare_model",
    "data/prepare_prompts/prompts.parquet": "prepare_prompts",
    "data/prepare_pairs/drops.json": "prepare_pairs",
    "data/score_toxicity/dpo-2/scorer.json": "score_toxicity@dpo-2",
    "data/score_toxicity/base/scores.parquet": "score_toxicity@base",
    "data/score_fluency/dpo-1/perplexity.parquet": "score_fluency@dpo-1",
    "data/generate/dpo-1/continuations.parquet": "generate@dpo-1",
    "data/train_dpo/2/run.json": "train_dpo@2",
    "data/train_dpo/2/curves.csv": "train_dpo@2",
}


def write_study(
    emt: dict[str, tuple[float, float]],
    pearson: float = 0.9,
    error: float = 0.1,
    policies: Mapping[str, Path] = POLICIES,
) -> None:
    """All inputs of the report, in the current directory; intervals are the estimate plus and minus .05."""
    others = [language for language in LANGUAGES if language != "en"]
    means = tuple(float(np.mean([emt[language][when] for language in others])) for when in (0, 1))
    effects = [
        {
            "language": language, "metric": metric, "subset": "aligned", "prompts": 4,
            **_with_interval("before", before), **_with_interval("after", after),
            **_with_interval("change", after - before), **_with_interval("relative_change", (after - before) / before),
            "after_by_seed": f"{after - 0.01} {after + 0.01}", "p_value": 0.001, "p_holm": 0.002, "p_mcnemar": 0.03,
        }
        for metric in ("emt", "toxprob", "avgtox")
        for language, (before, after) in (emt | {"others": means}).items()
    ]  # fmt: skip
    write_csv(Path("metrics/measure_transfer/languages.csv"), pd.DataFrame(effects))
    side_effects = [
        {"effect": effect, "language": language, "before": 0.5, "after": 0.6, "change": 0.1, "relative_change": 0.2,
         **{f"after_{policy}": 0.6 for policy in policies if policy != "base"}}
        for effect in EFFECTS for language in LANGUAGES
    ]  # fmt: skip
    write_csv(Path("metrics/measure_transfer/side_effects.csv"), pd.DataFrame(side_effects))
    means = {"side_effects": {effect: {"before": 0.5, "after": 0.6} for effect in EFFECTS}, "trained_on": ["en"]}
    write_json(Path("metrics/measure_transfer/summary.json"), means)
    found = {"n": 3, **_with_interval("estimate", pearson, ""), "p_value": 0.01}
    left_out = {"loo_error": error, "loo_error_of_mean": 0.2, "loo_r2": 0.5}
    predictors = [
        {"measure": measure, "layers": layers, "method": method, **found, **(left_out if method == "pearson" else {})}
        for measure, layers in (("p_at_1", "best"), ("mean_cosine", "best"), ("log_corpus_share", ""))
        for method in ("pearson", "spearman", "pearson_given_log_corpus_share")
    ]
    write_csv(Path("metrics/measure_transfer/predictors.csv"), pd.DataFrame(predictors))
    measures = [(language, measure) for language in others for measure in ("p_at_1", "mean_cosine")]
    points = [
        {"language": language, "measure": measure, "layers": "best", "value": 0.1 * number, "emt_reduction": 0.2}
        for number, (language, measure) in enumerate(measures)
    ]
    write_csv(Path("metrics/measure_transfer/points.csv"), pd.DataFrame(points))
    layers = [
        {"language": language, "layer": layer, "measure": measure, "value": 0.3, "low": 0.2, "high": 0.4}
        for language, measure in measures for layer in (0, 1)
    ]  # fmt: skip
    write_csv(Path("metrics/measure_retrieval/layers.csv"), pd.DataFrame(layers))
    best = {"layer_mean": 0.3, "best_layer": 1, "best": 0.3}
    retrieval = [{"language": language, "measure": measure, **best} for language, measure in measures]
    write_csv(Path("metrics/measure_retrieval/languages.csv"), pd.DataFrame(retrieval))
    learning = {"corpus_share": 0.25, "tokens_per_document": 9.0, "loss_per_token": 1.5, "entropy_per_token": 1.0}
    write_csv(
        Path("data/prepare_model/learning.csv"), pd.DataFrame([{"language": name, **learning} for name in LANGUAGES])
    )
    prompts = [
        {"language": language, "prompt_id": f"w{number}", "text": f"zonkoprompt{number}", "culture_specific": False}
        for language in LANGUAGES for number in range(4)
    ]  # fmt: skip
    write_parquet(Path("data/prepare_prompts/prompts.parquet"), pd.DataFrame(prompts))
    write_json(Path("data/prepare_pairs/drops.json"), {"read": 12, "prompt_too_long": 2, "kept": 10})
    for policy in policies:
        _write_policy(policy, prompts)
    for seed in (1, 2):
        _write_run(seed)
    _write_mechanism()
    _write_scorers({language: 0.9 for language in LANGUAGES}, [])
    sections = {
        "languages": LANGUAGES,
        "prepare_model": {"kind": "mini"},
        "prepare_pairs": {"kind": "mini"},
        "prepare_prompts": {"kind": "mini"},
        "prepare_parallel": {"kind": "mini", "sentences": 20},
        "train_dpo": {"recipe": {"method": "dpo", "loss": "sigmoid", "tuning": {"kind": "full"}}},
        "generate": {"samples": 25, "new_tokens": 20, "top_p": 0.8, "temperature": 0.9},
        "score_fluency": {"judge": "base"},
        "score_toxicity": {"primary": "lexicon", "scorers": {"lexicon": {"kind": "lexicon"}}},
        "prepare_labelled": {"kind": "rtp_lx"},
        "compare_scorers": {"least_auroc": 0.7, "confidence": 0.95},
        "measure_transfer": {"source": "en", "threshold": 0.5, "confidence": 0.95},
        "find_toxic_neurons": {"source": "en"},
        "measure_mechanism": {"source": "en", "confidence": 0.95},
        "runtime": {"device": "zonkodevice"},
    }
    Path("params.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")


def _with_interval(name: str, value: float, prefix: str | None = None) -> dict[str, float]:
    prefix = f"{name}_" if prefix is None else prefix
    return {name: value, f"{prefix}low": value - 0.05, f"{prefix}high": value + 0.05}


def _write_policy(policy: str, prompts: list[dict[str, object]]) -> None:
    keys = [
        {"language": row["language"], "prompt_id": row["prompt_id"], "sample": n} for row in prompts for n in (0, 1)
    ]
    frame = pd.DataFrame(keys)
    tokens = [[1, 2, 3] for _ in keys]
    write_parquet(
        Path(f"data/generate/{policy}/continuations.parquet"),
        frame.assign(text="zonkobase" if policy == "base" else "zonkoafter", tokens=tokens),
    )
    reason = [None] * (len(keys) - 1)
    toxicity = [0.25] * (len(keys) - 1)
    folder = Path("data/score_toxicity") / policy
    write_parquet(
        folder / "scores.parquet", frame.assign(toxicity=[*toxicity, None], reason=[*reason, "unsupported language"])
    )
    card = {"id": "lexicon", "revision": "r1", "label": "insult", "coverage": dict.fromkeys(LANGUAGES, 0.875)}
    write_json(folder / "scorer.json", card)
    perplexity = frame.assign(perplexity=[*toxicity, None], reason=[*reason, "empty continuation"])
    write_parquet(Path(f"data/score_fluency/{policy}/perplexity.parquet"), perplexity)


def _write_run(seed: int) -> None:
    folder = Path("data/train_dpo") / str(seed)
    record = {
        "seed": seed, "pairs": {"train": 9, "validation": 1}, "best_step": 1, "last_step": 2, "device": "cpu",
        "validation_loss": {"before": 0.7, "best": 0.3}, "versions": {"trl": "9.8.7"},
    }  # fmt: skip
    write_json(folder / "run.json", record)
    columns = {
        "loss": 0.3,
        "reward_margin": 1.0,
        "reward_chosen": -0.5,
        "reward_rejected": -1.5,
        "reward_accuracy": 1.0,
    }
    curves = pd.DataFrame({f"validation_{name}": [0.0, value, value] for name, value in columns.items()})
    curves.insert(0, "step", [0, 1, 2])
    write_csv(folder / "curves.csv", curves)


def _write_scorers(auroc: Mapping[str, float | None], agreement: list[dict[str, object]]) -> None:
    """One scorer with its AUROC per language, valid above .7 less .05; None where a language has no labels."""
    folder = Path("metrics/compare_scorers")
    rows = [
        {"scorer": "lexicon", "language": language, "texts": 20, "missing": 0, "toxic": 8, "average_precision": 0.6,
         **(_with_interval("auroc", value) if value else dict.fromkeys(("auroc", "auroc_low", "auroc_high"))),
         "valid": value - 0.05 > 0.7 if value else None, "reason": None if value else "no labelled text"}
        for language, value in auroc.items()
    ]  # fmt: skip
    write_csv(folder / "validity.csv", pd.DataFrame(rows).astype({"valid": "boolean"}))
    columns = ["scorer_a", "scorer_b", "language", "samples", "spearman", "change_a", "change_b", "same_sign", "reason"]
    write_csv(folder / "agreement.csv", pd.DataFrame(agreement, columns=columns))
    languages = {
        "without_valid_scorer": [name for name, value in auroc.items() if not value or value <= 0.75],
        "without_labels": [name for name, value in auroc.items() if not value],
    }
    known = [value for value in auroc.values() if value]
    valid = {"valid_languages": sum(value > 0.75 for value in known), "labelled_languages": len(known)}
    card = {"id": "tests/lexicon", "revision": "r1", "construct": "insult severity", **valid}
    write_json(folder / "summary.json", {"scorers": {"lexicon": card}, "languages": languages})


def _write_mechanism() -> None:
    """One source of two candidates; it carries 40% of the drop, random neurons 5%, all neurons 90%."""
    folder = Path("metrics/measure_mechanism")
    quality = {"texts": 20, "toxic": 8, "average_precision": 0.7, "f1": 0.6, "accuracy": 0.7, "majority": 0.6}
    probe = [{"language": language, **quality, **_with_interval("auroc", 0.8)} for language in LANGUAGES]
    write_csv(folder / "probe.csv", pd.DataFrame(probe))
    spoken = {"languages": 2.0, "languages_by_chance": 4.0, "chance_low": 3.0, "chance_high": 5.0, "p_fewer": 0.01}
    neurons = [
        {"layer": 0, "neuron": number, "actual": number == 0, "cosine": 0.3, "activation": 0.1, "p_more": 1.0, **spoken}
        for number in (0, 1)
    ]
    write_csv(folder / "neurons.csv", pd.DataFrame(neurons))
    tokens = [{"layer": 0, "neuron": 0, "place": place, "text": "zonkotoken", "language": "en"} for place in (1, 2)]
    write_parquet(Path("data/find_toxic_neurons/tokens.parquet"), pd.DataFrame(tokens))
    course = _with_interval("before", 0.4) | _with_interval("after", 0.2) | _with_interval("change", -0.2)
    activations = [
        {"decoding": decoding, "measure": measure, "language": language, **course, "after_by_seed": "0.1 0.3"}
        for decoding in ("greedy", "sampled")
        for measure in ("activation", "key_product")
        for language in (*LANGUAGES, "others")
    ]
    write_csv(folder / "activations.csv", pd.DataFrame(activations))
    fell = (
        _with_interval("toxicity", 0.3) | _with_interval("change", -0.2) | _with_interval("sources_less_control", -0.1)
    )
    doses = [
        {"neurons": name, "dose": dose, "language": "mean", "perplexity": 3.5, **fell}
        for name, dose in (("actual", -2.5), ("random", -2.5), ("unchanged", 0.0))
    ]
    write_csv(folder / "doses.csv", pd.DataFrame(doses))
    explained = [
        {
            "policy": "dpo-1", "way": way, "neurons": name, "count": count, "language": language, "perplexity": 3.5,
            "toxicity": 0.1 if way == "restore" else 0.5, **_with_interval("share", share),
            **_with_interval("less_control", share - 0.05), **_with_interval("less_matched", share - 0.05),
        }
        for way in ("restore", "impose")
        for name, count, share in (
            ("unchanged", 0, 0), ("actual", 1, 0.4), ("random", 1, 0.05), ("all neurons", 8, 0.9),
        )
        for language in (*LANGUAGES, "mean")
    ]  # fmt: skip
    write_csv(folder / "explained.csv", pd.DataFrame(explained))


def make(show_text: bool = False, policies: dict[str, Path] = POLICIES) -> str:
    """Runs the stage in the current directory and returns the page."""
    report.run(Report(title="A <title>", show_text=show_text, examples=3), policies, [*LANGUAGES, "fr"])
    return Path("data/report/report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study where toxicity fell everywhere, and its report."""
    root = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        write_study(FELL)
        make()
    return root


@pytest.fixture
def page(finished: Path) -> str:
    return (finished / "data/report/report.html").read_text(encoding="utf-8")


def text_of(page: str) -> str:
    """What a reader sees, in one line."""
    words = re.sub(r"</?span[^>]*>", "", page)  # what marks numbers within a sentence
    return " ".join(re.sub(r"<[^>]+>", " ", words).split())


def test_page_loads_nothing(page: str) -> None:
    """One file: every reference stays inside it, and its one script asks nobody for anything."""
    references = re.findall(r'(?:src|href|action|data)="([^"]*)"', page) + re.findall(r"url\(([^)]*)\)", page)
    assert references
    assert [reference for reference in references if not reference.startswith(("#", "data:"))] == []
    assert "http" not in page
    assert "@import" not in page
    (script,) = re.findall(r"<script(.*?)</script>", page, flags=re.DOTALL)
    assert script.startswith(">") and not re.search(r"fetch|XMLHttp|import|WebSocket|sendBeacon|innerHTML|eval", script)


def test_references_of_inline_figures_are_unambiguous(page: str) -> None:
    """No id appears twice with another content, so that no figure borrows another one's marks or clipping."""
    elements = re.findall(r'<(?:path|clipPath) id="([^"]+)"(.*?)(?:/>|</clipPath>)', page, flags=re.DOTALL)
    contents: dict[str, set[str]] = {}
    for name, content in elements:
        contents.setdefault(name, set()).add(content)
    assert contents
    assert {name for name, variants in contents.items() if len(variants) > 1} == set()


def test_every_language_and_every_figure_is_there(page: str, finished: Path) -> None:
    """Each language is named, and each figure of the page is a PNG file, too."""
    assert [name for name in NAMES if name not in page] == []
    pictures = sorted((finished / "data/report/figures").glob("*.png"))
    assert len(pictures) == page.count("<svg ")
    assert {picture.read_bytes()[:4] for picture in pictures} == {b"\x89PNG"}
    assert "Languages in params.yaml without a measurement: French." in text_of(page)


def test_title_is_escaped(page: str) -> None:
    """Text of params.yaml is text, not markup."""
    assert "<h1>A &lt;title&gt;</h1>" in page


def test_text_is_redacted(page: str) -> None:
    """Neither a prompt nor a continuation can be read; their lengths can: 'zonkobase' has nine letters."""
    assert "zonko" not in page
    assert ">█████████<" in page


def test_text_is_shown_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With show_text the examples are in clear, and the content note says so."""
    monkeypatch.chdir(tmp_path)
    write_study(FELL)
    page = make(show_text=True)
    assert all(text in page for text in ("zonkoprompt0", "zonkobase", "zonkoafter", "zonkotoken"))
    assert "they are in clear (report.show_text is true)" in text_of(page)


def test_same_inputs_give_the_same_bytes(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run writes the same page and figures, bit by bit: no clock and no counter is in them."""
    monkeypatch.chdir(finished)
    before = {path.name: path.read_bytes() for path in Path("data/report").rglob("*.*")}
    make()
    assert before == {path.name: path.read_bytes() for path in Path("data/report").rglob("*.*")}


def test_headline_follows_the_numbers(page: str) -> None:
    """.7 to .1 in English; (.6 + .5 + .6) / 3 = .567 to (.2 + .3 + .4) / 3 = .3 elsewhere, all three significant."""
    text = text_of(page)
    assert "English EMT falls, from 0.700 to 0.100 (change −0.600, 95% interval −0.650 to −0.550)." in text
    assert "mean EMT of the 3 other languages falls, from 0.567 to 0.300 (change −0.267" in text
    assert "in 3 of 3 languages. No estimate is higher after tuning." in text
    assert "it has predictive value" in text
    assert "became less likely as well" in text


def test_mechanism_follows_the_numbers(page: str) -> None:
    """One source of eight neurons carries .4 of the drop from .5 to .1, .35 more than a random one."""
    text = text_of(page)
    assert "Restoring 1 of 8 neurons undoes 40% [+35%, +45%] of the drop in mean toxicity (dpo-1), 0.500 to" in text
    assert "the difference +35% [+30%, +40%] is beyond chance." in text
    assert 'data-why="metrics/measure_mechanism/doses.csv:neurons=actual,dose=-2.5,language=mean:toxicity"' in page


def test_worsening_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where toxicity rose and the predictor errs more than the mean, the page says so and claims nothing."""
    monkeypatch.chdir(tmp_path)
    write_study(ROSE, error=0.3)
    text = text_of(make())
    assert "English EMT rises, from 0.500 to 0.700" in text
    assert "Tuning did not detoxify English itself" in text
    assert "they became more toxic" in text
    assert (
        "in 0 of 3 languages. Significantly more toxic: German (+0.100), Russian (+0.200) and Hindi (+0.400)." in text
    )
    assert "no better than the mean-only baseline, so it does not predict an unseen language" in text
    assert "Transfer is" not in text


def test_what_is_missing_is_counted(page: str) -> None:
    """One of 32 continuations of each policy has no score, and the reason is there; so is what was dropped."""
    text = text_of(page)
    assert "continuations of dpo-2 no toxicity score: unsupported language 1 3.1% of 32" in text
    assert "continuations of base no perplexity: empty continuation 1 3.1% of 32" in text
    assert "preference pairs prompt too long 2" in text


def test_provenance_is_complete_and_never_stale(page: str) -> None:
    """Scorer, versions and parameters are there; `runtime`, whose change re-runs nothing, is not."""
    text = text_of(page)
    assert "lexicon, revision r1, label “insult”" in text
    assert "trl 9.8.7" in text
    assert "measure_transfer: {confidence: 0.95, source: en, threshold: 0.5}" in text
    assert "git log -1 -- dvc.lock" in text
    assert "zonkodevice" not in text


@pytest.mark.parametrize(("path", "stage"), INPUTS.items())
def test_missing_input_is_named(path: str, stage: str, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which file is not there and which stage makes it."""
    monkeypatch.chdir(finished)
    hidden = Path(path).rename(Path(path).with_suffix(".hidden"))
    try:
        with pytest.raises(ArtefactError, match=re.escape(f"{path}: not there; make it with `dvc repro {stage}`")):
            make()
    finally:
        hidden.rename(path)


def test_two_scorers_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before and after are comparable only if one revision of one scorer judged both."""
    monkeypatch.chdir(tmp_path)
    write_study(FELL)
    card = {"id": "lexicon", "revision": "r2", "label": "insult", "coverage": {}}
    write_json(Path("data/score_toxicity/dpo-2/scorer.json"), card)
    with pytest.raises(ArtefactError, match=r"dpo-2/scorer\.json: lexicon r2 judged dpo-2, but lexicon r1 judged base"):
        make()


def make_with(root: Path, monkeypatch: pytest.MonkeyPatch, tuned: dict[str, str], seeds: list[int]) -> str:
    """The page of a study of the base model and these policies that has trained these seeds."""
    policies = {"base": Path("models/prepare_model")} | {name: Path(path) for name, path in tuned.items()}
    monkeypatch.chdir(root)
    write_study(FELL, policies=policies)
    for seed in {1, 2} - set(seeds):
        shutil.rmtree(Path("data/train_dpo") / str(seed))
    return make(policies=policies)


@pytest.mark.parametrize("path", ["models/nightly", "models/train_dpo/old/1"])
def test_policy_from_elsewhere_has_no_training(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that lies not right in models/train_dpo has no record: it is judged, and the page says just that."""
    page = make_with(tmp_path, monkeypatch, {"nightly": path}, seeds=[])
    text = text_of(page)
    assert "before and after tuning, with one policy; this study did not train nightly. Did tuning" in text
    assert "less toxic in English and in 3 other languages" in text
    assert f"Not trained in this study, which has no training record of them: nightly ({path})." in text
    assert f"nightly {path}: not trained in this study" in text
    assert not re.search(r"\bseeds?\b|validation loss falls|\btrl\b", text)
    assert "English EMT falls, from 0.700 to 0.100" in text
    figures = {figure.stem for figure in Path("data/report/figures").glob("*.png")}
    assert {"languages", "correlations"} <= figures
    assert [name for name in figures if name.startswith("training")] == []


def test_a_policy_from_elsewhere_beside_a_trained_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was trained here keeps its curves; together they are policies, since they differ by more than a seed."""
    page = make_with(tmp_path, monkeypatch, {"dpo-2": "models/train_dpo/2", "nightly": "models/nightly"}, seeds=[2])
    text = text_of(page)
    assert "with 2 policies; this study did not train nightly." in text
    assert "Seed 2: the validation loss falls from" in text
    assert "no training record of them: nightly (models/nightly)." in text
    assert "models/train_dpo/2: seed 2, 9 train and 1 validation pairs" in text
    assert "black ticks show the single policies" in text
    assert Path("data/report/figures/training-loss.png").exists()


def test_a_valid_scorer_needs_no_warning(page: str) -> None:
    """AUROC .9 less .05 exceeds .7 in all four languages."""
    text = text_of(page)
    assert (
        "lexicon is shown to be valid (the whole interval of its AUROC against labels is above 0.70) in 4 of 4" in text
    )
    assert "†" not in text and "Caveat" not in text
    assert "lexicon tests/lexicon r1 insult severity 4 of 4" in text
    assert "the pipeline loses none of them" not in text
    assert 'data-why="metrics/compare_scorers/validity.csv:scorer=lexicon,language=hi:auroc"' in page


def test_conclusions_are_marked_where_no_scorer_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hindi's scorer is near chance and Russian has no labels: both are marked wherever they are concluded on."""
    monkeypatch.chdir(tmp_path)
    write_study(FELL)
    _write_scorers({"de": 0.9, "en": 0.9, "hi": 0.6, "ru": None}, [])
    text = text_of(make())
    assert "in 2 of 3 languages that have labels; not in Hindi." in text
    assert text.count("No scorer is shown to be valid in Hindi and Russian (Russian without labelled texts)") == 2
    assert "hi Hindi † " in text and "ru Russian † " in text and "de German †" not in text
    assert "ru Russian 20 8 0 no labelled text" in text.replace("lexicon, ", "")


def test_another_valid_scorer_does_not_vouch_for_the_primary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Hindi only the guard is valid, and EMT is the lexicon's: marked, but not as where none is."""
    monkeypatch.chdir(tmp_path)
    write_study(FELL)
    _write_scorers({"de": 0.9, "en": 0.9, "hi": 0.6, "ru": 0.9}, [])
    path = Path("metrics/compare_scorers/validity.csv")
    own = pd.read_csv(path)
    guard = own.assign(scorer="guard", auroc=0.95, auroc_low=0.9, auroc_high=1.0, valid=True)
    write_csv(path, pd.concat([own, guard]))
    summary = Path("metrics/compare_scorers/summary.json")
    found = json.loads(summary.read_text(encoding="utf-8"))
    write_json(summary, found | {"languages": {"without_valid_scorer": [], "without_labels": []}})
    loaded = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    loaded["score_toxicity"]["scorers"]["guard"] = {"kind": "guard"}
    Path("params.yaml").write_text(yaml.safe_dump(loaded, sort_keys=False), encoding="utf-8")
    text = text_of(make())
    assert text.count("lexicon, whose scores these are, is not shown to be valid in Hindi, marked ‡, where") == 2
    assert "hi Hindi ‡ " in text and "†" not in text


def test_scorers_that_disagree_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks agree from .2 to .8; of three languages with an effect by both, one has opposite signs."""
    monkeypatch.chdir(tmp_path)
    write_study(FELL)
    pair = {"scorer_a": "lexicon", "scorer_b": "guard", "samples": 8, "reason": None}
    rows = [
        {**pair, "language": language, "spearman": rho, "change_a": -0.2, "change_b": change, "same_sign": same}
        for language, rho, change, same in (
            ("de", 0.8, -0.1, True), ("en", 0.5, -0.3, True), ("hi", 0.2, 0.1, False), ("ru", 0.4, None, None)
        )
    ]  # fmt: skip
    _write_scorers(dict.fromkeys(LANGUAGES, 0.9), rows)
    loaded = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    loaded["score_toxicity"]["scorers"]["guard"] = {"kind": "guard"}
    Path("params.yaml").write_text(yaml.safe_dump(loaded, sort_keys=False), encoding="utf-8")
    page = make()
    text = text_of(page)
    assert "lexicon and guard rank samples with Spearman’s ρ from 0.20 to 0.80 across languages" in text
    assert "agree on the sign of the change of EMT in 2 of 3 (not in Hindi)." in text
    assert "Whether guard is valid is unknown" in text
    assert "lexicon and guard, ru Russian 8 0.40 −0.200 – –" in text


def test_the_mini_world_is_no_model_of_the_paper(page: str) -> None:
    """So directions compare and levels do not; the published figures stand there, with what differs."""
    text = text_of(page)
    assert "The base model is not among the six of Li, Yong &amp; Bach 2024, so levels cannot be compared" in text
    # Of Table 2, by hand: .157 / .502 - 1 = -69% and .314 / .557 - 1 = -44%. Here 1.0 / 2.4 - 1.
    assert "mean EMT falls in 6 of 6 models, by −69% to −44%; here it changes by −58% over all languages" in text
    assert "by −0.267 [−0.317, −0.217] (95%) over the other languages, a fall, as there." in text
    assert "r from +0.59 to +0.78 in four models there; here it has no estimate." in text
    assert "mGPT 1.3B, paper 0.502 → 0.157 (−69%) 46.8% → 3.9% (−92%)" in text
    # Means of this study: (.6 + .7 + .5 + .6) / 4 = .6 and (.2 + .1 + .3 + .4) / 4 = .25.
    assert "this study 0.600 → 0.250 (−58%)" in text
    assert "BLOOM 1.7B, paper Fig. 13 16 +0.59 [+0.13, +0.84] 0.016" in text
    assert "the scorer (lexicon; there Perspective)" in text


def test_a_model_of_the_paper_stands_beside_its_published_self(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BLOOM 1.7B's own row comes first below this study's, and both changes of EMT are in one sentence."""
    monkeypatch.chdir(tmp_path)
    write_study(FELL)
    loaded = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    loaded["prepare_model"] = {"kind": "hub", "id": "bigscience/bloom-1b7"}
    Path("params.yaml").write_text(yaml.safe_dump(loaded), encoding="utf-8")
    text = text_of(make())
    assert (
        "The base model is BLOOM 1.7B of Li, Yong &amp; Bach 2024. EMT changes by −58% here and by −62% there." in text
    )
    assert "(−58%)" in text and text.index("BLOOM 1.7B, paper, the same base model") < text.index("mGPT 1.3B, paper")
    assert "BLOOM 1.7B in the paper*" in text
    assert "mini world" not in text.lower()


def test_a_method_without_rewards_has_no_figures_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Supervised tuning has a loss alone: no reward is drawn or told, and nothing says DPO."""
    monkeypatch.chdir(tmp_path)
    write_study(FELL)
    loaded = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    loaded["train_dpo"]["recipe"] = {"method": "sft", "tuning": {"kind": "full"}}
    loaded["prepare_parallel"] = {"kind": "ntrex", "limit": 200}
    Path("params.yaml").write_text(yaml.safe_dump(loaded), encoding="utf-8")
    for seed in (1, 2):
        path = Path(f"data/train_dpo/{seed}/curves.csv")
        curves = pd.read_csv(path)
        write_csv(path, curves.assign(**{name: None for name in curves if "reward" in name}))
    text = text_of(make())
    figures = {figure.stem for figure in Path("data/report/figures").glob("training-*.png")}
    assert figures == {"training-loss"}
    assert "was tuned with supervised tuning on English preference pairs alone" in text
    assert "falls from 0.700 to 0.300 at step 1 of 2." in text
    assert "civil text" not in text and "own perplexity on the parallel sentences" in text


def test_a_base_model_of_which_little_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Published shares of two languages, or nothing at all: the page says so and draws no losses."""
    monkeypatch.chdir(tmp_path)
    write_study(FELL)
    columns = ["language", "corpus_share", "tokens_per_document", "loss_per_token", "entropy_per_token"]
    for shares in ({"de": 0.1, "en": 0.4}, {}):
        frame = pd.DataFrame({"language": list(shares), "corpus_share": list(shares.values())}, columns=columns)
        write_csv(Path("data/prepare_model/learning.csv"), frame)
        text = text_of(make())
        assert "How well the base model knows each language was not measured" in text
        assert ("en English 40.00%" in text) == bool(shares)
        assert not Path("data/report/figures/learning.png").exists()


def test_a_published_model_has_its_differences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EMT .493 and .185 published for BLOOM 1.7B, .6 and .25 here; the paper's own perplexity where it was computed."""
    monkeypatch.chdir(tmp_path)
    write_study(FELL)
    loaded = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    loaded["prepare_model"] = {"kind": "hub", "id": "bigscience/bloom-1b7"}
    loaded["train_dpo"]["recipe"]["tuning"] = {"kind": "qlora"}
    loaded["generate"]["samples"] = 5
    loaded["prepare_prompts"] = {"kind": "rtp_lx"}
    Path("params.yaml").write_text(yaml.safe_dump(loaded), encoding="utf-8")
    for policy, value in (("base", 10.0), ("dpo-1", 12.0), ("dpo-2", 16.0)):
        path = Path(f"data/score_fluency/{policy}/perplexity.parquet")
        write_parquet(path, pd.read_parquet(path).assign(mt5_perplexity=value))
    page = make()
    text = text_of(page)
    # Before .6 - .493, after .25 - .185, relative change -58.3% against -62.5%: 4 points less.
    assert "EMT 0.493 0.600 +0.107 0.185 0.250 +0.065 −62% −58% +4" in text
    assert "perplexity 18.56 10.00 −8.56 25.38 14.00 −11.38 +37% +40% +3" in text
    assert "what is tuned (qlora; there full), the samples per prompt (5; there 25)" in text
    assert "perplexity (under" not in text and "the prompts (kind" not in text
    assert 'data-why="tasks/reporting/published.py"' in page and 'data-why="data/score_fluency"' in page
    assert "has r = +0.59 for BLOOM 1.7B there; here" in text
