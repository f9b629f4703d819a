"""Lays out what the paper published beside what a study found."""

from collections.abc import Mapping

from tasks.reporting.published import LANGUAGES, METRICS, MODELS, Published, interval_of_r, p_of_r
from tasks.reporting.report_tables import Table
from tasks.reporting.sourced import Record, derived
from tasks.reporting.wording import (
    MISSING,
    Text,
    bracket,
    count,
    number,
    p_value,
    percent,
    say,
    signed,
    signed_percent,
)

TITLES = {
    "emt": "EMT",
    "toxprob": "ToxProb",
    "avgtox": "AvgTox",
    "perplexity_median": "perplexity",
    "distinct_1": "D-1",
    "distinct_2": "D-2",
    "distinct_3": "D-3",
}
Means = Mapping[str, tuple[float, float]]  # by metric: before and after, over all languages


def relative(before: float, after: float) -> float:
    """Relative change; NaN where there was nothing before."""
    return derived(after / before - 1, before, after) if before else float("nan")


def beside_table(found: Means, model: Published) -> Table:
    """The published and the study's values of one model, and what lies between them.

    Args:
        found: Of this study.
        model: The paper's row of the same base model.
    """
    rows: list[list[str | Text]] = []
    for metric in METRICS:
        cells: list[str | Text] = [TITLES[metric]]
        published = (model.before[metric], model.after[metric])
        for there, here in zip(published, found[metric], strict=True):
            cells += [_shown(metric, there), _shown(metric, here), _gap(metric, there, here)]
        changes = model.relative_change(metric), relative(*found[metric])
        cells += [signed_percent(change) for change in changes]
        cells.append(signed(derived(changes[1] - changes[0], changes[1]), 0, scale=100))
        rows.append(cells)
    columns = ["paper", "here", "difference"]
    return Table(
        say(
            f"{model.name} in the paper’s Table 2 and in this study, means over all languages, each counting alike "
            "(perplexity: of their medians); differences are here less paper, of shares and relative changes in "
            "percentage points. What differs in the settings is told above, so a difference is no failure to "
            "reproduce by itself.",
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
        "Means over all languages, each counting alike, before → after tuning, with the relative change; the paper’s "
        f"from its Table 2 (17 languages, Perspective, perplexity under mT5-XL), so levels{perplexities} do not "
        "compare, and relative changes only as far as scorers agree.",
        ["", *[TITLES[metric] for metric in METRICS]],
        rows,
    )


def _cells(means: Means) -> list[Text]:
    cells = []
    for metric in METRICS:
        before, after = means[metric]
        change = signed_percent(relative(before, after)) if before else say(MISSING)
        cells.append(say(_shown(metric, before), " → ", _shown(metric, after), " (", change, ")"))
    return cells


def _shown(metric: str, value: float) -> Text:
    if metric == "toxprob":
        return percent(value, 1)
    return number(value, 2 if metric == "perplexity_median" else 3)


def _gap(metric: str, there: float, here: float) -> Text:
    """What the study has more; the key is the study's, whose part of it can be looked into."""
    gap = derived(here - there, here)
    if metric == "toxprob":
        return signed(gap, 1, scale=100)
    return signed(gap, 2 if metric == "perplexity_median" else 3)


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
            "Pearson’s r of retrieval before tuning with the relative reduction of EMT. The paper tells r and p < .01; "
            f"its {confidence:.0%} intervals (Fisher’s z) and p (two-sided, by t) are computed here from r and n = ",
            count(LANGUAGES),
            ". What it correlates is the mean cosine of true pairs averaged over layers, whatever it is called there.",
        ),
        ["", "n", "r", f"{confidence:.0%} interval", "p"],
        rows,
    )
