"""Makes the report: one page that needs no network, and its figures as files."""

import unicodedata
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure
from pydantic import BaseModel, Field

from tasks.engines.figures import Curve, Pair, before_after, forest, scatter, small_multiples, to_png, to_svg, training
from tasks.plumbing import params
from tasks.plumbing.files import ArtefactError, read_json, read_table, require, writing
from tasks.science import report_tables as tables
from tasks.science import verdicts
from tasks.science.report_tables import MEASURES, OTHERS, Table, effects, label, toxicity
from tasks.science.verdicts import Association, Change, name_of, number, percent

FOLDER = Path("data/report")
TRANSFER = Path("metrics/measure_transfer")
RETRIEVAL = Path("metrics/measure_retrieval")
TEMPLATES = Path(__file__).parent / "engines"
BASE = "base"
KEY = ["language", "prompt_id", "sample"]


class Report(BaseModel, frozen=True, extra="forbid"):
    """What the page shows."""

    title: str = Field(description="of the page")
    show_text: bool = Field(description="print the examples' prompts and continuations in clear; false: redact them")
    examples: int = Field(ge=0, description="prompts of the source language shown with a continuation before and after")


@dataclass(frozen=True)
class Study:
    """Everything the page is made of, as read."""

    tuned: list[str]
    source: str
    confidence: float
    params: dict[str, Any]
    languages: pd.DataFrame
    side_effects: pd.DataFrame
    predictors: pd.DataFrame
    points: pd.DataFrame
    layers: pd.DataFrame
    retrieval: pd.DataFrame
    learning: pd.DataFrame
    prompts: pd.DataFrame
    drops: dict[str, int]
    scorers: dict[str, dict[str, Any]]
    unscored: dict[str, dict[str, int]]
    unrated: dict[str, dict[str, int]]
    runs: dict[str, dict[str, Any]]
    curves: dict[str, pd.DataFrame]
    asked: list[str]

    @property
    def order(self) -> list[str]:
        """Languages from the largest EMT reduction to the smallest."""
        changes = toxicity(self.languages, "emt").drop(index=OTHERS)["change"]
        return [str(language) for language in changes.sort_values(kind="stable").index]

    @property
    def others(self) -> list[str]:
        """`order` without the source."""
        return [language for language in self.order if language != self.source]


def run(report: Report, policies: dict[str, Path], languages: list[str]) -> str:
    """Writes report.html, self-contained, and each of its figures as PNG."""
    study = _read(policies, languages)
    figures: dict[str, Figure] = {}
    sections = [
        _section("languages", "Every language", *_languages(study, figures)),
        _section("predictors", "Could one have known?", *_predictors(study, figures)),
        _section("layers", "Retrieval, layer by layer", *_layers(study, figures)),
        _section("training", "Training", *_training(study, figures)),
        _section("side-effects", "Side effects", *_side_effects(study, figures)),
        _section("base-model", "The base model", *_learning(study, figures)),
        _section("missing", "Dropped and missing", *_missing(study)),
        _section("examples", "Examples", *_examples(study, report)),
        _section("provenance", "Provenance", *_provenance(study, policies)),
    ]
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html.j2").render(
        title=report.title,
        lead=_lead(study),
        content_note=_content_note(study, report),
        findings=_findings(study),
        headline=tables.headline_table(study.languages, study.side_effects),
        sections=sections,
    )
    with writing(FOLDER) as part:
        (part / "figures").mkdir(parents=True)
        for name, figure in figures.items():
            (part / "figures" / f"{name}.png").write_bytes(to_png(figure))
        (part / "report.html").write_text(page, encoding="utf-8")
    return f"{FOLDER / 'report.html'}: {len(page) // 1024} KiB, {len(figures)} figures, {len(study.order)} languages"


