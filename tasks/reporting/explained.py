"""The share of the drop in toxicity that sets of neurons carry."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tasks.reporting.page import Gallery, Section, Table, table_block
from tasks.reporting.row_charts import shares
from tasks.reporting.rows import ALL, MEAN, SOURCES, UNCHANGED, Row
from tasks.reporting.sourced import Sheet
from tasks.reporting.study import Study
from tasks.reporting.wording import MISSING, Text, count, label, number, percent, say, signed_percent

GROUPS, GROUPS_CONTROL = "four groups", "random for four groups"
SETS = {  # what the page calls a set of neurons, in the order of the page
    SOURCES: "sources",
    "random": "random, as many as sources",
    "matched": "matched in norm and activation",
    "TP-": "TP−",
    "TN+": "TN+",
    "AP+": "AP+",
    "AN-": "AN−",
    GROUPS: "the four groups",
    GROUPS_CONTROL: "random, as many as these",
    ALL: ALL,
}


Way = Literal["restore", "impose"]


def chapter(study: Study, gallery: Gallery) -> Section:
    """How much of each policy's drop goes with the activations of each set of neurons."""
    found = study.mechanism.explained
    sentences: list[str | Text] = []
    blocks: list[dict[str, Any]] = []
    for policy in found.frame["policy"].unique():
        ways = {way: explained_rows(found, policy, way) for way in ("restore", "impose")}
        unchanged = {
            way: found.where(policy=policy, way=way, neurons=UNCHANGED, language=MEAN).rows()[0] for way in ways
        }
        base, tuned = unchanged["impose"], unchanged["restore"]
        for way in ("restore", "impose"):
            rows = ways[way]
            total = rows[ALL]["count"]
            sentences.append(
                explained_verdict(
                    "restore" if way == "restore" else "impose",
                    policy, base, tuned, rows[SOURCES], rows["random"], total,
                )
            )  # fmt: skip
        sentences.append(ceiling_verdict(policy, {way: rows[ALL] for way, rows in ways.items()}))
        caption = (
            f"Share of the drop in mean toxicity ({policy}) with intervals over prompts and draws, at the solid line "
            "nothing and at the dashed one all of it; a line that meets the frame goes on. It shows what activations "
            "carry on these prompts, not what training changed."
        )
        figure = shares(
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
            table_block(sets_table(ways["restore"], ways["impose"])),
            table_block(languages_table(found, policy, _languages(study.mechanism.explained, policy))),
        ]
    return Section("explained", "How much of the drop the sources carry", sentences, blocks)


def _languages(explained: Sheet, policy: str) -> list[str]:
    return sorted(set(explained.where(policy=policy).frame["language"]) - {MEAN})


def explained_verdict(
    way: Way, policy: str, base: Row, tuned: Row, sources: Row, control: Row, all_neurons: float
) -> Text:
    """What share of the drop the sources carry, and whether more than as many random neurons.

    Args:
        way: restore gives the tuned model the base model's activations, impose the reverse.
        policy: Name of the tuned model.
        base: The base model, unchanged.
        tuned: The tuned model, unchanged.
        sources: Under the exchange of the sources, with its difference to the control.
        control: Under that of as many random neurons.
        all_neurons: How many there are.
    """
    course = say(number(base["toxicity"]), " to ", number(tuned["toxicity"]))
    if not tuned["toxicity"] < base["toxicity"]:
        return say(f"Mean toxicity does not drop here ({policy}), going from ", course, ": no drop to explain.")
    if way == "restore":
        start, verb, drop = "Restoring ", "undoes ", "the drop"
    else:
        start, verb, drop = "Imposing the tuned activations of ", "brings about ", "the drop"
    sentence = say(
        start,
        count(sources["count"]),
        " of ",
        count(all_neurons),
        f" neurons {verb}",
        _share(sources),
        f" of {drop} in mean toxicity ({policy}), ",
        course,
        "; as many random ones ",
        _share(control),
    )
    value, low, high = (sources[name] for name in ("less_control", "less_control_low", "less_control_high"))
    if not (math.isfinite(low) and math.isfinite(high)):
        return say(
            sentence,
            "; whether the difference, ",
            signed_percent(value),
            ", is beyond chance cannot be said, since some bootstrap samples have no drop.",
        )
    difference = say("; the difference ", signed_percent(value), " ", percent_bracket(low, high))
    if low > 0:
        told = " is beyond chance."
    elif high < 0:
        told = " is beyond chance, and against the sources: random neurons carry more."
    else:
        told = " is not beyond chance."
    return say(sentence, difference, told)


