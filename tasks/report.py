"""Makes the report: one page that needs no network, and its figures as files."""

from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, Field

from tasks.engines import report_sections as sections
from tasks.engines.figures import to_png
from tasks.engines.report_study import Study
from tasks.plumbing import params
from tasks.plumbing.files import ArtefactError, read_json, read_table, writing
from tasks.science.report_tables import headline_table

FOLDER = Path("data/report")
TRANSFER = Path("metrics/measure_transfer")
RETRIEVAL = Path("metrics/measure_retrieval")
PROMPTS = Path("data/prepare_prompts/prompts.parquet")
TEMPLATES = Path(__file__).parent / "engines"
BASE = "base"
KEY = ["language", "prompt_id", "sample"]


class Report(BaseModel, frozen=True, extra="forbid"):
    """What the page shows."""

    title: str = Field(description="of the page")
    show_text: bool = Field(description="print the examples' prompts and continuations in clear; false: redact them")
    examples: int = Field(ge=0, description="prompts of the source language shown with a continuation before and after")


def run(report: Report, policies: dict[str, Path], languages: list[str]) -> str:
    """Writes report.html, self-contained, and each of its figures as PNG."""
    study = _read(policies)
    gallery = sections.Gallery()
    parts = [
        sections.languages(study, gallery),
        sections.predictors(study, gallery),
        sections.layers(study, gallery),
        sections.training(study, gallery),
        sections.side_effects(study, gallery),
        sections.base_model(study, gallery),
        sections.missing(study, languages),
        sections.examples(study, report.examples, report.show_text),
        sections.provenance(study),
    ]
    template = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("page.html.j2")
    page = template.render(
        title=report.title,
        lead=sections.lead(study),
        content_note=sections.content_note(study, report.show_text),
        findings=sections.findings(study),
        headline=headline_table(study.languages, study.side_effects),
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
    tuned = {policy: path.name for policy, path in policies.items() if policy != BASE}
    scorers = {policy: read_json(Path("data/score_toxicity") / policy / "scorer.json") for policy in policies}
    _refuse_two_scorers(scorers)
    toxicity = {
        policy: read_table(Path("data/score_toxicity") / policy / "scores.parquet", [*KEY, "toxicity", "reason"], KEY)
        for policy in policies
    }
    fluency = {
        policy: read_table(Path("data/score_fluency") / policy / "perplexity.parquet", ["perplexity", "reason"])
        for policy in policies
    }
    learning = ["language", "corpus_share", "tokens_per_document", "loss_per_token", "entropy_per_token"]
    return Study(
        params={name: values for name, values in raw.items() if name != "runtime"},
        base=BASE,
        policies={policy: str(path) for policy, path in policies.items()},
        languages=read_table(TRANSFER / "languages.csv", ["language", "metric", "subset", "p_holm", "after_by_seed"]),
        side_effects=read_table(TRANSFER / "side_effects.csv", ["effect", "language", "before", "after"]),
        predictors=read_table(TRANSFER / "predictors.csv", ["measure", "layers", "method", "n", "estimate"]),
        points=read_table(TRANSFER / "points.csv", ["language", "measure", "layers", "value", "emt_reduction"]),
        layers=read_table(RETRIEVAL / "layers.csv", ["language", "layer", "measure", "value", "low", "high"]),
        retrieval=read_table(RETRIEVAL / "languages.csv", ["language", "measure", "layer_mean", "best_layer", "best"]),
        learning=read_table(Path("data/prepare_model/learning.csv"), learning, key=["language"]),
        prompts=read_table(PROMPTS, [*KEY[:2], "text", "culture_specific"], KEY[:2]),
        pairs=read_json(Path("data/prepare_pairs/drops.json")),
        scorers=scorers,
        missing={
            "toxicity score": {policy: _reasons(frame, "toxicity") for policy, frame in toxicity.items()},
            "perplexity": {policy: _reasons(frame, "perplexity") for policy, frame in fluency.items()},
        },
        runs={policy: read_json(Path("data/train_dpo") / seed / "run.json") for policy, seed in tuned.items()},
        curves={
            policy: read_table(Path("data/train_dpo") / seed / "curves.csv", ["step", "validation_loss"], ["step"])
            for policy, seed in tuned.items()
        },
        examples={policy: _continuations(policy, source, toxicity[policy]) for policy in (BASE, next(iter(tuned)))},
    )


def _refuse_two_scorers(scorers: dict[str, dict[str, Any]]) -> None:
    base = scorers[BASE]
    for policy, scorer in scorers.items():
        if any(scorer[key] != base[key] for key in ("id", "revision", "label")):
            raise ArtefactError(
                f"data/score_toxicity/{policy}/scorer.json: {scorer['id']} {scorer['revision']} judged {policy}, but "
                f"{base['id']} {base['revision']} judged {BASE}; before and after need one scorer: `dvc repro "
                f"score_toxicity@{policy}`"
            )


def _reasons(frame: pd.DataFrame, value: str) -> pd.Series:
    """Why rows have no value, null where they have one."""
    return frame["reason"].fillna("no reason given").where(frame[value].isna())


def _continuations(policy: str, language: str, scores: pd.DataFrame) -> pd.DataFrame:
    path = Path("data/generate") / policy / "continuations.parquet"
    texts = read_table(path, [*KEY, "text", "tokens"], KEY)
    return texts[texts["language"] == language].merge(scores[[*KEY, "toxicity"]], on=KEY, validate="one_to_one")