def _read(policies: dict[str, Path], languages: list[str]) -> Study:
    tuned = [policy for policy in policies if policy != BASE]
    if BASE not in policies or not tuned:
        raise ValueError(
            f"params.yaml: policies needs {BASE!r} and at least one tuned policy; it has {', '.join(policies)}"
        )
    raw = params.read()
    measured = raw["measure_transfer"]
    trained = {name: path.name for name, path in policies.items() if path.parent == Path("models/train_dpo")}
    scorers = {name: read_json(Path("data/score_toxicity") / name / "scorer.json") for name in policies}
    for name, scorer in scorers.items():
        if any(scorer[key] != scorers[BASE][key] for key in ("id", "revision", "label")):
            raise ArtefactError(
                f"data/score_toxicity/{name}/scorer.json: {scorer['id']} {scorer['revision']} judged {name}, but "
                f"{scorers[BASE]['id']} {scorers[BASE]['revision']} judged {BASE}; before and after need one scorer"
            )
    curves = {
        name: read_table(Path("data/train_dpo") / seed / "curves.csv", ["step", "validation_loss"], key=["step"])
        for name, seed in trained.items()
    }
    return Study(
        tuned=tuned,
        source=measured["source"],
        confidence=measured["confidence"],
        params={name: values for name, values in raw.items() if name != "runtime"},
        languages=read_table(TRANSFER / "languages.csv", ["language", "metric", "subset", "change", "p_holm"]),
        side_effects=read_table(TRANSFER / "side_effects.csv", ["effect", "language", "before", "after"]),
        predictors=read_table(TRANSFER / "predictors.csv", ["measure", "layers", "method", "estimate"]),
        points=read_table(TRANSFER / "points.csv", ["language", "measure", "layers", "value", "emt_reduction"]),
        layers=read_table(RETRIEVAL / "layers.csv", ["language", "layer", "measure", "value", "low", "high"]),
        retrieval=read_table(RETRIEVAL / "languages.csv", ["language", "measure", "layer_mean", "best_layer", "best"]),
        learning=read_table(Path("data/prepare_model/learning.csv"), ["language", "corpus_share"], key=["language"]),
        prompts=read_table(
            Path("data/prepare_prompts/prompts.parquet"), ["language", "prompt_id", "text", "culture_specific"]
        ),
        drops=read_json(Path("data/prepare_pairs/drops.json")),
        scorers=scorers,
        unscored={
            name: _reasons(Path("data/score_toxicity") / name / "scores.parquet", "toxicity") for name in policies
        },
        unrated={
            name: _reasons(Path("data/score_fluency") / name / "perplexity.parquet", "perplexity") for name in policies
        },
        runs={name: read_json(Path("data/train_dpo") / seed / "run.json") for name, seed in trained.items()},
        curves=curves,
        asked=languages,
    )


def _reasons(path: Path, value: str) -> dict[str, int]:
    """Rows read, and rows without a value by reason."""
    frame = read_table(path, [value, "reason"])
    reasons = frame.loc[frame[value].isna(), "reason"].fillna("no reason given").value_counts().sort_index()
    return {"all": len(frame), **{str(reason): int(count) for reason, count in reasons.items()}}


def _section(name: str, title: str, sentences: list[str], blocks: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "title": title, "sentences": sentences, "blocks": blocks}


def _table(table: Table, kind: str = "table") -> dict[str, Any]:
    return {"kind": kind, "table": table}


def _figures(figures: dict[str, Figure], drawn: dict[str, tuple[Figure, str]], columns: str = "") -> dict[str, Any]:
    """A block of figures; they are kept in `figures` for the PNG files."""
    figures |= {name: figure for name, (figure, _) in drawn.items()}
    drawings = [
        {"svg": Markup(to_svg(figure, salt=name, description=caption)), "caption": caption}
        for name, (figure, caption) in drawn.items()
    ]
    return {"kind": "figures", "columns": columns, "drawings": drawings}


def _change(table: pd.DataFrame, language: str) -> Change:
    names = ("before", "after", "change", "change_low", "change_high", "relative_change")
    return Change(**{name: float(table.at[language, name]) for name in names})


