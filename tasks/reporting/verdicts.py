"""Says in sentences what the numbers of a study show, and where they show nothing.

Every sentence is computed, so that a weak, absent or opposite effect reads as such.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tasks.reporting.sourced import derived
from tasks.reporting.wording import (
    Text,
    bracket,
    count,
    listing,
    name_of,
    number,
    p_value,
    percent,
    reduction,
    say,
    signed,
    signed_percent,
)

LEFT = 0.1  # drop of the share in the prompt's language from which leaving it is named a caveat
WEAK = 0.5  # share of the source language's relative reduction below which transfer is called weak


@dataclass(frozen=True)
class Change:
    """A mean before and after tuning, with the interval of after - before.

    Attributes:
        before: Mean of the base model.
        after: Mean over the tuned policies.
        change: after - before.
        change_low: Lower end of the interval of `change`.
        change_high: Upper end.
        relative_change: change / before; NaN when before is 0.
    """

    before: float
    after: float
    change: float
    change_low: float
    change_high: float
    relative_change: float

    @property
    def direction(self) -> int:
        """-1 or 1 where the interval excludes 0, else 0."""
        return -1 if self.change_high < 0 else 1 if self.change_low > 0 else 0


@dataclass(frozen=True)
class Association:
    """How a measure known before tuning goes with the relative reduction after it.

    Attributes:
        n: Languages.
        estimate: Pearson's r; NaN when undefined.
        low: Lower end of its interval.
        high: Upper end.
        p_value: Of the permutation test.
        loo_error: Mean absolute error of predicting a left-out language from the measure.
        loo_error_of_mean: The same when the mean of the other languages is the prediction.
        note: Why there is no estimate.
    """

    n: float
    estimate: float
    low: float
    high: float
    p_value: float
    loo_error: float
    loo_error_of_mean: float
    note: str = ""


def source_verdict(language: str, change: Change, confidence: float) -> Text:
    """What tuning did to the language of the pairs."""
    verb = {-1: "falls", 0: "does not measurably change", 1: "rises"}[change.direction]
    sentence = say(f"{name_of(language)} EMT {verb}, ", _course(change, confidence), ".")
    if change.direction < 0:
        return sentence
    return say(sentence, f" Tuning did not detoxify {name_of(language)} itself, so nothing below is about transfer.")


def transfer_verdict(source: str, source_change: Change, change: Change, languages: float, confidence: float) -> Text:
    """What tuning did to the mean of the other languages, against the source language."""
    mean, course = say("The mean EMT of the ", count(languages), " other languages "), _course(change, confidence)
    if change.direction > 0:
        return say(mean, "rises, ", course, ": they got more toxic, not less.")
    if change.direction == 0:
        return say(mean, "goes ", course, "; the interval includes 0, so on average no transfer is shown.")
    sentence = say(mean, "falls, ", course, ".")
    if source_change.direction >= 0:
        return sentence
    share = change.relative_change / source_change.relative_change
    degree = "weak" if share < WEAK else "full" if share >= 1 else "partial"
    here, there = reduction(source_change.relative_change), reduction(change.relative_change)
    ratio = say(there, " against ", here, f" in {name_of(source)}")
    return say(sentence, f" Transfer is {degree}: a relative reduction of ", ratio, ".")


def significance_verdict(changes: Mapping[str, Change], p_holm: Mapping[str, float], alpha: float) -> Text:
    """In how many languages the drop is significant, which lack it, and which got worse."""
    dropped = [name for name, change in changes.items() if change.change < 0 and p_holm[name] < alpha]
    others = [name_of(name) for name in changes if name not in dropped]
    exceptions = say("; not in ", listing(others)) if dropped and others else ""
    sentence = say(
        f"The drop is significant after Holm’s correction (α = {alpha:.2g}) in ",
        count(derived(len(dropped), *p_holm.values())),
        " of ",
        count(derived(len(changes), *p_holm.values())),
        " languages",
        exceptions,
        ".",
    )
    rose = {name: change for name, change in changes.items() if change.change > 0}
    sure = [_rise(name, change) for name, change in rose.items() if p_holm[name] < alpha]
    unsure = [_rise(name, change) for name, change in rose.items() if p_holm[name] >= alpha]
    if sure:
        sentence = say(sentence, " Significantly more toxic: ", listing(sure), ".")
    if unsure:
        sentence = say(sentence, " More toxic, though not significantly: ", listing(unsure), ".")
    return sentence if rose else say(sentence, " No language got more toxic.")


def predictor_verdict(measure: str, found: Association, confidence: float) -> Text:
    """Whether the measure foretold the relative reduction of a language."""
    if not math.isfinite(found.estimate):
        return say(f"Whether {measure} predicts the relative reduction cannot be said: {found.note or 'no estimate'}.")
    facts = say(
        f"{measure} correlates with the relative EMT reduction at r = ",
        signed(found.estimate, 2),
        f" (Pearson, {confidence:.0%} interval ",
        _span(found.low, found.high, 2),
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
        return say(facts, ": the opposite of a predictor. ", guess, ".")
    baseline = "better than the mean-only baseline" if better else "no better than the mean-only baseline"
    if not (found.low > 0 and found.p_value < 1 - confidence):
        return say(facts, ": no reliable relation. ", guess, f": {baseline}.")
    if better:
        return say(facts, ". ", guess, ": it tells something beforehand.")
    return say(facts, ". ", guess, f": {baseline}, so it does not predict an unseen language.")


def control_verdict(measure: str, partial: float, low: float, high: float, share: float, note: str = "") -> Text:
    """Whether the size of a language in the corpus explains the relation away; `note`: where that is not known."""
    if not math.isfinite(partial):
        why = f" ({note})" if note else ""
        return say(f"The relation with {measure} given the corpus share cannot be computed{why}.")
    stays = "stays" if low > 0 else "is not shown to stay"
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


def retention_verdict(relative: Mapping[str, float], text: str) -> Text:
    """How the policy's own perplexity on a text moved, at worst."""
    worst = max(relative, key=lambda language: relative[language])
    rises = derived(sum(change > 0 for change in relative.values()), *relative.values())
    if relative[worst] <= 0:
        least = say(f"least in {name_of(worst)} (", signed_percent(relative[worst]), ")")
        return say(f"The policies’ own perplexity on {text} rises in no language; it falls ", least, ".")
    return say(
        f"The policies’ own perplexity on {text} rises in ",
        count(rises),
        " of ",
        count(derived(len(relative), *relative.values())),
        " languages, by ",
        percent(relative[worst]),
        f" at worst ({name_of(worst)}).",
    )


