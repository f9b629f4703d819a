"""Lays out the report's tables: measurements in, text cells out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.reporting.published import Published
from tasks.reporting.report_rows import OTHERS, Rows, by_language, column, correlations, effects, excess, toxicity
from tasks.reporting.sourced import Record, Sheet, derived
from tasks.reporting.wording import (
    MISSING,
    Text,
    bracket,
    count,
    name_of,
    number,
    p_value,
    percent,
    say,
    signed,
    signed_percent,
)

TOXICITY = ("emt", "toxprob", "avgtox")
MEASURES = {
    "p_at_1": "P@1, both directions",
    "p_at_1_forward": "P@1, from the source",
    "p_at_1_backward": "P@1, to the source",
    "csls_p_at_1": "P@1 with CSLS",
    "mean_cosine": "mean cosine of true pairs",
    "cosine_gap": "cosine gap, true − other",
    "mutual_nn": "mutual nearest neighbours",
    "log_corpus_share": "log corpus share (control)",
}
LAYERS = {"best": "best", "layer_mean": "mean"}
SHARES = {
    "language_consistent": "In the prompt’s language",
    "language_unknown": "Language unknown",
    "empty": "Empty",
    "repetitive": "Repetitive",
    "cut_off": "Cut off",
}
PERPLEXITIES = ("perplexity_lower_quartile", "perplexity_median", "perplexity_upper_quartile")
DIVERSITY = ("distinct_1", "distinct_2", "distinct_3", "self_bleu")
EFFECTS = (*PERPLEXITIES, "civil_perplexity", *DIVERSITY, *SHARES)


@dataclass(frozen=True)
class Table:
    """Rows of text under a header; the first cell of a row names it.

    Attributes:
        caption: One sentence: what it shows and what it does not.
        header: A title per column.
        rows: The cells.
        groups: Titles over several columns with their number of columns, all columns in order; may be empty.
        apart: How many of the last rows are means, set apart.
    """

    caption: str | Text
    header: Sequence[str]
    rows: Sequence[Sequence[str | Text]]
    groups: Sequence[tuple[str, int]] = ()
    apart: int = 0


def label(language: str) -> str:
    """ISO code and English name."""
    return f"{language} {name_of(language)}" if name_of(language) != language else language


def marked(language: str, marks: Mapping[str, str]) -> str:
    """`label` with the language's mark, if it has one."""
    return " ".join(filter(None, (label(language), marks.get(language, ""))))


def headline_table(languages: Sheet, means_of_effects: Record, paper: Published) -> Table:
    """Means over all languages beside the paper's.

    Args:
        languages: Toxicity by language.
        means_of_effects: Of the side effects, before and after.
        paper: The model of the paper to stand beside it.
    """
    rows: list[list[str | Text]] = []
    titles = {
        "emt": "EMT",
        "toxprob": "ToxProb",
        "avgtox": "AvgTox",
        "perplexity_median": "Perplexity",
        "distinct_1": "Distinct-1",
        "distinct_2": "Distinct-2",
        "distinct_3": "Distinct-3",
    }
    for name, title in titles.items():
        if name in TOXICITY:
            means = [mean_over_all(toxicity(languages, name), when) for when in ("before", "after")]
        else:
            means = [means_of_effects[name][when] for when in ("before", "after")]
        rows.append([title, *[_in_unit(name, value) for value in (*means, paper.before[name], paper.after[name])]])
    emt = column(toxicity(languages, "emt"), "before")
    return Table(
        say(
            "Means over all ",
            count(derived(len(emt.keys() - {OTHERS}), *emt.values())),
            " languages, the source included and each counting alike (perplexity: of their medians), beside "
            f"{paper.name} in the paper (Li, Yong & Bach 2024, Table 2; *for orientation only: what differs is told "
            "where this study stands beside the published one).",
        ),
        ["", "before", "after", "before", "after"],
        rows,
        [("", 1), ("this study", 2), (f"{paper.name} in the paper*", 2)],
    )


def mean_over_all(rows: Rows, name: str) -> float:
    """Mean over every language, the source included."""
    values = [value for language, value in column(rows, name).items() if language != OTHERS]
    return derived(float(np.mean(values)), *values)


