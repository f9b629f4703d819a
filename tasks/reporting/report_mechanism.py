"""Composes the report's chapter on the mechanism: probe, vectors, activations, doses and the share explained."""

from collections.abc import Sequence
from typing import Any

from tasks.reporting import mechanism_figures as draw
from tasks.reporting import mechanism_tables as tables
from tasks.reporting import mechanism_verdicts as verdicts
from tasks.reporting.figures import Curve, Pair
from tasks.reporting.mechanism_tables import MEAN, SETS, SOURCES, UNCHANGED
from tasks.reporting.mechanism_verdicts import Row
from tasks.reporting.report_blocks import Gallery, Section, table_block
from tasks.reporting.report_rows import OTHERS, by_language
from tasks.reporting.report_study import Study
from tasks.reporting.report_tables import label
from tasks.reporting.sourced import Sheet
from tasks.reporting.wording import Text, cite, join, name_of

Part = tuple[list[str | Text], list[dict[str, Any]]]

PROBE_LANGUAGE = "en"  # prepare_labelled has texts to train on in no other
DOSED = {
    SOURCES: "sources",
    "random": "random neurons",
    "matched": "matched neurons",
    "direction": "a random direction",
}


def mechanism(study: Study, gallery: Gallery, show_text: bool) -> Section:
    """What in the base model promotes toxicity, in which languages, and whether tuning acts there."""
    parts = [
        _probe(study, gallery),
        _vectors(study, gallery, show_text),
        _activations(study, gallery),
        _doses(study, gallery),
        _explained(study, gallery),
    ]
    sentences = [sentence for part, _ in parts for sentence in part]
    blocks = [block for _, part in parts for block in part]
    return Section("mechanism", "Mechanism", sentences, blocks)


def _probe(study: Study, gallery: Gallery) -> Part:
    rows = by_language(study.probe)
    caption = (
        "AUROC of the linear probe of toxicity per language with its interval over texts, the dashed line at chance; "
        "it shows what can be read from the base model, not what the model uses."
    )
    found = {label(name): (row["auroc"], row["auroc_low"], row["auroc_high"]) for name, row in rows.items()}
    figure = draw.levels(found, "AUROC", verdicts.CHANCE)
    sentence = verdicts.probe_verdict(PROBE_LANGUAGE, rows)
    return [sentence], [gallery.block({"probe": (figure, caption)}), table_block(tables.probe_table(rows))]


def _vectors(study: Study, gallery: Gallery, show_text: bool) -> Part:
    rows = study.neurons.rows()
    names = {tables.neuron_name(row): row for row in rows}
    chance = {name: (row["languages_by_chance"], row["chance_low"], row["chance_high"]) for name, row in names.items()}
    caption = (
        "Effective number of languages among the top tokens of each candidate, nearest to the probe on top, on the "
        "interval of as many drawn tokens; none where no token’s language is known. It shows what a vector promotes "
        "at the output, not when."
    )
    figure = draw.beside_chance(
        {name: row["languages"] for name, row in names.items()},
        chance,
        [name for name, row in names.items() if row["actual"]],
    )
    source = str(study.params["find_toxic_neurons"]["source"])
    sentence = verdicts.sources_verdict(source, rows, 1 - study.mechanism_confidence)
    shown = tables.tokens_table(study.neurons, study.tokens, show_text)
    blocks = [table_block(tables.sources_table(study.neurons)), table_block(shown, "words")]
    return [sentence], [gallery.block({"vectors": (figure, caption)}), *blocks]