def _association(study: Study, measure: str, layers: str, method: str = "pearson") -> Association:
    table = study.predictors
    chosen = (table["measure"] == measure) & (table["layers"].fillna("") == layers) & (table["method"] == method)
    if not chosen.any():
        raise ArtefactError(f"{TRANSFER / 'predictors.csv'}: no row of {measure} {layers} {method}")
    row = table[chosen].iloc[0]
    names = ("estimate", "low", "high", "p_value", "loo_error", "loo_error_of_mean")
    note = row.get("note", "")
    return Association(
        int(row["n"]), **{name: float(row[name]) for name in names}, note=note if isinstance(note, str) else ""
    )


def _lead(study: Study) -> list[str]:
    lead = [
        f"A language model was tuned with DPO on {name_of(study.source)} preference pairs alone, {len(study.tuned)} "
        f"time{'s' if len(study.tuned) > 1 else ''} with different seeds. Did that make it less toxic in "
        f"{len(study.others)} other languages, at what cost, and did bilingual sentence retrieval foretell where?"
    ]
    if study.params.get("prepare_model", {}).get("kind") == "mini":
        lead.append(
            "The model is a mini world: a small GPT-2 that the pipeline pretrains on pidgin it generates in these "
            "languages. What it shows holds for it and is no statement about human languages or large models."
        )
    return lead


def _content_note(study: Study, report: Report) -> str:
    mini = study.params.get("prepare_pairs", {}).get("kind") == "mini"
    kind = "Prompts and continuations contain insults, " + (
        "mild ones in the mini world" if mini else "some of them severe"
    )
    return f"{kind}; on this page they are " + (
        "shown in clear (report.show_text is true)." if report.show_text else "redacted (report.show_text is false)."
    )


def _findings(study: Study) -> list[tuple[str, str]]:
    emt = toxicity(study.languages, "emt")
    source, others = _change(emt, study.source), _change(emt, OTHERS)
    changes = {language: _change(emt, language) for language in study.others}
    civil = effects(study.side_effects, "civil_perplexity")["relative_change"].to_dict()
    return [
        (name_of(study.source), verdicts.source_verdict(study.source, source, study.confidence)),
        (
            "Other languages",
            verdicts.transfer_verdict(study.source, source, others, len(changes), study.confidence),
        ),
        (
            "Language by language",
            verdicts.significance_verdict(changes, emt["p_holm"].to_dict(), 1 - study.confidence),
        ),
        (
            "Known beforehand?",
            verdicts.predictor_verdict("Best-layer P@1", _association(study, "p_at_1", "best"), study.confidence),
        ),
        ("Cost", verdicts.retention_verdict(civil)),
    ]


def _languages(study: Study, figures: dict[str, Figure]) -> tuple[list[str], list[dict[str, Any]]]:
    emt = toxicity(study.languages, "emt")
    rows = [
        Pair(
            label(name) if name != OTHERS else "mean of the others",
            row["before"],
            row["after"],
            (row["before_low"], row["before_high"]),
            (row["after_low"], row["after_high"]),
            tuple(float(value) for value in str(row["after_by_seed"]).split()),
        )
        for name, row in emt.loc[[*study.order, OTHERS]].iterrows()
    ]
    few = "leave out" if len(study.tuned) == 1 else "understate"
    sentences = [
        "EMT is the mean over prompts of the highest toxicity among the continuations of a prompt; ToxProb the share of "
        "prompts with a toxic continuation; AvgTox the mean over continuations.",
        f"Intervals are a bootstrap over prompts within seeds; with {len(study.tuned)} "
        f"seed{'s' if len(study.tuned) > 1 else ''} they {few} the variation between training runs.",
    ]
    specific = toxicity(study.languages, "emt", "culture_specific")
    if OTHERS in specific.index:
        change = _change(specific, OTHERS)
        sentences.append(
            f"On the {specific.at[OTHERS, 'prompts']:.0f} prompts that only one language has, outside everything else on "
            "this page: " + verdicts.transfer_verdict(study.source, _change(emt, study.source), change, len(study.others), study.confidence)
        )  # fmt: skip
    figure = before_after(rows, "expected maximum toxicity (EMT), 0 to 1", last_apart=True)
    caption = (
        f"EMT per language before and after tuning with {study.confidence:.0%} intervals, sorted by change, black ticks the "
        "single seeds; overlapping intervals do not mean no change, since prompts are paired (see the table)."
    )
    table = tables.toxicity_table(study.languages, study.order, study.confidence)
    return sentences, [_figures(figures, {"languages": (figure, caption)}), _table(table)]


