"""Says in sentences what the numbers of a study show, and where they show nothing.

Every sentence is computed, so that a weak, absent or opposite effect reads as such.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NAMES = {  # English names of ISO 639-1 codes
    "ar": "Arabic",
    "cs": "Czech",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "hi": "Hindi",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "sv": "Swedish",
    "zh": "Chinese",
}
MISSING = "–"
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

    n: int
    estimate: float
    low: float
    high: float
    p_value: float
    loo_error: float
    loo_error_of_mean: float
    note: str = ""


def name_of(language: str) -> str:
    """English name of an ISO 639-1 code, or the code itself."""
    return NAMES.get(language, language)


def number(value: float, digits: int = 3) -> str:
    """Fixed decimals with a true minus sign; a dash when missing."""
    if not math.isfinite(value):
        return MISSING
    text = f"{value:.{digits}f}"
    return (text[1:] if float(text) == 0 and text[0] == "-" else text).replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """`number` with its sign, none for 0."""
    text = number(value, digits)
    return text if text.startswith("−") or not math.isfinite(value) or float(text) == 0 else f"+{text}"


def percent(value: float, digits: int = 0) -> str:
    """A share as per cent."""
    return number(100 * value, digits) + ("%" if math.isfinite(value) else "")


def signed_percent(value: float, digits: int = 0) -> str:
    """A relative change as per cent with its sign."""
    return signed(100 * value, digits) + ("%" if math.isfinite(value) else "")


def p_value(value: float) -> str:
    """Digits enough to compare it with the usual levels."""
    if not math.isfinite(value):
        return MISSING
    if value < 1e-4:
        return "< 0.0001"
    return f"{value:.4f}" if value < 0.01 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def bracket(low: float, high: float, digits: int = 3) -> str:
    """An interval with the sign of both ends."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return MISSING
    return f"[{signed(low, digits)}, {signed(high, digits)}]"


def listing(items: Sequence[str]) -> str:
    """a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else "none"


def source_verdict(language: str, change: Change, confidence: float) -> str:
    """What tuning did to the language of the pairs."""
    verb = {-1: "falls", 0: "does not measurably change", 1: "rises"}[change.direction]
    sentence = (
        f"{name_of(language)} EMT {verb}, from {number(change.before)} to {number(change.after)} "
        f"({_interval(change, confidence)})."
    )
    if change.direction < 0:
        return sentence
    return sentence + f" Tuning did not detoxify {name_of(language)} itself, so nothing below is about transfer."


def transfer_verdict(source: str, source_change: Change, change: Change, languages: int, confidence: float) -> str:
    """What tuning did to the mean of the other languages, against the source language."""
    means = f"from {number(change.before)} to {number(change.after)} ({_interval(change, confidence)})"
    if change.direction > 0:
        return f"The mean EMT of the {languages} other languages rises, {means}: they got more toxic, not less."
    if change.direction == 0:
        return (
            f"The mean EMT of the {languages} other languages goes {means}; the interval includes 0, so on average "
            "no transfer is shown."
        )
    sentence = f"The mean EMT of the {languages} other languages falls, {means}."
    if source_change.direction >= 0:
        return sentence
    share = change.relative_change / source_change.relative_change
    ratio = f"{percent(-change.relative_change)} against {percent(-source_change.relative_change)} in {name_of(source)}"
    if share < WEAK:
        return f"{sentence} Transfer is weak: a relative reduction of {ratio}."
    return f"{sentence} Transfer is {'full' if share >= 1 else 'partial'}: a relative reduction of {ratio}."


def significance_verdict(changes: Mapping[str, Change], p_holm: Mapping[str, float], alpha: float) -> str:
    """In how many languages the drop is significant, which lack it, and which got worse."""
    dropped = [name for name, change in changes.items() if change.change < 0 and p_holm[name] < alpha]
    others = [name_of(name) for name in changes if name not in dropped]
    share = f"{len(dropped)} of {len(changes)} languages"
    sentence = f"The drop is significant after Holm’s correction (α = {alpha:.2g}) in {share}"
    sentence += f"; not in {listing(others)}." if dropped and others else "."
    rose = {name: change for name, change in changes.items() if change.change > 0}
    sure = [f"{name_of(name)} ({signed(c.change)})" for name, c in rose.items() if p_holm[name] < alpha]
    unsure = [f"{name_of(name)} ({signed(c.change)})" for name, c in rose.items() if p_holm[name] >= alpha]
    if sure:
        sentence += f" Significantly more toxic: {listing(sure)}."
    if unsure:
        sentence += f" More toxic, though not significantly: {listing(unsure)}."
    return sentence if rose else sentence + " No language got more toxic."


def predictor_verdict(measure: str, found: Association, confidence: float) -> str:
    """Whether the measure foretold the relative reduction of a language."""
    if not math.isfinite(found.estimate):
        return f"Whether {measure} predicts the relative reduction cannot be said: {found.note or 'no estimate'}."
    facts = (
        f"{measure} correlates with the relative EMT reduction at r = {signed(found.estimate, 2)} (Pearson, "
        f"{confidence:.0%} interval {_span(found.low, found.high, 2)}, permutation p {_equals(found.p_value)}, "
        f"n = {found.n} languages)"
    )
    guess = (
        f"Predicting a left-out language from it errs by {number(100 * found.loo_error, 1)} percentage points on "
        f"average, guessing the mean of the others by {number(100 * found.loo_error_of_mean, 1)}"
    )
    better = found.loo_error < found.loo_error_of_mean
    if found.high < 0:
        return f"{facts}: the opposite of a predictor. {guess}."
    baseline = "better than the mean-only baseline" if better else "no better than the mean-only baseline"
    if not (found.low > 0 and found.p_value < 1 - confidence):
        return f"{facts}: no reliable relation. {guess}: {baseline}."
    if better:
        return f"{facts}. {guess}: it tells something beforehand."
    return f"{facts}. {guess}: {baseline}, so it does not predict an unseen language."


def control_verdict(measure: str, partial: float, low: float, high: float, share: float) -> str:
    """Whether the size of a language in the corpus explains the relation away."""
    if not math.isfinite(partial):
        return f"The relation with {measure} given the corpus share cannot be computed."
    stays = "stays" if low > 0 else "is not shown to stay"
    return (
        f"Given the log corpus share of a language, the relation with {measure} {stays} (partial r = "
        f"{signed(partial, 2)} {bracket(low, high, 2)}); the share alone correlates at r = {signed(share, 2)}."
    )


def retention_verdict(relative: Mapping[str, float]) -> str:
    """How the policy's own perplexity on civil text moved, at worst."""
    worst = max(relative, key=lambda language: relative[language])
    rises = sum(change > 0 for change in relative.values())
    if relative[worst] <= 0:
        least = f"least in {name_of(worst)} ({signed_percent(relative[worst])})"
        return f"The policies’ own perplexity on civil text rises in no language; it falls {least}."
    return (
        f"The policies’ own perplexity on held-out civil text rises in {rises} of {len(relative)} languages, by "
        f"{percent(relative[worst])} at worst ({name_of(worst)})."
    )