def ceiling_verdict(policy: str, rows: Mapping[str, Row]) -> Text:
    """How much the exchange of every neuron can reach, by way; where that is nothing, a part can show nothing."""
    restore, impose = rows["restore"], rows["impose"]
    sentence = say(
        f"Exchanging all neurons ({policy}), the upper limit of this method, undoes ",
        _share(restore),
        " of the drop when restored and brings about ",
        _share(impose),
        " when imposed.",
    )
    if restore["share_low"] > 0:
        return sentence
    return say(
        sentence,
        " Restoring all does not measurably undo the drop, so restoring some of them can show little.",
    )


def explained_rows(explained: Sheet, policy: str, way: str, language: str = MEAN) -> dict[str, Row]:
    """One policy's shares in one language by set, in the order of the page, then any other set but `unchanged`."""
    rows = {row["neurons"]: row for row in explained.where(policy=policy, way=way, language=language).rows()}
    names = [*SETS, *(name for name in rows if name not in SETS and name != UNCHANGED)]
    return {name: rows[name] for name in names if name in rows}


def sets_table(restore: Mapping[str, Row], impose: Mapping[str, Row]) -> Table:
    """Share of the drop that each set carries, both ways, and its difference to a control where it has one."""
    rows: list[list[str | Text]] = []
    for name, row in restore.items():
        cells: list[str | Text] = [SETS.get(name, name), count(row["count"])]
        for one in (row, impose[name]):
            cells += [_share_cell(one, "share"), _share_cell(one, "less_control"), _share_cell(one, "less_matched")]
            cells += [number(one["perplexity"], 2)]
        rows.append(cells)
    columns = ["share", "less random", "less matched", "perplexity"]
    return Table(
        "Share of the drop in mean toxicity over all languages that goes (restore) or comes (impose) with a set’s "
        "activations, its difference to random neurons, as many, and to matched ones; shares of sets do not add up, "
        "and a set that carries the effect need not have been where tuning wrote it.",
        ["", "neurons", *columns, *columns],
        rows,
        [("", 2), ("restore", 4), ("impose", 4)],
    )


def languages_table(explained: Sheet, policy: str, languages: Sequence[str]) -> Table:
    """Share that the sources carry, beside random neurons, per language."""
    rows: list[list[str | Text]] = []
    for language in [*languages, MEAN]:
        cells: list[str | Text] = ["mean of all" if language == MEAN else label(language)]
        for way in ("restore", "impose"):
            found = explained_rows(explained, policy, way, language)
            sources, control = found[SOURCES], found["random"]
            cells += [percent(sources["share"]), percent(control["share"]), _share_cell(sources, "less_control")]
        rows.append(cells)
    columns = ["sources", "random", "difference"]
    return Table(
        "Share of the change in a language’s mean toxicity, be it a drop or a rise, that the sources and as many "
        "random neurons carry; a dash where nothing changed, and an undefined interval where in some bootstrap samples "
        "nothing did, so that a language alone says little.",
        ["", *columns, *columns],
        rows,
        [("", 1), ("restore", 3), ("impose", 3)],
        apart=1,
    )


def percent_bracket(low: float, high: float) -> Text:
    """An interval of a share."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return say("[undefined]")
    return say("[", signed_percent(low), ", ", signed_percent(high), "]")


def _share(row: Row) -> Text:
    return say(percent(row["share"]), " ", percent_bracket(row["share_low"], row["share_high"]))


def _share_cell(row: Row, name: str) -> Text:
    """A share or a difference of shares with its interval; a dash where the table has none."""
    if not math.isfinite(row[name]):
        return say(MISSING)
    shown = percent if name == "share" else signed_percent
    return say(shown(row[name]), " ", percent_bracket(row[f"{name}_low"], row[f"{name}_high"]))