def _predictors(study: Study, figures: dict[str, Figure]) -> tuple[list[str], list[dict[str, Any]]]:
    drawn = {}
    for measure, x_title, warning in (
        ("p_at_1", "P@1 at the best layer, before tuning", "a line through so few languages is no law"),
        (
            "mean_cosine",
            "mean cosine of true pairs at the best layer, before tuning",
            "the paper’s published quantity: mean cosine of true pairs, which its code calls accuracy; it retrieves nothing",
        ),
    ):
        chosen = study.points[(study.points["measure"] == measure) & (study.points["layers"] == "best")]
        found = _association(study, measure, "best")
        figure = scatter(
            chosen["value"].tolist(), chosen["emt_reduction"].tolist(), [name_of(name) for name in chosen["language"]],
            x_title, "relative EMT reduction",
        )  # fmt: skip
        interval = verdicts.bracket(found.low, found.high, 2)
        caption = (
            f"Each language but {name_of(study.source)}, with the least-squares line: r = {verdicts.signed(found.estimate, 2)} "
            f"{interval}, n = {found.n}; {warning}."
        )
        drawn[f"predictor-{measure}"] = (figure, caption)
    table = study.predictors[study.predictors["method"] == "pearson"].assign(
        layers=lambda frame: frame["layers"].fillna("")
    )
    groups: dict[str, dict[str, tuple[float, float, float]]] = {}
    for layers, title in (("best", "best layer"), ("layer_mean", "mean of layers"), ("", "control")):
        rows = table[(table["layers"] == layers) & table["estimate"].notna()].set_index("measure")
        groups[title] = {
            MEASURES[m]: tuple(rows.loc[m, ["estimate", "low", "high"]]) for m in MEASURES if m in rows.index
        }
    figure = forest(
        {title: group for title, group in groups.items() if group}, "Pearson r with the relative EMT reduction"
    )
    caption = (
        f"Correlation of every measure with the relative EMT reduction and its {study.confidence:.0%} bootstrap interval over "
        "languages; the measures come from the same embeddings, so they are not independent evidence."
    )
    partial = _association(study, "p_at_1", "best", "pearson_given_log_corpus_share")
    share = _association(study, "log_corpus_share", "").estimate
    sentences = [
        verdicts.predictor_verdict("Best-layer P@1", _association(study, "p_at_1", "best"), study.confidence),
        verdicts.predictor_verdict(
            "Best-layer mean cosine", _association(study, "mean_cosine", "best"), study.confidence
        ),
        "P@1, "[:0] + verdicts.control_verdict(partial.estimate, partial.low, partial.high, share),
    ]
    blocks = [_figures(figures, drawn, "two"), _figures(figures, {"correlations": (figure, caption)})]
    return sentences, [*blocks, _table(tables.predictor_table(study.predictors))]


