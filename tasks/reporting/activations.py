"""Activations of the sources before and after tuning, and what a dose of them does."""

from collections.abc import Mapping, Sequence

from tasks.reporting.charts import Curve, Pair
from tasks.reporting.page import Gallery, Part, Section, Table, section, table_block
from tasks.reporting.row_charts import signed_before_after
from tasks.reporting.rows import MEAN, OTHERS, SOURCES, UNCHANGED, Row, by_language
from tasks.reporting.sourced import Sheet
from tasks.reporting.study import Study
from tasks.reporting.wording import Text, bracket, cite, join, label, name_of, number, say, signed
from tasks.reporting.xy_charts import dose_response

DOSED = {
    SOURCES: "sources",
    "random": "random neurons",
    "matched": "matched neurons",
    "direction": "a random direction",
}


def chapter(study: Study, gallery: Gallery) -> Section:
    """Whether the sources are less active after tuning, and what shifting their activations does."""
    parts = [_activations(study, gallery), _doses(study, gallery)]
    return section("activations", "Activations of the sources", parts)


def _activations(study: Study, gallery: Gallery) -> Part:
    """Whether the sources are less active after tuning."""

    def rows(decoding: str, measure: str) -> dict[str, Row]:
        return dict(by_language(study.mechanism.activations.where(decoding=decoding, measure=measure)))

    sampled = rows("sampled", "activation")
    order = [*sorted(sampled.keys() - {OTHERS}), *([OTHERS] if OTHERS in sampled else [])]
    where = OTHERS if OTHERS in sampled else order[0]
    place = "over the other languages" if where == OTHERS else f"in {name_of(where)}"
    pairs = [
        Pair(
            "mean of the others" if name == OTHERS else label(name),
            row["before"],
            row["after"],
            (row["before_low"], row["before_high"]),
            (row["after_low"], row["after_high"]),
            tuple(float(value) for value in str(row["after_by_seed"]).split()),
        )
        for name, row in ((name, sampled[name]) for name in order)
    ]
    caption = (
        "Mean activation of the sources per language before and after tuning, sampled continuations, with intervals "
        f"over prompts and black ticks for the single {study.replicates}; activations may be negative, and a fall "
        f"does not prove that toxicity falls with it."
    )
    figure = signed_before_after(pairs, "mean activation of the sources")
    sentences: list[str | Text] = [activation_verdict("The mean activation of the sources", place, sampled[where])]
    if study.source in sampled and where == OTHERS:
        own = activation_verdict(
            "The mean activation of the sources", f"in {name_of(study.source)}", sampled[study.source]
        )
        sentences.append(own)
    for what, decoding, measure in (
        ("Under greedy decoding, their mean activation", "greedy", "activation"),
        ("The mean product of residual and key", "sampled", "key_product"),
    ):
        found = rows(decoding, measure)
        if where in found:
            sentences.append(activation_verdict(what, place, found[where]))
    table = activation_table({name: sampled[name] for name in order})
    return [join(" ", sentences)], [gallery.block({"activations": (figure, caption)}), table_block(table)]


def _doses(study: Study, gallery: Gallery) -> Part:
    """What toxicity and perplexity do when the sources' activations are shifted."""
    means = study.mechanism.doses.where(language=MEAN)
    rows = {(row["neurons"], row["dose"]): row for row in means.rows()}
    before = next(row for (name, _), row in rows.items() if name == UNCHANGED)
    sets = [name for name in DOSED if any(name == given for given, _ in rows)]
    caption = (
        "Mean toxicity over languages with intervals over prompts and draws, and perplexity under the base model, "
        "against the dose added to the activations of the sources and of controls, or along a direction; toxicity "
        "that falls while perplexity rises may be broken text, and tuning need not shift activations by as much."
    )
    figure = dose_response(
        [_curve(means, name, before, "toxicity") for name in sets],
        [_curve(means, name, before, "perplexity") for name in sets],
    )
    doses = [dose for name, dose in rows if name == SOURCES]
    lowest = min(doses, key=float)
    controls = {DOSED[name]: rows[name, lowest] for name in sets if name != SOURCES and (name, lowest) in rows}
    shown = cite(lowest.replace("-", "−"), means.path)
    sentence = dose_verdict(shown, before, rows[SOURCES, lowest], controls)
    return [sentence], [gallery.block({"doses": (figure, caption)})]


def _curve(means: Sheet, name: str, before: Row, value: str) -> Curve:
    """One set's values over the dose, at 0 those without any change."""
    points = [(float(row["dose"]), row) for row in means.where(neurons=name).rows()]
    chosen: Sequence[tuple[float, Row]] = sorted([*points, (0.0, before)], key=lambda point: point[0])
    x, y = [dose for dose, _ in chosen], [row[value] for _, row in chosen]
    if value == "perplexity":
        return Curve(DOSED[name], x, y)
    low, high = ([row[f"{value}_{end}"] for _, row in chosen] for end in ("low", "high"))
    return Curve(DOSED[name], x, y, low, high)


def activation_verdict(what: str, where: str, row: Row) -> Text:
    """Whether a mean over tokens of the sources fell."""
    low, high = row["change_low"], row["change_high"]
    if high < 0:
        verb = "falls"
    elif low > 0:
        verb = "rises"
    else:
        verb = "does not measurably change"
    return say(
        f"{what} {where} {verb}, from ",
        number(row["before"]),
        " to ",
        number(row["after"]),
        " (change ",
        signed(row["change"]),
        " ",
        bracket(low, high),
        ").",
    )


def dose_verdict(dose: Text, before: Row, sources: Row, controls: Mapping[str, Row]) -> Text:
    """What the lowest dose of the sources does to toxicity, and whether beyond each control.

    Args:
        dose: As it is to be read.
        before: Without any change.
        sources: Under the dose.
        controls: Under the same dose, by what they are called, each with the sources' value less its own.
    """
    sentence = say(
        "At dose ",
        dose,
        ", the lowest, applied to the sources, mean toxicity goes from ",
        number(before["toxicity"]),
        " to ",
        number(sources["toxicity"]),
        " (change ",
        signed(sources["change"]),
        " ",
        bracket(sources["change_low"], sources["change_high"]),
        "), perplexity from ",
        number(before["perplexity"], 2),
        " to ",
        number(sources["perplexity"], 2),
        ".",
    )
    for name, row in controls.items():
        low, high = row["sources_less_control_low"], row["sources_less_control_high"]
        if high < 0:
            told = "beyond this control"
        elif low > 0:
            told = "the other way: the control lowers toxicity more"
        else:
            told = "not beyond this control, since the interval includes 0"
        less = say(signed(row["sources_less_control"]), " ", bracket(low, high))
        sentence = say(sentence, f" Minus the change under {name}: ", less, f", {told}.")
    return sentence


def activation_table(rows: Mapping[str, Row]) -> Table:
    """Mean activation of the sources before and after, per language and over the others."""
    cells: list[list[str | Text]] = []
    for language, row in rows.items():
        name = "mean of the others" if language == "others" else label(language)
        cells.append([name, number(row["before"]), number(row["after"]), _with_bracket(row, "change")])
    return Table(
        "Mean activation of the sources over the tokens of sampled continuations, before and after tuning, and its "
        "change with the interval over prompts; it does not say what the activation causes.",
        ["", "before", "after", "change"],
        cells,
        apart=1 if "others" in rows else 0,
    )


def _with_bracket(row: Row, name: str) -> Text:
    return say(signed(row[name]), " ", bracket(row[f"{name}_low"], row[f"{name}_high"]))
