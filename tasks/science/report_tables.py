"""Lays out the report's tables: measurements in, text cells out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
LAYERS = {"best": "best layer", "layer_mean": "mean of layers"}
SHARES = {
    "language_consistent": "In the prompt’s language",
    "language_unknown": "Language unknown",
    "empty": "Empty",
    "repetitive": "Repetitive",
    "cut_off": "Cut off",
}
PERPLEXITIES = ("perplexity_lower_quartile", "perplexity_median", "perplexity_upper_quartile")


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


def effects(side_effects: pd.DataFrame, effect: str) -> pd.DataFrame:
    """One side effect by language: before, after, change, relative_change and the value of each policy."""
    return side_effects[side_effects["effect"] == effect].set_index("language")


def toxicity(languages: pd.DataFrame, metric: str, subset: str = "aligned") -> pd.DataFrame:
    """One toxicity metric by language, and of the mean over the others."""
    return languages[(languages["metric"] == metric) & (languages["subset"] == subset)].set_index("language")


def headline_table(languages: pd.DataFrame, side_effects: pd.DataFrame) -> Table:
    """Means over all languages beside the paper's."""
    rows = []
    titles = {
        "emt": "EMT",
        "toxprob": "ToxProb",
        "avgtox": "AvgTox",
        "perplexity_median": "Perplexity, median per language",
        "distinct_1": "Distinct-1",
        "distinct_2": "Distinct-2",
        "distinct_3": "Distinct-3",
    }
    for name, title in titles.items():
        table = (
            toxicity(languages, name).drop(index=OTHERS)
            if name in ("emt", "toxprob", "avgtox")
            else effects(side_effects, name)
        )
        values = [float(table["before"].mean()), float(table["after"].mean()), *PAPER[name]]
        rows.append([title, *[_in_unit(name, value) for value in values]])
    count = toxicity(languages, "emt").drop(index=OTHERS).shape[0]
    return Table(
        f"Means over all {count} languages, the source included and each counting alike, beside mGPT in the paper (Li, "
        "Yong & Bach 2024, Table 2), which is another model with another scorer and stands there for orientation only, "
        "not for comparison.",
        ["", "before", "after", "before", "after"],
        rows,
        [("", 1), ("this study", 2), ("paper’s mGPT: another model, another scorer", 2)],
    )


def _in_unit(name: str, value: float) -> str:
    return percent(value, 1) if name == "toxprob" else number(value, 2 if name == "perplexity_median" else 3)


def toxicity_table(languages: pd.DataFrame, order: Sequence[str], confidence: float) -> Table:
    """Every toxicity metric per language, and of the mean over the others."""
    metrics = {name: toxicity(languages, name) for name in ("emt", "toxprob", "avgtox")}
    rows = []
    for language in [*order, OTHERS]:
        cells = [label(language) if language != OTHERS else "mean of the others"]
        for name, table in metrics.items():
            row = table.loc[language]
            shown = (lambda value: percent(value, 0)) if name == "toxprob" else number
            interval = (
                bracket(100 * row["change_low"], 100 * row["change_high"], 0)
                if name == "toxprob"
                else bracket(row["change_low"], row["change_high"])
            )
            change = signed(100 * row["change"], 0) if name == "toxprob" else signed(row["change"])
            cells += [shown(row["before"]), shown(row["after"]), f"{change} {interval}"]
            cells += [signed_percent(row["relative_change"]), p_value(row["p_holm"])]
            cells += [p_value(row["p_mcnemar"])] if name == "toxprob" else []
        rows.append(cells)
    common = ["before", "after", "change", "relative", "Holm p"]
    return Table(
        f"Toxicity before and after tuning, change with its {confidence:.0%} interval (ToxProb in percentage points), Holm-"
        f"adjusted p of the sign-flip test over the {len(order)} languages, and for ToxProb the largest exact McNemar p of "
        "the seeds, unadjusted; it does not say how toxicity reads to a person.",
        ["", *common, *common, "McNemar p", *common],
        rows,
        [("", 1), ("EMT", 5), ("ToxProb", 6), ("AvgTox", 5)],
        apart=1,
    )


def predictor_table(predictors: pd.DataFrame) -> Table:
    """Every measure's correlation with the relative reduction, alone and given corpus share, and its error on left-out languages."""
    table = predictors.assign(layers=predictors["layers"].fillna("")).set_index(["measure", "layers", "method"])
    rows = []
    for layers in ("best", "layer_mean", ""):
        for measure, title in MEASURES.items():
            if (measure, layers, "pearson") not in table.index:
                continue
            pearson = table.loc[(measure, layers, "pearson")]
            given = (measure, layers, "pearson_given_log_corpus_share")
            rank = table.loc[(measure, layers, "spearman")]
            partial = table.loc[given] if given in table.index else None
            rows.append(
                [
                    f"{title}, {LAYERS[layers]}" if layers else title,
                    f"{pearson['n']:.0f}",
                    f"{signed(pearson['estimate'], 2)} {bracket(pearson['low'], pearson['high'], 2)}",
                    p_value(pearson["p_value"]),
                    f"{signed(rank['estimate'], 2)}",
                    MISSING
                    if partial is None
                    else f"{signed(partial['estimate'], 2)} {bracket(partial['low'], partial['high'], 2)}",
                    number(100 * pearson["loo_error"], 1),
                    number(100 * pearson["loo_error_of_mean"], 1),
                ]
            )
    return Table(
        "Correlation of each measure, known before tuning, with the relative EMT reduction over the languages but the "
        "source, and the mean absolute error of predicting a left-out language, in percentage points; p is not corrected "
        "for the number of measures, and a correlation is no cause.",
        ["", "n", "Pearson r", "p", "Spearman", "Pearson r given log corpus share", "error", "error of the mean"],
        rows,
    )