def _layers(study: Study, figures: dict[str, Figure]) -> tuple[list[str], list[dict[str, Any]]]:
    accuracy = study.layers[study.layers["measure"] == "p_at_1"]
    best = study.retrieval[study.retrieval["measure"] == "p_at_1"].set_index("language")
    order = [str(name) for name in best["best"].sort_values(ascending=False, kind="stable").index]
    curves = []
    for language in order:
        rows = accuracy[accuracy["language"] == language].sort_values("layer")
        columns = {name: rows[name].tolist() for name in ("low", "high")}
        curves.append(Curve(label(language), rows["layer"].tolist(), rows["value"].tolist(), **columns, marked=best.at[language, "best_layer"]))  # fmt: skip
    sentences = study.params.get("prepare_parallel", {}).get("sentences")
    chance = 1 / sentences if isinstance(sentences, int) else None
    caption = (
        f"Share of sentences whose nearest neighbour is their translation (P@1, mean of both directions with {name_of(study.source)}) "
        "by layer of the base model, 0 being the embeddings, with intervals over sentences; the dot is the layer chosen by the "
        f"other languages{', the dashed line chance' if chance else ''}; it does not show what a layer is used for."
    )
    figure = small_multiples(curves, "layer", "P@1", chance)
    return [], [
        _figures(figures, {"layers": (figure, caption)}),
        _table(tables.retrieval_table(study.retrieval, order)),
    ]


def _training(study: Study, figures: dict[str, Figure]) -> tuple[list[str], list[dict[str, Any]]]:
    if not study.runs:
        return ["No policy of this study was trained here, so there are no curves."], []
    sentences = []
    for name, record in study.runs.items():
        kept = study.curves[name].set_index("step").loc[record["best_step"]]
        loss = record["validation_loss"]
        sentences.append(
            verdicts.training_verdict(
                record["seed"], loss["before"], loss["best"], record["best_step"], record["last_step"],
                kept["validation_reward_chosen"],
            )
        )  # fmt: skip

    def curves(column: str) -> list[Curve]:
        return [
            Curve(f"seed {study.runs[name]['seed']}", frame["step"].tolist(), frame[column].tolist(), marked=study.runs[name]["best_step"])
            for name, frame in study.curves.items()
        ]  # fmt: skip

    panels = {
        "loss": ({"": curves("validation_loss")}, "DPO loss, nats", "DPO loss"),
        "margin": ({"": curves("validation_reward_margin")}, "reward margin", "Reward of chosen minus rejected"),
        "rewards": (
            {"chosen": curves("validation_reward_chosen"), "rejected": curves("validation_reward_rejected")},
            "reward",
            "Rewards of chosen and rejected apart, β times the log-likelihood ratio to the base model",
        ),
        "accuracy": (
            {"": curves("validation_reward_accuracy")},
            "share of pairs",
            "Share of pairs whose chosen side is rewarded more",
        ),
    }
    drawn = {
        f"training-{name}": (
            training(groups, y_title),
            f"{what} on the {name_of(study.source)} validation pairs, the kept step ringed; it says nothing about other languages.",
        )
        for name, (groups, y_title, what) in panels.items()
    }
    return sentences, [_figures(figures, drawn, "two")]


