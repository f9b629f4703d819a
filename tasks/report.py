"""Makes the report: one page that needs no network, and its figures as files."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, Field

from tasks.plumbing import params
from tasks.plumbing.files import ArtefactError, read_json, read_table, writing
from tasks.reporting import (
    activations,
    base_model,
    comparison,
    examples,
    explained,
    findings,
    missing,
    predictors,
    provenance,
    retrieval,
    scorers,
    side_effects,
    toxic_vectors,
    training,
)
from tasks.reporting.charts import to_png
from tasks.reporting.languages import chapter as language_chapter
from tasks.reporting.page import Gallery
from tasks.reporting.published import MODELS, of_model
from tasks.reporting.sourced import Measured, Record, Sheet, record_of_json
from tasks.reporting.study import Mechanism, Scoring, Study

FOLDER = Path("data/report")
TRANSFER = Path("metrics/measure_transfer")
RETRIEVAL = Path("metrics/measure_retrieval")
MECHANISM = Path("metrics/measure_mechanism")
SCORERS = Path("metrics/compare_scorers")
TOKENS = Path("data/find_toxic_neurons/tokens.parquet")
PROMPTS = Path("data/prepare_prompts/prompts.parquet")
TEMPLATES = Path(__file__).parent / "reporting"
BASE = "base"
KEY = ["language", "prompt_id", "sample"]
TRAINED = Path("models/train_dpo")  # a policy that lies right in it was trained by this study and has its record


class Report(BaseModel, frozen=True, extra="forbid"):
    """What the page shows."""

    title: str = Field(description="of the page")
    show_text: bool = Field(description="print the examples' prompts and continuations in clear; false: redact them")
    examples: int = Field(ge=0, description="prompts of the source language shown with a continuation before and after")


def run(report: Report, policies: dict[str, Path], languages: list[str]) -> str:
    """Writes report.html, self-contained, and each of its figures as PNG."""
    study = _read(policies)
    gallery = Gallery(folder=f"{FOLDER}/figures")
    parts = [
        language_chapter(study, gallery),
        scorers.chapter(study, gallery),
        predictors.chapter(study, gallery),
        retrieval.chapter(study, gallery),
        training.chapter(study, gallery),
        side_effects.chapter(study, gallery),
        toxic_vectors.chapter(study, gallery, report.show_text),
        activations.chapter(study, gallery),
        explained.chapter(study, gallery),
        comparison.chapter(study, gallery),
        base_model.chapter(study, gallery),
        missing.chapter(study, languages),
        examples.chapter(study, report.examples, report.show_text),
        provenance.chapter(study),
    ]
    template = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("page.html.j2")
    beside = of_model(study.params["prepare_model"].get("id")) or MODELS[0]
    page = template.render(
        title=report.title,
        lead=findings.lead(study),
        content_note=findings.content_note(study, report.show_text),
        findings=[*findings.findings(study), *scorers.doubt_finding(study)],
        headline=findings.headline_table(study.languages, study.means, beside),
        sections=parts,
    )
    with writing(FOLDER) as part:
        (part / "figures").mkdir(parents=True)
        for name, figure in gallery.figures.items():
            (part / "figures" / f"{name}.png").write_bytes(to_png(figure))
        (part / "report.html").write_text(page, encoding="utf-8")
    figures = f"{len(gallery.figures)} figures"
    return f"{FOLDER}/report.html: {len(page) // 1024} KiB, {figures}, {len(study.order)} languages"


def _read(policies: dict[str, Path]) -> Study:
    raw = params.read()
    source = raw["measure_transfer"]["source"]
    tuned = [policy for policy in policies if policy != BASE]
    trained = {
        policy: Path("data/train_dpo") / path.name for policy, path in policies.items() if path.parent == TRAINED
    }
    cards = {policy: _object(Path("data/score_toxicity") / policy / "scorer.json") for policy in policies}
    _refuse_two_scorers(cards)
    toxicity = {
        policy: _sheet(Path("data/score_toxicity") / policy / "scores.parquet", KEY, ["toxicity", "reason"])
        for policy in policies
    }
    fluency = {
        policy: _sheet(
            Path("data/score_fluency") / policy / "perplexity.parquet", [], ["language", "perplexity", "reason"]
        )
        for policy in policies
    }
    texts = {policy: Path("data/generate") / policy / "continuations.parquet" for policy in (BASE, tuned[0])}
    transfer = _object(TRANSFER / "summary.json")
    learning = ["corpus_share", "tokens_per_document", "loss_per_token", "entropy_per_token"]
    return Study(
        params={name: values for name, values in raw.items() if name != "runtime"},
        base=BASE,
        policies={policy: str(path) for policy, path in policies.items()},
        languages=_sheet(TRANSFER / "languages.csv", ["language", "metric", "subset"], ["p_holm", "after_by_seed"]),
        side_effects=_sheet(TRANSFER / "side_effects.csv", ["effect", "language"], ["before", "after"]),
        means=transfer["side_effects"],
        predictors=_sheet(TRANSFER / "predictors.csv", ["measure", "layers", "method"], ["n", "estimate"]),
        points=_sheet(TRANSFER / "points.csv", ["language", "measure", "layers"], ["value", "emt_reduction"]),
        layers=_sheet(RETRIEVAL / "layers.csv", ["language", "layer", "measure"], ["value", "low", "high"]),
        retrieval=_sheet(RETRIEVAL / "languages.csv", ["language", "measure"], ["layer_mean", "best_layer", "best"]),
        learning=_sheet(Path("data/prepare_model/learning.csv"), ["language"], learning, may_be_empty=True),
        prompts=_sheet(PROMPTS, KEY[:2], ["text", "culture_specific"]),
        pairs=_object(Path("data/prepare_pairs/drops.json")),
        scorers=cards,
        missing={
            "toxicity score": {policy: _reasons(sheet, "toxicity") for policy, sheet in toxicity.items()},
            "perplexity": {policy: _reasons(sheet, "perplexity") for policy, sheet in fluency.items()},
        },
        runs={policy: _object(folder / "run.json") for policy, folder in trained.items()},
        curves={
            policy: _sheet(folder / "curves.csv", ["step"], ["validation_loss"]) for policy, folder in trained.items()
        },
        examples={policy: _continuations(path, source, toxicity[policy]) for policy, path in texts.items()},
        continuations={policy: str(path) for policy, path in texts.items()},
        mechanism=_mechanism(),
        scoring=_scoring(raw["languages"]),
        trained_on=list(transfer["trained_on"]),
        mt5=_mt5(fluency),
    )


def _mechanism() -> Mechanism:
    return Mechanism(
        probe=_sheet(MECHANISM / "probe.csv", ["language"], ["auroc", "auroc_low", "auroc_high", "f1", "majority"]),
        neurons=_sheet(MECHANISM / "neurons.csv", ["layer", "neuron"], ["actual", "cosine", "languages", "p_fewer"]),
        tokens=_sheet(TOKENS, ["layer", "neuron", "place"], ["text", "language"]),
        activations=_sheet(
            MECHANISM / "activations.csv", ["decoding", "measure", "language"], ["before", "after", "change"]
        ),
        doses=_doses(),
        explained=_sheet(
            MECHANISM / "explained.csv", ["policy", "way", "neurons", "language"], ["count", "share", "less_control"]
        ),
    )


def _scoring(languages: list[str]) -> Scoring:
    doubts = read_json(SCORERS / "summary.json")["languages"]
    return Scoring(
        validity=_sheet(SCORERS / "validity.csv", ["scorer", "language"], ["texts", "auroc", "valid", "reason"]),
        agreement=_sheet(
            SCORERS / "agreement.csv",
            ["scorer_a", "scorer_b", "language"],
            ["samples", "spearman"],
            may_be_empty=True,  # of one scorer
        ),
        judges=_object(SCORERS / "summary.json")["scorers"],
        doubtful=[language for language in doubts["without_valid_scorer"] if language in languages],
        unlabelled=doubts["without_labels"],
    )


def _mt5(fluency: Mapping[str, Sheet]) -> tuple[float, float] | None:
    """Mean over languages of the median per language, as the paper; after: mean of the policies."""
    if not all("mt5_perplexity" in sheet.frame for sheet in fluency.values()):
        return None
    means = {
        policy: float(sheet.frame.groupby("language")["mt5_perplexity"].median().mean())
        for policy, sheet in fluency.items()
    }
    after = [mean for policy, mean in means.items() if policy != BASE]
    return fluency[BASE].total(means[BASE]), Measured(sum(after) / len(after), "data/score_fluency")


def _doses() -> Sheet:
    """The dose as the file has it: read as a number, -5 beside -2.5 would be -5.0, which no key finds."""
    read = _sheet(MECHANISM / "doses.csv", ["neurons", "dose", "language"], ["toxicity", "sources_less_control"])
    doses = read.frame["dose"].map("{:g}".format)
    return Sheet(read.path, read.key, read.frame.assign(dose=doses))


def _sheet(path: Path, key: list[str], columns: list[str], may_be_empty: bool = False) -> Sheet:
    return Sheet(path.as_posix(), tuple(key), read_table(path, [*key, *columns], key, may_be_empty))


def _object(path: Path) -> Record:
    return record_of_json(path.as_posix(), read_json(path))


def _refuse_two_scorers(scorers: Mapping[str, Record]) -> None:
    base = scorers[BASE]
    for policy, scorer in scorers.items():
        if any(scorer[key] != base[key] for key in ("id", "revision", "label")):
            raise ArtefactError(
                f"data/score_toxicity/{policy}/scorer.json: {scorer['id']} {scorer['revision']} judged {policy}, but "
                f"{base['id']} {base['revision']} judged {BASE}; before and after need one scorer: `dvc repro "
                f"score_toxicity@{policy}`"
            )


def _reasons(sheet: Sheet, value: str) -> Sheet:
    """Why rows have no value, null where they have one."""
    reasons = sheet.frame["reason"].fillna("no reason given").where(sheet.frame[value].isna())
    return Sheet(sheet.path, sheet.key, reasons.to_frame())


def _continuations(path: Path, language: str, scores: Sheet) -> Sheet:
    texts = read_table(path, [*KEY, "text", "tokens"], KEY)
    frame = texts[texts["language"] == language].merge(scores.frame[[*KEY, "toxicity"]], on=KEY, validate="one_to_one")
    return Sheet(scores.path, scores.key, frame)