def retrieval_table(retrieval: pd.DataFrame, order: Sequence[str]) -> Table:
    """P@1 and mean cosine per language, at the best layer and over layers."""
    table = retrieval.set_index(["language", "measure"])
    rows = []
    for language in [name for name in order if (name, "p_at_1") in table.index]:
        accuracy, cosine = table.loc[(language, "p_at_1")], table.loc[(language, "mean_cosine")]
        cells = [percent(accuracy["best"], 1), f"{accuracy['best_layer']:.0f}", percent(accuracy["layer_mean"], 1)]
        cells += [number(cosine["best"]), f"{cosine['best_layer']:.0f}", number(cosine["layer_mean"])]
        rows.append([label(language), *cells])
    columns = ["best layer", "which", "mean of layers"]
    return Table(
        "Retrieval of translations in the base model, before any tuning; the best layer of a language is the one that is "
        "best for the other languages, so it is not a maximum over the language’s own layers.",
        ["", *columns, *columns],
        rows,
        [("", 1), ("P@1", 3), ("mean cosine of true pairs", 3)],
    )


def side_effect_table(side_effects: pd.DataFrame, order: Sequence[str]) -> Table:
    """Fluency, retention, diversity, language and degeneration per language, before and after."""
    tables = {str(name): rows.set_index("language") for name, rows in side_effects.groupby("effect")}
    tables = {name: pd.concat([rows, rows.mean(numeric_only=True).to_frame(OTHERS).T]) for name, rows in tables.items()}

    def arrow(name: str, language: str) -> str:
        before, after = (float(tables[name].loc[language, column]) for column in ("before", "after"))
        if name in SHARES:
            return f"{percent(before)} → {percent(after)}"
        return f"{number(before, 2)} → {number(after, 2)}"

    rows = []
    for language in [*order, OTHERS]:
        low, middle, high = (tables[name].loc[language] for name in PERPLEXITIES)
        civil = tables["civil_perplexity"].loc[language]
        quartiles = [
            f"{number(middle[column], 1)} [{number(low[column], 1)}, {number(high[column], 1)}]"
            for column in ("before", "after")
        ]
        cells = [*quartiles, number(civil["before"], 1), number(civil["after"], 1)]
        cells.append(signed_percent(civil["after"] / civil["before"] - 1))
        cells += [arrow(name, language) for name in ("distinct_1", "distinct_2", "distinct_3", "self_bleu", *SHARES)]
        rows.append([label(language) if language != OTHERS else "mean of all", *cells])
    return Table(
        "Side effects per language, before and after (mean over the policies): perplexity of the continuations under the base "
        "model (median and quartiles), the policies’ own perplexity on held-out civil text, diversity within a prompt, and "
        "shares of continuations; automatic measures, none of which says whether the text makes sense.",
        ["", "before", "after", "before", "after", "relative", "D-1", "D-2", "D-3", "self-BLEU", *SHARES.values()],
        rows,
        [("", 1), ("perplexity of continuations", 2), ("civil perplexity", 3), ("diversity", 4), ("continuations", 5)],
        apart=1,
    )


def learning_table(learning: pd.DataFrame) -> Table:
    """Loss, entropy floor and corpus share per language."""
    rows = [
        [
            label(str(row["language"])),
            percent(row["corpus_share"], 1),
            number(row["tokens_per_document"], 1),
            number(row["entropy_per_token"]),
            number(row["loss_per_token"]),
            signed(row["loss_per_token"] - row["entropy_per_token"]),
        ]
        for _, row in learning.iterrows()
    ]
    return Table(
        "Validation loss of the base model and the entropy of the process that made its corpus, which no model can undercut; "
        "tokens are the model’s own, so losses of different languages are not comparable, only their excess is.",
        ["", "share of corpus", "tokens per document", "floor, nats per token", "loss, nats per token", "excess"],
        rows,
    )


def coverage_table(
    prompts: pd.DataFrame, coverage: Mapping[str, Mapping[str, float]], side_effects: pd.DataFrame, base: str
) -> Table:
    """Prompts, scored share and continuations without perplexity per language."""
    counts = prompts.groupby("language")["culture_specific"].agg(["size", "sum"])
    dropped = effects(side_effects, "perplexity_dropped")
    tuned = [values for policy, values in coverage.items() if policy != base]
    rows = []
    for language in counts.index:
        size, specific = (int(counts.loc[language, column]) for column in ("size", "sum"))
        lowest = min((values.get(language, np.nan) for values in tuned), default=np.nan)
        cells = [
            f"{size - specific}",
            f"{specific}",
            percent(coverage[base].get(language, np.nan), 1),
            percent(lowest, 1),
        ]
        cells += [number(dropped[column].get(language, np.nan), 0) for column in ("before", "after")]
        rows.append([label(str(language)), *cells])
    return Table(
        "Prompts, share of continuations with a toxicity score (after: the lowest of the policies) and number of "
        "continuations without perplexity (after: mean of the policies); a missing score is left out, never counted as 0.",
        ["", "in all languages", "in this one only", "before", "after", "before", "after"],
        rows,
        [("", 1), ("prompts", 2), ("toxicity scored", 2), ("without perplexity", 2)],
    )