def _side_effects(study: Study, figures: dict[str, Figure]) -> tuple[list[str], list[dict[str, Any]]]:
    emt = toxicity(study.languages, "emt")
    seeds = [f"after_{policy}" for policy in study.tuned]
    low, high = (effects(study.side_effects, f"perplexity_{end}_quartile") for end in ("lower", "upper"))
    gain = [Pair(name, emt.at[name, "before"], emt.at[name, "after"]) for name in study.order]
    drawn = {"gain": (before_after(gain, "EMT", width=3.3), "The gain, EMT, for comparison; intervals are above.")}
    for effect, title, caption in (
        ("perplexity_median", "perplexity of continuations", "Median and quartiles under the base model, which finds any change odd."),
        ("civil_perplexity", "civil perplexity", "The policies’ own perplexity on held-out civil text; it says nothing of other skills."),
        ("distinct_2", "distinct-2", "Distinct bigrams within a prompt; also noise is diverse."),
        ("language_consistent", "share in the prompt’s language", "Identified language, over continuations that have one; not whether it is good."),
        ("empty", "share empty", "Empty continuations, which count as not toxic."),
        ("repetitive", "share repetitive", "Continuations that repeat themselves, by a rule on n-grams."),
        ("cut_off", "share cut off", "Continuations that ended at the token limit, which need not be a fault."),
    ):  # fmt: skip
        table = effects(study.side_effects, effect)
        quartiles = effect == "perplexity_median"
        rows = [
            Pair(
                name,
                table.at[name, "before"],
                table.at[name, "after"],
                (low.at[name, "before"], high.at[name, "before"]) if quartiles else None,
                (low.at[name, "after"], high.at[name, "after"]) if quartiles else None,
                tuple(float(value) for value in table.loc[name, seeds]),
            )
            for name in study.order
        ]
        drawn[effect.replace("_", "-")] = (
            before_after(rows, title, width=3.3, from_zero=effect != "language_consistent"),
            caption,
        )
    civil = effects(study.side_effects, "civil_perplexity")
    consistent = effects(study.side_effects, "language_consistent")
    sentences = [
        verdicts.retention_verdict(civil["relative_change"].to_dict()),
        verdicts.lowest_verdict(
            "Continuations in the prompt’s language", consistent["before"].to_dict(), consistent["after"].to_dict()
        ),
        "Languages are in the order of their EMT reduction, the largest on top.",
    ]
    return sentences, [
        _figures(figures, drawn, "three"),
        _table(tables.side_effect_table(study.side_effects, study.order)),
    ]


def _learning(study: Study, figures: dict[str, Figure]) -> tuple[list[str], list[dict[str, Any]]]:
    learning = study.learning.assign(excess=study.learning["loss_per_token"] - study.learning["entropy_per_token"])
    learning = learning.sort_values("excess", kind="stable")
    rows = [
        Pair(label(str(row["language"])), row["entropy_per_token"], row["loss_per_token"])
        for _, row in learning.iterrows()
    ]
    figure = before_after(rows, "nats per token", names=("floor", "loss"))
    caption = (
        "Validation loss of the base model against the entropy of the process that made its corpus, sorted by the gap, which is "
        "what the model did not learn; the loss itself does not compare languages, since tokens differ."
    )
    sentence = verdicts.learning_verdict(learning.set_index("language")["excess"].to_dict())
    return [sentence], [_figures(figures, {"learning": (figure, caption)}), _table(tables.learning_table(learning))]


def _missing(study: Study) -> tuple[list[str], list[dict[str, Any]]]:
    rows = [["preference pairs", reason.replace("_", " "), f"{count:,}"] for reason, count in study.drops.items()]
    for what, counted in (("toxicity score", study.unscored), ("perplexity", study.unrated)):
        for policy, reasons in counted.items():
            rows.append([f"continuations of {policy}", f"{what}: asked for", f"{reasons['all']:,}"])
            rows += [
                [
                    f"continuations of {policy}",
                    f"no {what}: {reason}",
                    f"{count:,} ({percent(count / reasons['all'], 1)})",
                ]
                for reason, count in reasons.items()
                if reason != "all"
            ]
    table = Table(
        "What each step read, dropped and kept, with the reasons; a reason with no row did not occur, and what a step never saw "
        "is not counted.",
        ["", "", "count"],
        rows,
    )
    absent = [name_of(language) for language in study.asked if language not in set(study.languages["language"])]
    count = _association(study, "p_at_1", "best").n
    sentences = [
        f"Languages in params.yaml without a measurement: {verdicts.listing(absent)}.",
        f"Languages left out of the predictors because they had no toxicity before: {len(study.others) - count}.",
    ]
    scored = {policy: scorer["coverage"] for policy, scorer in study.scorers.items()}
    coverage = tables.coverage_table(study.prompts, scored, study.side_effects, BASE)
    return sentences, [_table(table), _table(coverage)]


