"""How the report writes: names, numbers with as many digits as they deserve, and text that keeps their keys."""

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tasks.reporting.sourced import key_of

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


@dataclass(frozen=True)
class Cited:
    """Words of the page that stand for something in a file.

    Attributes:
        words: What is read.
        key: Of its place.
    """

    words: str
    key: str

    @property
    def command(self) -> str:
        """What tells where it comes from."""
        return f"polydetox why {shlex.quote(self.key)}"


@dataclass(frozen=True)
class Text:
    """Plain words and cited ones, in order."""

    parts: tuple[str | Cited, ...]

    def __str__(self) -> str:
        return "".join(part if isinstance(part, str) else part.words for part in self.parts)

    def __format__(self, specification: str) -> str:
        raise TypeError(f"{str(self)!r} in an f-string would lose its keys; put it together with say()")


def say(*parts: str | Text) -> Text:
    """Words and texts put together; keys stay."""
    flat: list[str | Cited] = []
    for part in parts:
        flat += [part] if isinstance(part, str) else part.parts
    return Text(tuple(flat))


def cite(words: str, key: str) -> Text:
    """Words that come from a place; plain ones without a key."""
    return Text((Cited(words, key) if key else words,))


def join(separator: str, items: Iterable[str | Text]) -> Text:
    """Texts with a separator between them."""
    parts = [part for item in items for part in (separator, item)]
    return say(*parts[1:])


def name_of(language: str) -> str:
    """English name of an ISO 639-1 code, or the code itself."""
    return NAMES.get(language, language)


def label(language: str) -> str:
    """ISO code and English name."""
    return f"{language} {name_of(language)}" if name_of(language) != language else language


def marked(language: str, marks: Mapping[str, str]) -> str:
    """`label` with the language's mark, if it has one."""
    return " ".join(filter(None, (label(language), marks.get(language, ""))))


def number(value: float, digits: int = 3, scale: float = 1) -> Text:
    """`scale` times a value with fixed decimals and a true minus sign; a dash when missing."""
    return _cited(_fixed(scale * value, digits), value)


def signed(value: float, digits: int = 3, scale: float = 1) -> Text:
    """`number` with its sign, none for 0."""
    return _cited(_with_sign(scale * value, digits), value)


def percent(value: float, digits: int = 0) -> Text:
    """A share as per cent."""
    return _cited(_fixed(100 * value, digits) + _unit(value), value)


def signed_percent(value: float, digits: int = 0) -> Text:
    """A relative change as per cent with its sign."""
    return _cited(_with_sign(100 * value, digits) + _unit(value), value)


def reduction(relative_change: float) -> Text:
    """A relative change as the per cent by which something fell."""
    return _cited(_fixed(-100 * relative_change, 0) + _unit(relative_change), relative_change)


def count(value: float) -> Text:
    """A whole number, thousands apart."""
    return _cited(f"{value:,.0f}" if math.isfinite(value) else MISSING, value)


def p_value(value: float) -> Text:
    """Digits enough to compare it with the usual levels."""
    if value < 1e-4:
        return _cited("< 0.0001", value)
    return number(value, 4 if value < 0.01 else 3 if value < 0.1 else 2)


def bracket(low: float, high: float, digits: int = 3, scale: float = 1) -> Text:
    """An interval with the sign of both ends."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return say(MISSING)
    return say("[", signed(low, digits, scale), ", ", signed(high, digits, scale), "]")


def plain_bracket(low: float, high: float, digits: int = 3) -> Text:
    """An interval of what has no sign."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return say(MISSING)
    return say("[", number(low, digits), ", ", number(high, digits), "]")


def span(low: float, high: float, digits: int) -> Text:
    """An interval in words, with the sign of both ends."""
    return say(signed(low, digits), " to ", signed(high, digits))


def in_unit(metric: str, value: float) -> Text:
    """A metric of the paper with as many digits as the paper prints."""
    if metric == "toxprob":
        return percent(value, 1)
    return number(value, 2 if metric == "perplexity_median" else 3)


def listing(items: Sequence[str | Text]) -> Text:
    """a, b and c."""
    if len(items) < 2:
        return say(*(items or ["none"]))
    return say(join(", ", items[:-1]), " and ", items[-1])


def _cited(words: str, value: float) -> Text:
    return cite(words, "" if words == MISSING else key_of(value))


def _unit(value: float) -> str:
    return "%" if math.isfinite(value) else ""


def _fixed(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return MISSING
    text = f"{value:.{digits}f}"
    return (text[1:] if float(text) == 0 and text[0] == "-" else text).replace("-", "−")


def _with_sign(value: float, digits: int) -> str:
    text = _fixed(value, digits)
    return text if text.startswith("−") or not math.isfinite(value) or float(text) == 0 else f"+{text}"