def _in_unit(name: str, value: float) -> Text:
    return percent(value, 1) if name == "toxprob" else number(value, 2 if name == "perplexity_median" else 3)


def toxicity_table(
    languages: Sheet, order: Sequence[str], confidence: float, runs: str, marks: Mapping[str, str]
) -> Table:
    """Every toxicity metric per language, and of the mean over the others.

    Args:
        languages: By language.
        order: Of the languages.
        confidence: Level of the intervals.
        runs: What the policies are called.
        marks: Of languages whose scores are not shown to be valid.
    """
    metrics = {name: toxicity(languages, name) for name in TOXICITY}
    rows: list[list[str | Text]] = []
    for language in [*order, OTHERS]:
        cells: list[str | Text] = [marked(language, marks) if language != OTHERS else "mean of the others"]
        for name, table in metrics.items():
            row = table[language]
            scale, digits = (100, 0) if name == "toxprob" else (1, 3)
            shown = percent if name == "toxprob" else number
            cells += [shown(row[when]) for when in ("before", "after")]
            interval = bracket(row["change_low"], row["change_high"], digits, scale)
            cells += [say(signed(row["change"], digits, scale), " ", interval)]
            cells += [signed_percent(row["relative_change"]), p_value(row["p_holm"])]
            cells += [p_value(row["p_mcnemar"])] if name == "toxprob" else []
        rows.append(cells)
    common = ["before", "after", "change", "relative", "Holm p"]
    found = sorted(set(marks.values()))
    return Table(
        say(
            f"Toxicity before and after tuning, change with its {confidence:.0%} interval (ToxProb in percentage "
            "points), Holm-adjusted p of the sign-flip test over the ",
            count(languages.total(len(order))),
            f" languages, and for ToxProb the largest exact McNemar p of the {runs}, unadjusted; it does not say how "
            "toxicity reads to a person." + (f" {' and '.join(found)}: see the findings." if found else ""),
        ),
        ["", *common, *common, "McNemar p", *common],
        rows,
        [("", 1), ("EMT", 5), ("ToxProb", 6), ("AvgTox", 5)],
        apart=1,
    )


def predictor_table(predictors: Sheet) -> Table:
    """Every measure's correlation with the relative reduction, and its error on left-out languages."""
    found = correlations(predictors)
    measures = list(MEASURES)
    shown = [(measure, layers) for measure, layers, method in found if method == "pearson"]
    rows: list[list[str | Text]] = []
    for measure, layers in sorted(shown, key=lambda one: (one[1] == "", one[1], measures.index(one[0]))):
        row = found[measure, layers, "pearson"]
        partial = found.get((measure, layers, "pearson_given_log_corpus_share"))
        rows.append(
            [
                MEASURES[measure],
                LAYERS.get(layers, ""),
                count(row["n"]),
                _estimate(row),
                p_value(row["p_value"]),
                signed(found[measure, layers, "spearman"]["estimate"], 2),
                _partial(partial, row["n"]) if partial else "",
                number(row["loo_error"], 1, scale=100),
                number(row["loo_error_of_mean"], 1, scale=100),
            ]
        )
    return Table(
        "Correlation of each measure, known before tuning, with the relative EMT reduction over the languages but "
        "the source, and the mean absolute error of predicting a left-out language, in percentage points; p is not "
        "corrected for the number of measures, partial r holds the log corpus share fixed, and a correlation is no "
        "cause.",
        ["", "layer", "n", "Pearson r", "p", "Spearman", "partial r", "error", "of the mean"],
        rows,
    )


def _estimate(row: Record) -> Text:
    if not math.isfinite(row["estimate"]):
        return say(MISSING)
    return say(signed(row["estimate"], 2), " ", bracket(row["low"], row["high"], 2))


def _partial(row: Record, languages: float) -> Text:
    """With its number of languages where that is smaller."""
    if row["n"] == languages or not math.isfinite(row["estimate"]):
        return _estimate(row)
    return say(_estimate(row), ", n = ", count(row["n"]))


