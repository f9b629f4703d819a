"""Says in sentences what the mechanism's numbers show, and where they show nothing.

Rows are what metrics/measure_mechanism has; an interval is a row's NAME_low and NAME_high.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tasks.reporting.sourced import derived
from tasks.reporting.wording import (
    Text,
    bracket,
    count,
    listing,
    name_of,
    number,
    percent,
    say,
    signed,
    signed_percent,
)

CHANCE = 0.5  # AUROC of a score that tells nothing
Way = Literal["restore", "impose"]
Row = Mapping[str, Any]


def percent_bracket(low: float, high: float) -> Text:
    """An interval of a share."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return say("[undefined]")
    return say("[", signed_percent(low), ", ", signed_percent(high), "]")


def probe_verdict(trained_on: str, rows: Mapping[str, Row]) -> Text:
    """In which languages the probe tells toxic from other texts, and in which its threshold holds."""
    lows, accuracies = [row["auroc_low"] for row in rows.values()], [row["accuracy"] for row in rows.values()]
    above = [language for language, row in rows.items() if row["auroc_low"] > CHANCE]
    better = [language for language, row in rows.items() if row["accuracy"] > row["majority"]]
    total = count(derived(len(rows), *lows))
    sentence = say(
        f"Learned from {name_of(trained_on)} alone, the probe orders texts by toxicity better than chance in ",
        count(derived(len(above), *lows)),
        " of ",
        total,
        " languages",
    )
    rest = [name_of(language) for language in rows if language not in above]
    if above and rest:
        sentence = say(sentence, "; not shown in ", listing(rest))
    return say(
        sentence,
        f". At the threshold learned in {name_of(trained_on)}, its accuracy exceeds that of always naming the larger "
        "class in ",
        count(derived(len(better), *accuracies)),
        " of ",
        total,
        ".",
    )


def sources_verdict(source: str, neurons: Sequence[Row], alpha: float) -> Text:
    """How many candidates are active, and whether their tokens belong to fewer languages than chance gives."""
    actual = [row for row in neurons if row["actual"]]

    def below(rows: Sequence[Row], name: str) -> Text:
        return count(derived(sum(row[name] < alpha for row in rows), *[row["cosine"] for row in rows]))

    def size(rows: Sequence[Row]) -> Text:
        return count(derived(len(rows), *[row["cosine"] for row in rows]))

    return say(
        size(actual),
        " of ",
        size(neurons),
        f" candidates, the value vectors nearest to the probe, are active on {name_of(source)} prompts and count as "
        "sources. The top tokens of ",
        below(actual, "p_fewer"),
        " sources, and of ",
        below(neurons, "p_fewer"),
        " candidates, belong to fewer languages than as many drawn tokens do, those of ",
        below(actual, "p_more"),
        " and ",
        below(neurons, "p_more"),
        f" to more (α = {alpha:.2g}, not corrected for the number of vectors).",
    )


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
        ", the lowest, on the sources, mean toxicity goes from ",
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
        sentence = say(sentence, f" Less the change under {name}: ", less, f", {told}.")
    return sentence


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
        return say(f"Mean toxicity does not drop here ({policy}), going from ", course, ": no drop is to be explained.")
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
        f"Exchanging all neurons ({policy}), the most that this can reach, undoes ",
        _share(restore),
        " of the drop when restored and brings about ",
        _share(impose),
        " when imposed.",
    )
    if restore["share_low"] > 0:
        return sentence
    return say(
        sentence,
        " Restoring all does not measurably undo the drop, so that little can be learned from restoring some.",
    )


def _share(row: Row) -> Text:
    return say(percent(row["share"]), " ", percent_bracket(row["share_low"], row["share_high"]))
