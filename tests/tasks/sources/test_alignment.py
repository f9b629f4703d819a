"""Whether two languages line up is told from names, numbers and lengths."""

from tasks.sources.alignment import complaint, shared_words

NAMES = [f"Zoe{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(200)]
ENGLISH = {n: f"{name} sings" + " a song" * (n * 7 % 11) for n, name in enumerate(NAMES)}
GERMAN = {n: f"{name} singt" + " ein Lied" * (n * 7 % 11) for n, name in enumerate(NAMES)}


def test_shared_words_are_those_that_one_row_of_either_side_has() -> None:
    """Anna is in rows 0 and 1 here, Bo is too short, 1984 and Carl are shared; case does not matter."""
    one = {0: "Anna and Carl, 1984", 1: "Anna, Bo"}
    other = {0: "Bo und", 5: "CARL 1984 Anna"}
    assert shared_words(one, other) == {"carl": (0, 5), "1984": (0, 5)}


def test_translations_line_up() -> None:
    """In their own order; rows that one side lacks do not matter."""
    assert complaint(ENGLISH, GERMAN, 190) is None
    assert complaint(ENGLISH, {n: text for n, text in GERMAN.items() if n % 3}, 190) is None


def test_other_rows_do_not() -> None:
    """Moved by one everywhere, none of the 199 names that both sides have is in its row."""
    moved = {n + 1: text for n, text in GERMAN.items()}
    assert complaint(ENGLISH, moved, 190) == "of 200 words that occur once in both, only 0 are in the same row"


def test_a_shift_near_the_end_is_seen_in_either_direction() -> None:
    """Ten names of 200 are too few to matter over all rows."""
    up = {n + (n >= 190): text for n, text in GERMAN.items()}
    down = {n - (n > 190): text for n, text in GERMAN.items() if n != 190}
    assert complaint(ENGLISH, up, 190) == "from row 190 on 10 shared words are one row off and 0 are not"
    assert complaint(ENGLISH, down, 190) == "from row 190 on 9 shared words are one row off and 0 are not"


def test_without_shared_words_lengths_decide() -> None:
    """In another script: 200 lengths in order correlate, in reverse they do not; 50 say nothing."""
    other = {n: "я" * (5 + n * 7 % 11) for n in ENGLISH}
    reverse = {n: other[199 - n] for n in other}
    assert complaint(ENGLISH, other, 190) is None
    assert "lengths correlate with only" in str(complaint(ENGLISH, reverse, 190))
    assert complaint(ENGLISH, {n: reverse[n] for n in range(50)}, 190) is None