def _examples(study: Study, report: Report) -> tuple[list[str], list[dict[str, Any]]]:
    prompts = study.prompts[(study.prompts["language"] == study.source) & ~study.prompts["culture_specific"]]
    prompts = prompts.sort_values("prompt_id", kind="stable")
    spaced = np.unique(np.linspace(0, len(prompts) - 1, min(report.examples, len(prompts))).round().astype(int))
    after = study.tuned[0]
    sides = {"before": (BASE, _most_toxic(BASE, study.source)), "after": (after, _most_toxic(after, study.source))}
    show = str if report.show_text else redact
    blocks = [
        {
            "kind": "example",
            "example": {
                "prompt_id": prompt["prompt_id"],
                "language": study.source,
                "prompt": show(prompt["text"]),
                "sides": [
                    {
                        "when": when,
                        "policy": policy,
                        "score": number(rows.at[prompt["prompt_id"], "toxicity"], 2),
                        "tokens": len(rows.at[prompt["prompt_id"], "tokens"]),
                        "text": show(rows.at[prompt["prompt_id"], "text"].strip()),
                    }
                    for when, (policy, rows) in sides.items()
                ],
            },
        }
        for _, prompt in prompts.iloc[spaced].iterrows()
    ]
    rule = (
        f"{len(blocks)} {name_of(study.source)} prompts, evenly spaced in the order of their ids and so not chosen by result, "
        "each with the most toxic of its continuations, which is what EMT averages."
    )
    redacted = " Every letter is replaced by a block." if not report.show_text else ""
    return [rule + redacted], blocks


def _most_toxic(policy: str, language: str) -> pd.DataFrame:
    """The continuation with the highest score per prompt; of equals, and where none is scored, the first."""
    texts = read_table(Path("data/generate") / policy / "continuations.parquet", [*KEY, "text", "tokens"], key=KEY)
    scores = read_table(Path("data/score_toxicity") / policy / "scores.parquet", [*KEY, "toxicity"], key=KEY)
    rows = texts[texts["language"] == language].merge(scores[[*KEY, "toxicity"]], on=KEY, validate="one_to_one")
    rows = rows.assign(toxicity=rows["toxicity"].astype("Float64").to_numpy(float, na_value=np.nan))
    rows = rows.sort_values(["toxicity", "sample"], ascending=[False, True], kind="stable")
    return rows.drop_duplicates("prompt_id").set_index("prompt_id")


def redact(text: str) -> str:
    """The text with a block for every letter, mark and digit; spaces and punctuation stay."""
    return "".join("█" if unicodedata.category(character)[0] in "LMN" else character for character in text)


def _provenance(study: Study, policies: dict[str, Path]) -> tuple[list[str], list[dict[str, Any]]]:
    scorer = study.scorers[BASE]
    rows = [["toxicity scorer", f"{scorer['id']}, revision {scorer['revision']}, label “{scorer['label']}”"]]
    for policy, path in policies.items():
        record = study.runs.get(policy)
        if record is None:
            rows.append([policy, str(path)])
            continue
        versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
        pairs = " and ".join(f"{count:,} {split}" for split, count in record["pairs"].items())
        rows.append([policy, f"{path}: seed {record['seed']}, {pairs} pairs, on {record['device']}; {versions}"])
    table = Table(
        "Who was judged and by whom, and with which versions the policies were trained; dvc.lock has the digests.",
        ["", "identity"],
        rows,
    )
    sentences = [
        "The numbers come from metrics/measure_transfer/*.csv and metrics/measure_retrieval/*.csv; dvc.lock at the git commit "
        "that holds them says which code, data and parameters made them.",
        "This page is itself an output of the pipeline, so it cannot name that commit: `git log -1 -- dvc.lock` does.",
    ]
    text = yaml.safe_dump(study.params, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    pre = {
        "kind": "pre",
        "summary": "All parameters of the study (params.yaml without runtime, which changes no result)",
        "text": text,
    }
    return sentences, [_table(table, "words"), pre]
