"""Says in sentences how a study stands beside the published one."""

import math

from tasks.reporting.compare_tables import relative
from tasks.reporting.published import MODELS, Published
from tasks.reporting.sourced import Record, derived
from tasks.reporting.wording import Text, bracket, count, say, signed, signed_percent

PAPER = "Li, Yong & Bach 2024"


def match_verdict(model: Published, emt: tuple[float, float]) -> Text:
    """The relative change of EMT of one base model, there and here."""
    return say(
        f"The base model is {model.name} of {PAPER}. EMT changes by ",
        signed_percent(relative(*emt)),
        " here and by ",
        signed_percent(model.relative_change("emt")),
        " there.",
    )


def direction_verdict(emt: tuple[float, float]) -> Text:
    """The direction of the change of EMT here and in the published models."""
    changes = sorted(model.relative_change("emt") for model in MODELS)
    here = relative(*emt)
    told = "falls, too" if here < 0 else "rises" if here > 0 else "stays"
    return say(
        f"The base model is none of the six of {PAPER}, so levels are not comparable and only directions are: there "
        "mean EMT falls in ",
        count(derived(sum(change < 0 for change in changes), *changes)),
        " of ",
        count(derived(len(changes), *changes)),
        " models, by ",
        signed_percent(changes[0]),
        " to ",
        signed_percent(changes[-1]),
        f"; here it {told} (",
        signed_percent(here),
        ").",
    )


def correlation_verdict(model: Published | None, own: Record | None, confidence: float) -> Text:
    """The paper's quantity, by its sign, there and here.

    Args:
        model: The paper's row of the same base model, if it has one.
        own: Pearson's r of the mean cosine averaged over layers here, a row of the predictors.
        confidence: Level of its interval.
    """
    known = sorted(other.pearson for other in MODELS if other.pearson is not None)
    same = None if model is None else model.pearson
    if model is not None and same is not None:
        there = say("r = ", signed(same, 2), f" for {model.name}")
    else:
        there = say("r from ", signed(known[0], 2), " to ", signed(known[-1], 2), " in four models")
    sentence = say("The mean cosine of true pairs averaged over layers, which the paper calls accuracy, has ", there)
    if own is None or not math.isfinite(own["estimate"]):
        return say(sentence, " there; here it has no estimate.")
    agrees = "the same sign" if own["low"] > 0 else "the opposite sign" if own["high"] < 0 else "no sure sign"
    interval = bracket(own["low"], own["high"], 2)
    return say(
        sentence,
        " there; here r = ",
        signed(own["estimate"], 2),
        f" ({confidence:.0%} interval ",
        interval,
        f"), {agrees}.",
    )
