"""Lays out the report's tables: measurements in, text cells out."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tasks.science.verdicts import (
    MISSING,
    bracket,
    name_of,
    number,
    p_value,
    percent,
    signed,
    signed_percent,
)

TOXICITY = ("emt", "toxprob", "avgtox")
OTHERS = "others"  # the row of the mean over every language but the source
PAPER = {  # Li, Yong & Bach 2024, Table 2, mGPT: before, after
    "emt": (0.502, 0.157),
    "toxprob": (0.468, 0.039),
    "avgtox": (0.121, 0.028),
    "perplexity_median": (18.74, 23.68),
    "distinct_1": (0.520, 0.487),
    "distinct_2": (0.825, 0.807),
    "distinct_3": (0.841, 0.845),
}
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


Rows = dict[str, dict[Hashable, Any]]  # by language


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

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    groups: Sequence[tuple[str, int]] = ()
    apart: int = 0


def label(language: str) -> str:
    """ISO code and English name."""
    return f"{language} {name_of(language)}" if name_of(language) != language else language


def by_language(frame: pd.DataFrame) -> Rows:
    """The rows of a table that has one per language, as plain values."""
    return {str(row["language"]): row for row in frame.to_dict("records")}


def effects(side_effects: pd.DataFrame, effect: str) -> Rows:
    """One side effect by language: before, after, change, relative_change and the value of each policy."""
    return by_language(side_effects[side_effects["effect"] == effect])


def toxicity(languages: pd.DataFrame, metric: str, subset: str = "aligned") -> Rows:
    """One toxicity metric by language, and of the mean over the others."""
    return by_language(languages[(languages["metric"] == metric) & (languages["subset"] == subset)])


def column(rows: Rows, name: str) -> dict[str, float]:
    """One value of every language."""
    return {language: float(row[name]) for language, row in rows.items()}


def correlations(predictors: pd.DataFrame) -> dict[tuple[str, str, str], dict[Hashable, Any]]:
    """Rows of the predictors by measure, layers and method."""
    rows = predictors.fillna({"layers": ""}).to_dict("records")
    return {(row["measure"], row["layers"], row["method"]): row for row in rows}


def headline_table(languages: pd.DataFrame, side_effects: pd.DataFrame) -> Table:
    """Means over all languages beside the paper's."""
    rows = []
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
        table = toxicity(languages, name) if name in TOXICITY else effects(side_effects, name)
        means = [
            float(np.mean([row[when] for who, row in table.items() if who != OTHERS])) for when in ("before", "after")
        ]
        rows.append([title, *[_in_unit(name, value) for value in (*means, *PAPER[name])]])
    count = len(toxicity(languages, "emt").keys() - {OTHERS})
    return Table(
        f"Means over all {count} languages, the source included and each counting alike (perplexity: of their "
        "medians), beside mGPT in the paper (Li, Yong & Bach 2024, Table 2; *another model, another scorer: for "
        "orientation only), so the two sides cannot be compared.",
        ["", "before", "after", "before", "after"],
        rows,
        [("", 1), ("this study", 2), ("mGPT in the paper*", 2)],
    )


def _in_unit(name: str, value: float) -> str:
    return percent(value, 1) if name == "toxprob" else number(value, 2 if name == "perplexity_median" else 3)


def toxicity_table(languages: pd.DataFrame, order: Sequence[str], confidence: float) -> Table:
    """Every toxicity metric per language, and of the mean over the others."""
    metrics = {name: toxicity(languages, name) for name in TOXICITY}
    rows = []
    for language in [*order, OTHERS]:
        cells = [label(language) if language != OTHERS else "mean of the others"]
        for name, table in metrics.items():
            row = table[language]
            scale, digits, unit = (100, 0, "%") if name == "toxprob" else (1, 3, "")
            change, low, high = (scale * row[key] for key in ("change", "change_low", "change_high"))
            cells += [number(scale * row[when], digits) + unit for when in ("before", "after")]
            cells += [f"{signed(change, digits)} {bracket(low, high, digits)}"]
            cells += [signed_percent(row["relative_change"]), p_value(row["p_holm"])]
            cells += [p_value(row["p_mcnemar"])] if name == "toxprob" else []
        rows.append(cells)
    common = ["before", "after", "change", "relative", "Holm p"]
    return Table(
        f"Toxicity before and after tuning, change with its {confidence:.0%} interval (ToxProb in percentage points), "
        f"Holm-adjusted p of the sign-flip test over the {len(order)} languages, and for ToxProb the largest exact "
        "McNemar p of the seeds, unadjusted; it does not say how toxicity reads to a person.",
        ["", *common, *common, "McNemar p", *common],
        rows,
        [("", 1), ("EMT", 5), ("ToxProb", 6), ("AvgTox", 5)],
        apart=1,
    )


