"""The chapter on retrieval by layer of the base model."""

from collections.abc import Mapping, Sequence

from tasks.reporting.charts import Chart, Curve
from tasks.reporting.page import Gallery, Section, Table, table_block
from tasks.reporting.rows import by_language, column
from tasks.reporting.sourced import Sheet
from tasks.reporting.study import Study
from tasks.reporting.wording import Text, count, label, name_of, number, percent
from tasks.reporting.xy_charts import small_multiples


def chapter(study: Study, gallery: Gallery) -> Section:
    """Retrieval by layer of the base model."""
    accuracy = by_language(study.retrieval.where(measure="p_at_1"))
    best = column(accuracy, "best")
    order = sorted(best, key=lambda language: (-best[language], language))
    asked = study.params["prepare_parallel"]
    candidates = asked.get("sentences") or asked.get("limit")
    chance = 1 / candidates if candidates else None
    caption = (
        f"P@1, mean of both directions with {name_of(study.source)}, by layer of the base model (0: the embeddings) "
        "with intervals over sentences, the dot at the layer that is best for the other "
        f"languages{', the dashed line at chance' if chance else ''}; it does not show what a layer is used for."
    )
    figure = layer_figure(study.layers, column(accuracy, "best_layer"), order, chance)
    blocks = [gallery.block({"layers": (figure, caption)}), table_block(retrieval_table(study.retrieval, order))]
    return Section("layers", "Retrieval by layer", [], blocks)


def layer_figure(layers: Sheet, best_layer: Mapping[str, float], order: Sequence[str], chance: float | None) -> Chart:
    """P@1 by layer, a panel per language."""
    curves = []
    for language in order:
        rows = layers.where(measure="p_at_1", language=language).frame.sort_values("layer")
        x, y, low, high = (rows[name].tolist() for name in ("layer", "value", "low", "high"))
        curves.append(Curve(label(language), x, y, low, high, marked=best_layer[language]))
    return small_multiples(curves, "layer", "P@1", chance)


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
