"""The chapter on what retrieval, measured before tuning, tells about the reduction after it."""

import math

from tasks.reporting.charts import Chart
from tasks.reporting.page import Gallery, Section, Table, table_block
from tasks.reporting.row_charts import forest
from tasks.reporting.rows import correlations
from tasks.reporting.sourced import Record, Sheet
from tasks.reporting.study import Association, Study
from tasks.reporting.wording import MISSING, Text, bracket, count, name_of, number, p_value, say, signed, span
from tasks.reporting.xy_charts import scatter

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


def chapter(study: Study, gallery: Gallery) -> Section:
    """Whether retrieval, measured before tuning, predicts the reduction."""
    drawn: dict[str, tuple[Chart, str | Text]] = {}
    for measure, title, warning in (
        (
            "p_at_1",
            "P@1 at the best layer, before tuning",
            "the line is not evidence of a cause",
        ),
        (
            "mean_cosine",
            "mean cosine at the best layer, before tuning",
            "the paper’s published quantity is this mean cosine of true pairs, which its code calls accuracy "
            "although nothing is retrieved",
        ),
    ):
        found = study.association(measure, "best")
        caption = say(
            f"Each language but {study.pairs_in}, with the least-squares line (r = ",
            signed(found.estimate, 2),
            " ",
            bracket(found.low, found.high, 2),
            ", n = ",
            count(found.n),
            f"); {warning}.",
        )
        drawn[f"predictor-{measure.replace('_', '-')}"] = (predictor_figure(study.points, measure, title), caption)
    about_all = (
        f"Correlation of every measure with the relative EMT reduction and its {study.confidence:.0%} bootstrap "
        "interval over languages; the measures come from the same embeddings, so they are not independent evidence."
    )
    forest = {"correlations": (correlation_figure(study.predictors), about_all)}
    partial = study.association("p_at_1", "best", "pearson_given_log_corpus_share")
    share = study.association("log_corpus_share", "").estimate
    cosine = study.association("mean_cosine", "best")
    sentences: list[str | Text] = [
        "P@1 is the share of sentences whose nearest neighbour in the other language is their translation, in the "
        "base model before any tuning; how it relates to the reduction is among the findings above.",
        control_verdict("best-layer P@1", partial.estimate, partial.low, partial.high, share, partial.note),
        predictor_verdict("Best-layer mean cosine", cosine, study.confidence),
    ]
    table = table_block(predictor_table(study.predictors))
    blocks = [gallery.block(drawn, "two"), gallery.block(forest), table]
    return Section("predictors", "Could retrieval have predicted it?", sentences, blocks)


def predictor_verdict(measure: str, found: Association, confidence: float) -> Text:
    """Whether the measure predicts the relative reduction of a language."""
    if not math.isfinite(found.estimate):
        return say(f"Whether {measure} predicts the relative reduction is unknown: {found.note or 'no estimate'}.")
    facts = say(
        f"{measure} correlates with the relative EMT reduction at r = ",
        signed(found.estimate, 2),
        f" (Pearson, {confidence:.0%} interval ",
        span(found.low, found.high, 2),
        ", permutation p ",
        _equals(found.p_value),
        ", n = ",
        count(found.n),
        " languages)",
    )
    guess = say(
        "Predicting a left-out language from it errs by ",
        number(found.loo_error, 1, scale=100),
        " percentage points on average, guessing the mean of the others by ",
        number(found.loo_error_of_mean, 1, scale=100),
    )
    better = found.loo_error < found.loo_error_of_mean
    if found.high < 0:
        return say(facts, ": the relation has the opposite sign. ", guess, ".")
    baseline = "better than the mean-only baseline" if better else "no better than the mean-only baseline"
    if not (found.low > 0 and found.p_value < 1 - confidence):
        return say(facts, ": no reliable relation. ", guess, f": {baseline}.")
    if better:
        return say(facts, ". ", guess, ": it has predictive value.")
    return say(facts, ". ", guess, f": {baseline}, so it does not predict an unseen language.")


def control_verdict(measure: str, partial: float, low: float, high: float, share: float, note: str = "") -> Text:
    """Whether the size of a language in the corpus explains the relation away; `note`: where that is not known."""
    if not math.isfinite(partial):
        why = f" ({note})" if note else ""
        return say(f"The relation with {measure} given the corpus share cannot be computed{why}.")
    stays = "remains" if low > 0 else "is not shown to remain"
    where = f"; {note}" if note else ""
    return say(
        f"Given the log corpus share of a language, the relation with {measure} {stays} (partial r = ",
        signed(partial, 2),
        " ",
        bracket(low, high, 2),
        f"{where}); the share alone correlates at r = ",
        signed(share, 2),
        ".",
    )


def predictor_figure(points: Sheet, measure: str, title: str) -> Chart:
    """A measure at its best layer against the relative EMT reduction, a named point per language."""
    chosen = points.where(measure=measure, layers="best").frame
    names = [name_of(language) for language in chosen["language"]]
    return scatter(chosen["value"].tolist(), chosen["emt_reduction"].tolist(), names, title, "relative EMT reduction")


def correlation_figure(predictors: Sheet) -> Chart:
    """Pearson's r of every measure, at the best layer and averaged over layers, and of the control."""
    found = correlations(predictors)
    groups = {}
    for layers, title in (("best", "best layer"), ("layer_mean", "mean of layers"), ("", "")):
        rows = {title: found.get((measure, layers, "pearson")) for measure, title in MEASURES.items()}
        groups[title] = {
            name: (row["estimate"], row["low"], row["high"])
            for name, row in rows.items()
            if row and row["estimate"] == row["estimate"]
        }
    return forest(
        {title: group for title, group in groups.items() if group}, "Pearson r with the relative EMT reduction"
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
        "corrected for the number of measures, partial r holds the log corpus share fixed, and correlation does not "
        "imply a cause.",
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


def _equals(value: float) -> Text:
    text = p_value(value)
    return text if str(text).startswith("<") else say("= ", text)
