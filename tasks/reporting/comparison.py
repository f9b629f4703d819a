"""The chapter that puts the study beside the published one."""

import math
from collections.abc import Mapping
from typing import Any

from tasks.reporting.page import Gallery, Section, Table, table_block
from tasks.reporting.paper_setting import differences
from tasks.reporting.published import LANGUAGES, METRICS, MODELS, Published, interval_of_r, of_model, p_of_r
from tasks.reporting.row_charts import forest
from tasks.reporting.rows import OTHERS, TOXICITY, correlations, mean_over_all, toxicity
from tasks.reporting.sourced import Record, derived
from tasks.reporting.study import Change, Study
from tasks.reporting.wording import (
    MISSING,
    Text,
    bracket,
    count,
    in_unit,
    listing,
    p_value,
    say,
    signed,
    signed_percent,
)

SAME, OWN = ("mean_cosine", "layer_mean"), ("p_at_1", "best")  # measure and layers of a row of the predictors
TITLES = {SAME: "mean cosine, mean of layers", OWN: "P@1, best layer"}
METRIC_TITLES = {
    "emt": "EMT", "toxprob": "ToxProb", "avgtox": "AvgTox", "perplexity_median": "perplexity",
    "distinct_1": "D-1", "distinct_2": "D-2", "distinct_3": "D-3",
}  # fmt: skip
Means = Mapping[str, tuple[float, float]]  # by metric: before and after, over all languages
PAPER = "Li, Yong & Bach 2024"


def chapter(study: Study, gallery: Gallery) -> Section:
    """What the paper published beside what was found here, and what stands between the two."""
    match = of_model(study.params["prepare_model"].get("id"))
    found = {metric: _means(study, metric) for metric in METRICS}
    rows = correlations(study.predictors)
    own = {TITLES[place]: rows.get((*place, "pearson")) for place in (SAME, OWN)}
    first = (
        match_verdict(match, found["emt"])
        if match
        else direction_verdict(found["emt"], study.change(OTHERS), study.confidence)
    )
    sentences: list[str | Text] = [
        first,
        say("What differs from the paper’s setting: ", listing(differences(study, match)), "."),
        correlation_verdict(match, own[TITLES[SAME]], study.confidence),
    ]
    blocks: list[dict[str, Any]] = [table_block(beside_table(found, match))] if match else []
    blocks += [
        {
            "kind": "folded",
            "summary": "The paper’s Table 2, and the means of this study",
            "table": means_table(found, match, bool(study.mt5)),
        },
        _correlations(study, gallery, own),
        table_block(correlation_table(own, study.confidence)),
    ]
    return Section("compare", "Compared with the published study", sentences, blocks)


def _means(study: Study, metric: str) -> tuple[float, float]:
    if metric in TOXICITY:
        rows = toxicity(study.languages, metric)
        return mean_over_all(rows, "before"), mean_over_all(rows, "after")
    if metric == "perplexity_median" and study.mt5:
        return study.mt5
    return study.means[metric]["before"], study.means[metric]["after"]


def _correlations(study: Study, gallery: Gallery, own: Mapping[str, Record | None]) -> dict[str, Any]:
    published = {
        model.name: (model.pearson, *interval_of_r(model.pearson, LANGUAGES, study.confidence))
        for model in MODELS
        if model.pearson is not None
    }
    here = {
        name: (row["estimate"], row["low"], row["high"])
        for name, row in own.items()
        if row is not None and math.isfinite(row["estimate"])
    }
    caption = (
        "Pearson’s r of retrieval with the relative EMT reduction: of the paper’s models, whose quantity is the mean "
        f"cosine, with {study.confidence:.0%} intervals by Fisher’s z, and of this study with bootstrap intervals over "
        "languages; the models differ in everything else, so the figure shows how uncertain each r is, not which is "
        "right."
    )
    groups = {name: group for name, group in (("paper", published), ("this study", here)) if group}
    figure = forest(groups, "Pearson r with the relative EMT reduction")
    return gallery.block({"published-correlations": (figure, caption)})


def match_verdict(model: Published, emt: tuple[float, float]) -> Text:
    """The relative change of EMT of one base model, there and here."""
    return say(
        f"The base model is {model.name} of {PAPER}. EMT changes by ",
        signed_percent(relative(*emt)),
        " here and by ",
        signed_percent(model.relative_change("emt")),
        " there.",
    )


def direction_verdict(emt: tuple[float, float], others: Change, confidence: float) -> Text:
    """The change of EMT in the published models and here; a direction is named only if the interval excludes 0.

    Args:
        emt: Mean over all languages before and after.
        others: What tuning did to the mean of the other languages.
        confidence: Level of its interval.
    """
    changes = sorted(model.relative_change("emt") for model in MODELS)
    told = {-1: "a fall, as there", 0: "which shows no direction", 1: "a rise"}[others.direction]
    return say(
        f"The base model is not among the six of {PAPER}, so levels cannot be compared, only directions: there mean "
        "EMT falls in ",
        count(derived(sum(change < 0 for change in changes), *changes)),
        " of ",
        count(derived(len(changes), *changes)),
        " models, by ",
        signed_percent(changes[0]),
        " to ",
        signed_percent(changes[-1]),
        "; here it changes by ",
        signed_percent(relative(*emt)),
        " over all languages and, with an interval, by ",
        signed(others.change),
        " ",
        bracket(others.change_low, others.change_high),
        f" ({confidence:.0%}) over the other languages, {told}.",
    )