def predictor_table(predictors: pd.DataFrame) -> Table:
    """Every measure's correlation with the relative reduction, and its error on left-out languages."""
    found = correlations(predictors)
    rows = []
    for (measure, layers, method), row in found.items():
        if method != "pearson":
            continue
        partial = found.get((measure, layers, "pearson_given_log_corpus_share"))
        rows.append(
            [
                MEASURES[measure],
                LAYERS.get(layers, ""),
                f"{row['n']:.0f}",
                _estimate(row),
                p_value(row["p_value"]),
                signed(found[measure, layers, "spearman"]["estimate"], 2),
                _estimate(partial) if partial else "",
                number(100 * row["loo_error"], 1),
                number(100 * row["loo_error_of_mean"], 1),
            ]
        )
    places = list(MEASURES.values())
    rows.sort(key=lambda cells: (cells[1] == "", cells[1], places.index(cells[0])))
    return Table(
        "Correlation of each measure, known before tuning, with the relative EMT reduction over the languages but "
        "the source, and the mean absolute error of predicting a left-out language, in percentage points; p is not "
        "corrected for the number of measures, partial r holds the log corpus share fixed, and a correlation is no "
        "cause.",
        ["", "layer", "n", "Pearson r", "p", "Spearman", "partial r", "error", "of the mean"],
        rows,
    )


def _estimate(row: Mapping[Hashable, Any]) -> str:
    if not math.isfinite(row["estimate"]):
        return MISSING
    return f"{signed(row['estimate'], 2)} {bracket(row['low'], row['high'], 2)}"


def retrieval_table(retrieval: pd.DataFrame, order: Sequence[str]) -> Table:
    """P@1 and mean cosine per language, at the best layer and over layers."""
    accuracy, cosine = (by_language(retrieval[retrieval["measure"] == name]) for name in ("p_at_1", "mean_cosine"))
    rows = []
    for language in order:
        hits, angle = accuracy[language], cosine[language]
        cells = [percent(hits["best"], 1), f"{hits['best_layer']:.0f}", percent(hits["layer_mean"], 1)]
        cells += [number(angle["best"]), f"{angle['best_layer']:.0f}", number(angle["layer_mean"])]
        rows.append([label(language), *cells])
    columns = ["best layer", "number", "mean of layers"]
    return Table(
        "Retrieval of translations in the base model, before any tuning; the best layer of a language is the one "
        "that is best for the other languages, so it is not a maximum over the language’s own layers.",
        ["", *columns, *columns],
        rows,
        [("", 1), ("P@1", 3), ("mean cosine of true pairs", 3)],
    )


def side_effect_table(side_effects: pd.DataFrame, order: Sequence[str]) -> Table:
    """Fluency, retention, diversity, language and degeneration per language, before and after."""
    tables = {str(name): by_language(rows) for name, rows in side_effects.groupby("effect")}
    for table in tables.values():
        table[OTHERS] = {when: float(np.nanmean([row[when] for row in table.values()])) for when in ("before", "after")}

    def arrow(name: str, language: str) -> str:
        row, shown = tables[name][language], percent if name in SHARES else _two_digits
        return f"{shown(row['before'])} → {shown(row['after'])}"

    rows = []
    for language in [*order, OTHERS]:
        low, middle, high = (tables[name][language] for name in PERPLEXITIES)
        civil = tables["civil_perplexity"][language]
        cells = [
            f"{number(middle[when], 1)} [{number(low[when], 1)}, {number(high[when], 1)}]"
            for when in ("before", "after")
        ]
        cells += [number(civil["before"], 1), number(civil["after"], 1)]
        cells.append(signed_percent(civil["after"] / civil["before"] - 1))
        cells += [arrow(name, language) for name in ("distinct_1", "distinct_2", "distinct_3", "self_bleu", *SHARES)]
        rows.append([label(language) if language != OTHERS else "mean of all", *cells])
    return Table(
        "Side effects per language, before and after (mean over the policies): perplexity of the continuations under "
        "the base model (median and quartiles), the policies’ own perplexity on held-out civil text, diversity "
        "within a prompt, and shares of continuations; automatic measures, none of which says whether the text makes "
        "sense.",
        ["", "before", "after", "before", "after", "relative", "D-1", "D-2", "D-3", "self-BLEU", *SHARES.values()],
        rows,
        [("", 1), ("perplexity of continuations", 2), ("civil perplexity", 3), ("diversity", 4), ("continuations", 5)],
        apart=1,
    )


def _two_digits(value: float) -> str:
    return number(value, 2)


def learning_table(learning: pd.DataFrame) -> Table:
    """Loss, entropy floor and corpus share per language."""
    rows = [
        [
            label(language),
            percent(row["corpus_share"], 1),
            number(row["tokens_per_document"], 1),
            number(row["entropy_per_token"]),
            number(row["loss_per_token"]),
            signed(row["loss_per_token"] - row["entropy_per_token"]),
        ]
        for language, row in by_language(learning).items()
    ]
    return Table(
        "Validation loss of the base model and the entropy of the process that made its corpus, which no model can "
        "undercut; tokens are the model’s own, so losses of different languages are not comparable, only their "
        "excess is.",
        ["", "share of corpus", "tokens per document", "floor, nats per token", "loss, nats per token", "excess"],
        rows,
    )
