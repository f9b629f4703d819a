"""Lays out what the paper published beside what a study found."""

from collections.abc import Mapping, Sequence

from tasks.science.published import LANGUAGES, METRICS, MODELS, Published, interval_of_r, p_of_r
from tasks.science.report_tables import Table
from tasks.science.sourced import Record, derived
from tasks.science.wording import MISSING, Text, bracket, count, number, p_value, percent, say, signed, signed_percent

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


def means_table(found: Means, match: Published | None) -> Table:
    """The study's means over all languages above those of the paper's Table 2, the same model right below.

    Args:
        found: Of this study.
        match: The paper's row of the same base model, if it has one.
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
    return Table(
        "Means over all languages, each counting alike, before → after tuning, with the relative change; the paper’s "
        "from its Table 2 (17 languages, Perspective, perplexity under mT5-XL), so levels and perplexities do not "
        "compare, and relative changes only as far as scorers agree.",
        ["", *[TITLES[metric] for metric in METRICS]],
        rows,
    )


def _cells(means: Means) -> list[Text]:
    cells = []
    for metric in METRICS:
        before, after = means[metric]
        change = signed_percent(derived(after / before - 1, before, after)) if before else say(MISSING)
        cells.append(say(_shown(metric, before), " → ", _shown(metric, after), " (", change, ")"))
    return cells


def _shown(metric: str, value: float) -> Text:
    if metric == "toxprob":
        return percent(value, 1)
    return number(value, 1 if metric == "perplexity_median" else 3)


def correlation_table(own: Sequence[tuple[str, Record | None]], confidence: float) -> Table:
    """The study's correlations of retrieval with the relative reduction above those that the paper tells.

    Args:
        own: Name and row of metrics/measure_transfer/predictors.csv, None where there is none.
        confidence: Level of the intervals.
    """
    rows: list[list[str | Text]] = []
    for name, row in own:
        cells: list[str | Text] = [f"this study, {name}", *[say(MISSING)] * 4]
        if row is not None:
            estimate = say(signed(row["estimate"], 2))
            interval, p = bracket(row["low"], row["high"], 2), p_value(row["p_value"])
            cells = [f"this study, {name}", count(row["n"]), estimate, interval, p]
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
        "Pearson’s r of retrieval before tuning with the relative reduction of EMT. The paper tells r and p < .01; its "
        f"{confidence:.0%} intervals (Fisher’s z) and p (t test) are computed here from r and n = {LANGUAGES}. What it "
        "correlates is the mean cosine of true pairs averaged over layers, whatever it is called there.",
        ["", "n", "r", f"{confidence:.0%} interval", "p"],
        rows,
    )