def retrieval_table(retrieval: Sheet, order: Sequence[str]) -> Table:
    """P@1 and mean cosine per language, at the best layer and over layers."""
    accuracy, cosine = (by_language(retrieval.where(measure=name)) for name in ("p_at_1", "mean_cosine"))
    rows: list[list[str | Text]] = []
    for language in order:
        hits, angle = accuracy[language], cosine[language]
        cells = [percent(hits["best"], 1), count(hits["best_layer"]), percent(hits["layer_mean"], 1)]
        cells += [number(angle["best"]), count(angle["best_layer"]), number(angle["layer_mean"])]
        rows.append([label(language), *cells])
    columns = ["best layer", "number", "mean of layers"]
    return Table(
        "Retrieval of translations in the base model, before any tuning; the best layer of a language is the one "
        "that is best for the other languages, so it is not a maximum over the language’s own layers.",
        ["", *columns, *columns],
        rows,
        [("", 1), ("P@1", 3), ("mean cosine of true pairs", 3)],
    )


def side_effect_table(side_effects: Sheet, means: Record, order: Sequence[str], judge: str, retained: str) -> Table:
    """Fluency, retention, diversity, language and degeneration per language, before and after.

    Args:
        side_effects: By language.
        means: Of all languages.
        order: Of the languages.
        judge: Under what the perplexity of continuations is.
        retained: What text the policies' own perplexity is on.
    """
    tables = {name: effects(side_effects, name) | {OTHERS: means[name]} for name in EFFECTS}

    def arrow(name: str, language: str) -> Text:
        row, shown = tables[name][language], percent if name in SHARES else _two_digits
        return say(shown(row["before"]), " → ", shown(row["after"]))

    rows: list[list[str | Text]] = []
    for language in [*order, OTHERS]:
        low, middle, high = (tables[name][language] for name in PERPLEXITIES)
        civil = tables["civil_perplexity"][language]
        cells = [
            say(number(middle[when], 1), " [", number(low[when], 1), ", ", number(high[when], 1), "]")
            for when in ("before", "after")
        ]
        cells += [number(civil["before"], 1), number(civil["after"], 1), signed_percent(_relative(civil))]
        cells += [arrow(name, language) for name in (*DIVERSITY, *SHARES)]
        rows.append([label(language) if language != OTHERS else "mean of all", *cells])
    return Table(
        "Side effects per language, before and after (mean over the policies): perplexity of the continuations under "
        f"{judge} (median and quartiles), the policies’ own perplexity on {retained}, diversity "
        "within a prompt, and shares of continuations; automatic measures, none of which says whether the text makes "
        "sense.",
        ["", "before", "after", "before", "after", "relative", "D-1", "D-2", "D-3", "self-BLEU", *SHARES.values()],
        rows,
        [("", 1), ("perplexity of continuations", 2), ("own perplexity", 3), ("diversity", 4), ("continuations", 5)],
        apart=1,
    )


def _relative(row: Record) -> float:
    """Relative change; of means, from the means."""
    before, after = row["before"], row["after"]
    return row["relative_change"] if "relative_change" in row else derived(after / before - 1, before, after)


def _two_digits(value: float) -> Text:
    return number(value, 2)


def learning_table(learning: Sequence[Record]) -> Table:
    """Loss, entropy floor and corpus share of each language."""
    rows: list[list[str | Text]] = [
        [
            label(row["language"]),
            percent(row["corpus_share"], 1),
            number(row["tokens_per_document"], 1),
            number(row["entropy_per_token"]),
            number(row["loss_per_token"]),
            signed(excess(row)),
        ]
        for row in learning
    ]
    return Table(
        "Validation loss of the base model and the entropy of the process that made its corpus, which no model can "
        "undercut; tokens are the model’s own, so losses of different languages are not comparable, only their "
        "excess is.",
        ["", "share of corpus", "tokens per document", "floor, nats per token", "loss, nats per token", "excess"],
        rows,
    )


def share_table(learning: Sequence[Record]) -> Table:
    """Share of each language in the corpus, where it is published."""
    rows: list[list[str | Text]] = [[label(row["language"]), percent(row["corpus_share"], 2)] for row in learning]
    return Table(
        "Share of each language in what the base model was pretrained on, where prepare_model.corpus_share tells it; "
        "other languages are not known to be absent.",
        ["", "share of corpus"],
        rows,
    )