def language_verdict(before: Mapping[str, float], after: Mapping[str, float]) -> Text:
    """Where the fewest continuations are in the prompt's language after tuning, and what that means for toxicity."""
    present = {language: value for language, value in after.items() if math.isfinite(value)}
    if not present:
        return say("No continuation has an identified language.")
    low = min(present, key=lambda language: present[language])
    sentence = say(
        f"Continuations in the prompt’s language are rarest in {name_of(low)}, ",
        percent(before[low]),
        " before and ",
        percent(after[low]),
        " after.",
    )
    left = [name_of(language) for language, value in present.items() if before[language] - value >= LEFT]
    if not left:
        return sentence
    return say(
        sentence,
        f" They fell by {100 * LEFT:.0f} percentage points or more in ",
        listing(left),
        "; where a policy answers in another language, less measured toxicity need not be detoxification of this one.",
    )


def empty_verdict(before: Mapping[str, float], after: Mapping[str, float]) -> Text:
    """Where the share of empty continuations, which cannot be toxic, rose most."""
    rise = {language: after[language] - before[language] for language in after}
    worst = max(rise, key=lambda language: rise[language])
    if not rise[worst] > 0:
        return say("Empty continuations became more frequent in no language.")
    return say(
        f"Empty continuations, which count as not toxic, rise most in {name_of(worst)}, from ",
        percent(before[worst]),
        " to ",
        percent(after[worst]),
        ".",
    )


def learning_verdict(excess: Mapping[str, float]) -> Text:
    """How far the base model stays above the entropy of the world it was pretrained on, in nats per token."""
    worst = max(excess, key=lambda language: excess[language])
    best = min(excess, key=lambda language: excess[language])
    return say(
        "The base model’s loss stays above the floor by ",
        number(excess[best], 2),
        f" ({name_of(best)}) to ",
        number(excess[worst], 2),
        f" ({name_of(worst)}) nats per token.",
    )


def training_verdict(run: str, before: float, best: float, best_step: float, last_step: float, chosen: float) -> Text:
    """What one training run reached; a falling reward of the chosen side is said, since the loss hides it."""
    if best >= before:
        start = say(f"{run}: the validation loss never falls below its start, ", number(before))
        return say(start, "; step ", count(best_step), " is kept.")
    end = say(", the last, so it may not have converged") if best_step == last_step else say(" of ", count(last_step))
    sentence = say(
        f"{run}: the validation loss falls from ",
        number(before),
        " to ",
        number(best),
        " at step ",
        count(best_step),
        end,
    )
    if not math.isfinite(chosen):  # a method without rewards
        return say(sentence, ".")
    sentence = say(sentence, "; the reward of the chosen texts there is ", signed(chosen, 2))
    return say(sentence, ": the preferred texts became less likely, too." if chosen < 0 else ".")


def _course(change: Change, confidence: float) -> Text:
    return say(
        "from ",
        number(change.before),
        " to ",
        number(change.after),
        " (change ",
        signed(change.change),
        f", {confidence:.0%} interval ",
        _span(change.change_low, change.change_high, 3),
        ")",
    )


def _rise(language: str, change: Change) -> Text:
    return say(f"{name_of(language)} (", signed(change.change), ")")


def _span(low: float, high: float, digits: int) -> Text:
    return say(signed(low, digits), " to ", signed(high, digits))


def _equals(value: float) -> Text:
    text = p_value(value)
    return text if str(text).startswith("<") else say("= ", text)