def _activations(study: Study, gallery: Gallery) -> Part:
    def rows(decoding: str, measure: str) -> dict[str, Row]:
        return dict(by_language(study.activations.where(decoding=decoding, measure=measure)))

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
        f"over prompts and black ticks the single {study.replicates}; an activation may be negative, and its fall is "
        "no proof that it lowers toxicity."
    )
    figure = draw.signed_before_after(pairs, "mean activation of the sources")
    sentences: list[str | Text] = [
        verdicts.activation_verdict("The mean activation of the sources", place, sampled[where])
    ]
    if study.source in sampled and where == OTHERS:
        own = verdicts.activation_verdict(
            "The mean activation of the sources", f"in {name_of(study.source)}", sampled[study.source]
        )
        sentences.append(own)
    for what, decoding, measure in (
        ("With greedy decoding it", "greedy", "activation"),
        ("The mean product of residual and key", "sampled", "key_product"),
    ):
        found = rows(decoding, measure)
        if where in found:
            sentences.append(verdicts.activation_verdict(what, place, found[where]))
    table = tables.activation_table({name: sampled[name] for name in order})
    return [join(" ", sentences)], [gallery.block({"activations": (figure, caption)}), table_block(table)]


def _doses(study: Study, gallery: Gallery) -> Part:
    means = study.doses.where(language=MEAN)
    rows = {(row["neurons"], row["dose"]): row for row in means.rows()}
    before = next(row for (name, _), row in rows.items() if name == UNCHANGED)
    sets = [name for name in DOSED if any(name == given for given, _ in rows)]
    caption = (
        "Mean toxicity over languages with intervals over prompts and draws, and perplexity under the base model, "
        "against the dose added to the activations of the sources and of controls, or along a direction; toxicity "
        "that falls while perplexity rises may be broken text, and a dose is no size that tuning gives."
    )
    figure = draw.dose_response(
        [_curve(means, name, before, "toxicity") for name in sets],
        [_curve(means, name, before, "perplexity") for name in sets],
    )
    doses = [dose for name, dose in rows if name == SOURCES]
    lowest = min(doses, key=float)
    controls = {DOSED[name]: rows[name, lowest] for name in sets if name != SOURCES and (name, lowest) in rows}
    shown = cite(lowest.replace("-", "−"), means.path)
    sentence = verdicts.dose_verdict(shown, before, rows[SOURCES, lowest], controls)
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


def _explained(study: Study, gallery: Gallery) -> Part:
    sentences: list[str | Text] = []
    blocks: list[dict[str, Any]] = []
    for policy in study.explained.frame["policy"].unique():
        ways = {way: tables.explained_rows(study.explained, policy, way) for way in ("restore", "impose")}
        unchanged = {
            way: study.explained.where(policy=policy, way=way, neurons=UNCHANGED, language=MEAN).rows()[0]
            for way in ways
        }
        base, tuned = unchanged["impose"], unchanged["restore"]
        for way in ("restore", "impose"):
            rows = ways[way]
            total = rows[tables.ALL]["count"]
            sentences.append(
                verdicts.explained_verdict(
                    "restore" if way == "restore" else "impose",
                    policy, base, tuned, rows[SOURCES], rows["random"], total,
                )
            )  # fmt: skip
        sentences.append(verdicts.ceiling_verdict(policy, {way: rows[tables.ALL] for way, rows in ways.items()}))
        caption = (
            f"Share of the drop in mean toxicity ({policy}) with intervals over prompts and draws, at the solid line "
            "nothing and at the dashed one all of it; a line that meets the frame goes on. It shows what activations "
            "carry on these prompts, not what training changed."
        )
        figure = draw.shares(
            {
                way: {
                    SETS.get(name, name): (row["share"], row["share_low"], row["share_high"])
                    for name, row in rows.items()
                }
                for way, rows in ways.items()
            }
        )
        blocks += [
            gallery.block({f"explained-{policy}": (figure, caption)}),
            table_block(tables.sets_table(ways["restore"], ways["impose"])),
            table_block(tables.languages_table(study.explained, policy, _languages(study.explained, policy))),
        ]
    return sentences, blocks


def _languages(explained: Sheet, policy: str) -> list[str]:
    return sorted(set(explained.where(policy=policy).frame["language"]) - {MEAN})
