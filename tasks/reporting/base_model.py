"""The chapter on how well the base model knows each language."""

import math
from collections.abc import Mapping, Sequence

from tasks.reporting.charts import PURPLE, SOFT, Chart, Pair
from tasks.reporting.page import Gallery, Section, Table, table_block
from tasks.reporting.row_charts import before_after
from tasks.reporting.sourced import Record, derived
from tasks.reporting.study import Study
from tasks.reporting.wording import Text, label, name_of, number, percent, say, signed


def chapter(study: Study, gallery: Gallery) -> Section:
    """How well the base model learned each language."""
    rows = study.learning.rows()
    learning = sorted((row for row in rows if math.isfinite(excess(row))), key=excess)
    if not learning:
        nothing = "How well the base model knows each language was not measured: its pretraining data is not available."
        shares = sorted((row for row in rows if math.isfinite(row["corpus_share"])), key=_share, reverse=True)
        known = [table_block(share_table(shares))] if shares else []
        return Section("base-model", "The base model", [nothing], known)
    caption = (
        "Validation loss of the base model against the entropy of the process that made its corpus, sorted by the "
        "gap, which is what the model did not learn; losses do not compare languages, since their tokens differ."
    )
    figure = gallery.block({"learning": (learning_figure(learning), caption)})
    sentence = learning_verdict({row["language"]: excess(row) for row in learning})
    return Section("base-model", "The base model", [sentence], [figure, table_block(learning_table(learning))])


def learning_verdict(excess: Mapping[str, float]) -> Text:
    """How far the base model stays above the entropy of the world it was pretrained on, in nats per token."""
    worst = max(excess, key=lambda language: excess[language])
    best = min(excess, key=lambda language: excess[language])
    return say(
        "The base model’s loss exceeds the entropy floor by ",
        number(excess[best], 2),
        f" ({name_of(best)}) to ",
        number(excess[worst], 2),
        f" ({name_of(worst)}) nats per token.",
    )


def learning_figure(learning: Sequence[Record]) -> Chart:
    """The base model's loss against the entropy floor, each language in the order given."""
    rows = [Pair(label(row["language"]), row["entropy_per_token"], row["loss_per_token"]) for row in learning]
    return before_after(rows, "nats per token", names=("floor", "loss"), colours=(SOFT, PURPLE))


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
        "Share of each language in the base model’s pretraining corpus, as given in prepare_model.corpus_share; "
        "other languages may be in it, too.",
        ["", "share of corpus"],
        rows,
    )


def excess(row: Record) -> float:
    """Loss above the entropy floor, nats per token."""
    loss, floor = row["loss_per_token"], row["entropy_per_token"]
    return derived(loss - floor, loss, floor)


def _share(row: Record) -> float:
    return float(row["corpus_share"])