def correlation_verdict(model: Published | None, own: Record | None, confidence: float) -> Text:
    """The paper's quantity, by its sign, there and here.

    Args:
        model: The paper's row of the same base model, if it has one.
        own: Pearson's r of the mean cosine averaged over layers here, a row of the predictors.
        confidence: Level of its interval.
    """
    known = sorted(other.pearson for other in MODELS if other.pearson is not None)
    same = None if model is None else model.pearson
    if model is not None and same is not None:
        there = say("r = ", signed(same, 2), f" for {model.name}")
    else:
        there = say("r from ", signed(known[0], 2), " to ", signed(known[-1], 2), " in four models")
    sentence = say("The mean cosine of true pairs averaged over layers, which the paper calls accuracy, has ", there)
    if own is None or not math.isfinite(own["estimate"]):
        return say(sentence, " there; here it has no estimate.")
    agrees = (
        "the same sign"
        if own["low"] > 0
        else "the opposite sign"
        if own["high"] < 0
        else "so its sign is not determined"
    )
    interval = bracket(own["low"], own["high"], 2)
    return say(
        sentence,
        " there; here r = ",
        signed(own["estimate"], 2),
        f" ({confidence:.0%} interval ",
        interval,
        f"), {agrees}.",
    )


def beside_table(found: Means, model: Published) -> Table:
    """The published and the study's values of one model, and what lies between them.

    Args:
        found: Of this study.
        model: The paper's row of the same base model.
    """
    rows: list[list[str | Text]] = []
    for metric in METRICS:
        cells: list[str | Text] = [METRIC_TITLES[metric]]
        published = (model.before[metric], model.after[metric])
        for there, here in zip(published, found[metric], strict=True):
            cells += [in_unit(metric, there), in_unit(metric, here), _gap(metric, there, here)]
        changes = model.relative_change(metric), relative(*found[metric])
        cells += [signed_percent(change) for change in changes]
        cells.append(signed(derived(changes[1] - changes[0], changes[1]), 0, scale=100))
        rows.append(cells)
    columns = ["paper", "here", "difference"]
    return Table(
        say(
            f"{model.name} in the paper’s Table 2 and in this study, means over all languages, equally weighted "
            "(perplexity: of their medians); differences are here less paper, of shares and relative changes in "
            "percentage points. The settings differ as listed above, so a difference alone is not a failure to "
            "reproduce.",
        ),
        ["", *columns, *columns, *columns],
        rows,
        [("", 1), ("before", 3), ("after", 3), ("relative change", 3)],
    )


def means_table(found: Means, match: Published | None, same_perplexity: bool) -> Table:
    """The study's means over all languages above those of the paper's Table 2, the same model right below.

    Args:
        found: Of this study.
        match: The paper's row of the same base model, if it has one.
        same_perplexity: Whether the study's perplexity is the paper's quantity.
    """
    models = sorted(MODELS, key=lambda model: model != match)
    rows: list[list[str | Text]] = [["this study", *_cells(found)]]
    rows += [
        [
            f"{model.name}, paper" + (", the same base model" if model == match else ""),
            *_cells({metric: (model.before[metric], model.after[metric]) for metric in METRICS}),
        ]
        for model in models
    ]
    perplexities = "" if same_perplexity else " and perplexities"
    return Table(
        "Means over all languages, equally weighted, before → after tuning, with the relative change; the paper’s "
        f"from its Table 2 (17 languages, Perspective, perplexity under mT5-XL), so levels{perplexities} do not "
        "compare, and relative changes only as far as scorers agree.",
        ["", *[METRIC_TITLES[metric] for metric in METRICS]],
        rows,
    )


def correlation_table(own: Mapping[str, Record | None], confidence: float) -> Table:
    """The study's correlations of retrieval with the relative reduction above those that the paper tells.

    Args:
        own: By name, a row of metrics/measure_transfer/predictors.csv, None where there is none.
        confidence: Level of the intervals.
    """
    rows: list[list[str | Text]] = []
    for name, row in own.items():
        cells: list[str | Text] = [f"this study, {name}", *[say(MISSING)] * 4]
        if row is not None:
            interval, p = bracket(row["low"], row["high"], 2), p_value(row["p_value"])
            cells = [f"this study, {name}", count(row["n"]), signed(row["estimate"], 2), interval, p]
        rows.append(cells)
    for model in MODELS:
        if model.pearson is not None:
            low, high = interval_of_r(model.pearson, LANGUAGES, confidence)
            rows.append(
                [
                    f"{model.name}, paper {model.figure}",
                    count(LANGUAGES),
                    signed(model.pearson, 2),
                    bracket(low, high, 2),
                    p_value(p_of_r(model.pearson, LANGUAGES)),
                ]
            )
    return Table(
        say(
            "Pearson’s r of retrieval before tuning with the relative reduction of EMT. The paper reports r and p < "
            ".01; "
            f"its {confidence:.0%} intervals (Fisher’s z) and p (two-sided, by t) are computed here from r and n = ",
            count(LANGUAGES),
            ". What it correlates is the mean cosine of true pairs averaged over layers, which it calls accuracy.",
        ),
        ["", "n", "r", f"{confidence:.0%} interval", "p"],
        rows,
    )


def relative(before: float, after: float) -> float:
    """Relative change; NaN where there was nothing before."""
    return derived(after / before - 1, before, after) if before else float("nan")


def _cells(means: Means) -> list[Text]:
    cells = []
    for metric in METRICS:
        before, after = means[metric]
        change = signed_percent(relative(before, after)) if before else say(MISSING)
        cells.append(say(in_unit(metric, before), " → ", in_unit(metric, after), " (", change, ")"))
    return cells


def _gap(metric: str, there: float, here: float) -> Text:
    """What the study has more; the key is the study's, whose part of it can be looked into."""
    gap = derived(here - there, here)
    if metric == "toxprob":
        return signed(gap, 1, scale=100)
    return signed(gap, 2 if metric == "perplexity_median" else 3)
