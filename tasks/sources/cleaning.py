"""Cleans text from outside, aligns translations, and counts whatever that changed, noticed or dropped.

A column is the text of one language by row id; rows with the same id are translations of each other.

Pure: no files, clock, network or globals.
"""

import html
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.entities import html5

Column = dict[str, str]

CHANGES = ("html_entity", "not_nfc", "control_character", "lone_surrogate", "surrounding_space")
REPLACEMENT = "\ufffd"
# Only with the semicolon: in "a=1&copy=2" nobody wrote a copyright sign.
_ENTITY = re.compile(r"&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[a-zA-Z][a-zA-Z0-9]*);")
_LINE_END = re.compile("\r\n|[\r\u0085]")
# Of the control characters tab and line feed are text; the byte order mark means nothing inside of one.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Habits of one language's translators, which a model continues differently.
_ELLIPSIS = re.compile(r"[\s\u00a0]*(?:\.{2,}|\u2026+|\u3002{2,})[.\s]*$")
_FULL_STOP = re.compile(r"[.\u3002\uff0e\uff61\u0964]\s*$")
_FULL_WIDTH = re.compile("[\uff01-\uff60\uffe0-\uffe6]")
_NO_BREAK_SPACE = re.compile("[\u00a0\u202f]")


@dataclass(frozen=True)
class Tally:
    """What became of the rows of one language: each that was read is kept or dropped, for one reason.

    Attributes:
        changed: Rows that cleaning altered, by what it found; a row may have several.
        noticed: Rows that were left as they are but that a reader should know of.
        dropped: Rows that were dropped, by reason.
    """

    rows: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    noticed: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)

    def record(self) -> dict[str, int | dict[str, int]]:
        """Counts by name; of the changes all, of the reasons those that occurred."""
        read = self.rows["read"]
        return {
            "read": read,
            "changed": {name: self.changed[name] for name in CHANGES},
            "noticed": dict(sorted((+self.noticed).items())),
            "dropped": dict(sorted((+self.dropped).items())),
            "kept": read - sum(self.dropped.values()),
        }


def clean(text: str, strip: bool = True) -> tuple[str, list[str]]:
    """The text without artefacts of transport, and which of CHANGES it needed.

    HTML entities with their semicolon become characters, once (an escaped entity stays one). Line ends become line
    feeds; control characters but tab and line feed go, as does a byte order mark. Lone surrogates, which UTF-8 cannot
    hold, become U+FFFD. Then Unicode NFC, so that letters that look the same are the same.

    Args:
        text: Any text.
        strip: Whether white space around the text goes; False where a text continues another.
    """
    found = []

    def step(name: str, new: str) -> str:
        if new != text:
            found.append(name)
        return new

    text = step("html_entity", _ENTITY.sub(_character, text))
    text = step("control_character", _CONTROL.sub("", _LINE_END.sub("\n", text)))
    text = step("lone_surrogate", _SURROGATE.sub(REPLACEMENT, text))
    text = step("not_nfc", unicodedata.normalize("NFC", text))
    if strip:
        text = step("surrounding_space", text.strip())
    return text, found


def _character(entity: re.Match[str]) -> str:
    """What an entity stands for; itself if nobody defined it (html.unescape would read &notit; as &not and it;)."""
    name = entity[0][1:]
    return html.unescape(entity[0]) if name.startswith("#") else html5.get(name, entity[0])


def clean_text(text: str, tally: Tally, strip: bool = True) -> str:
    """`clean`, counted; U+FFFD, where somebody lost a character before, is noticed."""
    cleaned, found = clean(text, strip)
    tally.changed.update(found)
    if REPLACEMENT in cleaned and "lone_surrogate" not in found:
        tally.noticed["replacement_character"] += 1
    return cleaned


def clean_column(column: Mapping[str, str], tally: Tally, normalise: bool = False) -> Column:
    """Every text of one language, cleaned and counted as read; artefacts are counted as noticed.

    Args:
        column: Text by row.
        tally: Of the language.
        normalise: Whether to remove the artefacts, too.
    """
    tally.rows["read"] += len(column)
    cleaned = {row: clean_text(text, tally) for row, text in column.items()}
    for text in cleaned.values():
        tally.noticed.update(artefacts(text))
    return {row: normalised(text) for row, text in cleaned.items()} if normalise else cleaned


def artefacts(text: str) -> list[str]:
    """Which habits that differ between translators a text shows; an ellipsis is no full stop."""
    found = {
        "trailing_ellipsis": bool(_ELLIPSIS.search(text)),
        "trailing_full_stop": bool(_FULL_STOP.search(text)) and not _ELLIPSIS.search(text),
        "full_width_form": bool(_FULL_WIDTH.search(text)),
        "no_break_space": bool(_NO_BREAK_SPACE.search(text)),
    }
    return [name for name, there in found.items() if there]


def normalised(text: str) -> str:
    """The text without `artefacts`: no ellipsis or full stop at its end, ordinary forms and spaces within."""
    text = _NO_BREAK_SPACE.sub(" ", text)
    text = _FULL_WIDTH.sub(lambda form: unicodedata.normalize("NFKC", form[0]), text)
    stripped = _ELLIPSIS.sub("", text)
    return (stripped if stripped != text else _FULL_STOP.sub("", text)).rstrip()


def drop_empty(column: Mapping[str, str], tally: Tally) -> Column:
    """The rows with text, for a language that is aligned with no other."""
    kept = {row: text for row, text in column.items() if text.strip()}
    tally.dropped["empty"] += len(column) - len(kept)
    return kept


def align(columns: Mapping[str, Mapping[str, str]], tallies: Mapping[str, Tally], distinct: bool) -> dict[str, Column]:
    """The rows that every language has, in the order of the first language.

    A row that one language lacks, or that is dropped there, is dropped from all; the tally of the others counts it as
    `not_in_every_language`.

    Args:
        columns: Cleaned text by language and row id.
        tallies: By language; reasons are added to them.
        distinct: Whether a text that occurred in a kept row before is dropped as `duplicate`.
    """
    seen: dict[str, set[str]] = {language: set() for language in columns}
    kept: dict[str, Column] = {language: {} for language in columns}
    for row in dict.fromkeys(row for column in columns.values() for row in column):
        texts = {language: column[row] for language, column in columns.items() if row in column}
        reasons = {language: "empty" for language, text in texts.items() if not text.strip()}
        if distinct:
            reasons |= {
                language: "duplicate"
                for language, text in texts.items()
                if language not in reasons and text in seen[language]
            }
        if reasons or len(texts) < len(columns):
            for language in texts:
                tallies[language].dropped[reasons.get(language, "not_in_every_language")] += 1
            continue
        for language, text in texts.items():
            seen[language].add(text)
            kept[language][row] = text
    return kept


def draw(rows: Sequence[str], limit: int | None, seed: str | None) -> list[str]:
    """At most `limit` rows, in their order.

    Args:
        rows: Distinct row ids.
        limit: How many; None for all.
        seed: Of a uniform sample without replacement; None takes the first ones.

    Raises:
        ValueError: There are fewer rows than the limit.
    """
    if limit is None:
        return list(rows)
    if limit > len(rows):
        raise ValueError(f"limit is {limit}, but only {len(rows)} are left after cleaning; lower it, or set it to null")
    if seed is None:
        return list(rows[:limit])
    return [rows[number] for number in sorted(random.Random(seed).sample(range(len(rows)), limit))]


def notice_repeated(column: Mapping[str, str], tally: Tally) -> None:
    """Counts kept rows whose text an earlier kept row of the language has."""
    tally.noticed["repeated"] += len(column) - len(set(column.values()))
