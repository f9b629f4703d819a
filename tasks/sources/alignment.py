"""Tells whether two languages of a corpus line up, without knowing either language.

Translations share names and numbers, and a long sentence is long in both. So words that occur once in each language
must occur in the same row, and lengths must correlate.

Pure: no files, clock, network or globals.
"""

import re
from collections.abc import Mapping
from statistics import correlation

FEWEST_WORDS = 20  # shared words below which they say nothing
LEAST_SHARE = 0.25  # of shared words that must be in the same row; RTP-LX 1.0 has 4 of 278 in sw and 3 of 188 in bcms
FEWEST_ROWS = 100  # rows below which lengths say nothing
LEAST_CORRELATION = 0.2  # of lengths; that of unrelated rows is within 3 / sqrt(rows) of 0
FEWEST_SHIFTED = 5  # shared words one row off that make a shift
# Names and numbers in Latin script, which other scripts borrow too.
_WORD = re.compile(r"[A-Za-z]{3,}|[0-9]{2,}")


def shared_words(one: Mapping[int, str], other: Mapping[int, str]) -> dict[str, tuple[int, int]]:
    """Words that exactly one row of either side has, with their rows; upper and lower case are the same."""
    left, right = _unique(one), _unique(other)
    return {word: (row, right[word]) for word, row in left.items() if word in right}


def complaint(english: Mapping[int, str], other: Mapping[int, str], tail: int) -> str | None:
    """Why the rows of `other` are not translations of the rows of `english`; None if nothing speaks against it.

    Args:
        english: Text by row.
        other: The same rows in another language.
        tail: Row from which on a shift by one is looked for apart, since few rows lie there.
    """
    words = shared_words(english, other)
    same = sum(left == right for left, right in words.values())
    if len(words) >= FEWEST_WORDS and same < LEAST_SHARE * len(words):
        return f"of {len(words)} words that occur once in both, only {same} are in the same row"
    late = [right - left for left, right in words.values() if left >= tail or right >= tail]
    for step in (1, -1):
        if late.count(step) >= FEWEST_SHIFTED and late.count(step) > late.count(0):
            return f"from row {tail} on {late.count(step)} shared words are one row off and {late.count(0)} are not"
    rows = sorted(set(english) & set(other))
    lengths = [[float(len(side[row])) for row in rows] for side in (english, other)]
    if len(rows) >= FEWEST_ROWS and all(len(set(values)) > 1 for values in lengths):
        found = correlation(*lengths)
        if found < LEAST_CORRELATION:
            return f"lengths correlate with only {found:.2f}"
    return None


def _unique(texts: Mapping[int, str]) -> dict[str, int]:
    rows: dict[str, set[int]] = {}
    for row, text in texts.items():
        for word in _WORD.findall(text):
            rows.setdefault(word.casefold(), set()).add(row)
    return {word: next(iter(found)) for word, found in rows.items() if len(found) == 1}