def language_verdict(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """Where the fewest continuations are in the prompt's language after tuning, and what that means for toxicity."""
    present = {language: value for language, value in after.items() if math.isfinite(value)}
    if not present:
        return "No continuation has an identified language."
    low = min(present, key=lambda language: present[language])
    sentence = (
        f"Continuations in the prompt’s language are rarest in {name_of(low)}, {percent(before[low])} before and "
        f"{percent(after[low])} after."
    )
    left = [name_of(language) for language, value in present.items() if before[language] - value >= LEFT]
    if not left:
        return sentence
    return (
        f"{sentence} They fell by {100 * LEFT:.0f} percentage points or more in {listing(left)}; where a policy "
        "answers in another language, less measured toxicity need not be detoxification of this one."
    )


def empty_verdict(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """Where the share of empty continuations, which cannot be toxic, rose most."""
    rise = {language: after[language] - before[language] for language in after}
    worst = max(rise, key=lambda language: rise[language])
    if not rise[worst] > 0:
        return "Empty continuations became more frequent in no language."
    return (
        f"Empty continuations, which count as not toxic, rise most in {name_of(worst)}, from {percent(before[worst])} "
        f"to {percent(after[worst])}."
    )


def learning_verdict(excess: Mapping[str, float]) -> str:
    """How far the base model stays above the entropy of the world it was pretrained on, in nats per token."""
    worst = max(excess, key=lambda language: excess[language])
    best = min(excess, key=lambda language: excess[language])
    return (
        f"The base model’s loss stays above the floor by {number(excess[best], 2)} ({name_of(best)}) to "
        f"{number(excess[worst], 2)} ({name_of(worst)}) nats per token."
    )


def training_verdict(run: str, before: float, best: float, best_step: int, last_step: int, chosen: float) -> str:
    """What one training run reached; a falling reward of the chosen side is said, since the loss hides it."""
    if best >= before:
        return f"{run}: the validation loss never falls below its start, {number(before)}; step {best_step} is kept."
    sentence = f"{run}: the validation loss falls from {number(before)} to {number(best)} at step {best_step}"
    sentence += ", the last, so it may not have converged" if best_step == last_step else f" of {last_step}"
    sentence += f"; the reward of the chosen texts there is {signed(chosen, 2)}"
    return f"{sentence}: the preferred texts became less likely, too." if chosen < 0 else f"{sentence}."


def _interval(change: Change, confidence: float) -> str:
    return (
        f"change {signed(change.change)}, {confidence:.0%} interval {_span(change.change_low, change.change_high, 3)}"
    )


def _span(low: float, high: float, digits: int) -> str:
    return f"{signed(low, digits)} to {signed(high, digits)}"


def _equals(value: float) -> str:
    text = p_value(value)
    return text if text.startswith("<") else f"= {text}"
