"""Sentences and table on side effects."""

import pandas as pd

from tasks.reporting.page import Table
from tasks.reporting.side_effects import empty_verdict, language_verdict, retention_verdict, side_effect_table
from tasks.reporting.sourced import Record, Sheet


def test_retention_names_the_worst_language() -> None:
    """Perplexity rose by half in French and fell in German."""
    assert str(retention_verdict({"fr": 0.5, "de": -0.1}, "held-out civil text")).endswith(
        "in 1 of 2 languages, by 50% at worst (French)."
    )
    assert "is higher in no language; it drops least in German (−10%)" in str(
        retention_verdict({"fr": -0.5, "de": -0.1}, "civil text")
    )


def test_leaving_the_language_is_a_caveat() -> None:
    """From 90% to 40% in German is more than the ten points from which less toxicity may be another language."""
    sentence = str(language_verdict({"de": 0.9, "fr": 0.9}, {"de": 0.4, "fr": 0.85}))
    assert "rarest in German, 90% before and 40% after" in sentence
    assert "10 percentage points or more in German; where" in sentence
    assert "less measured toxicity" not in str(language_verdict({"de": 0.9}, {"de": 0.85}))


def test_empty_continuations_are_a_caveat() -> None:
    """Saying nothing is not toxic, so a rise from 10% to 30% is said, and so is that there is none."""
    sentence = str(empty_verdict({"de": 0.1, "fr": 0.2}, {"de": 0.3, "fr": 0.1}))
    assert "count as not toxic, increase most in German, from 10% to 30%." in sentence
    assert str(empty_verdict({"fr": 0.2}, {"fr": 0.1})) == "Empty continuations are more frequent in no language."


def _assert_rectangular(table: Table) -> None:
    assert {len(row) for row in table.rows} == {len(table.header)}
    assert not table.groups or sum(span for _, span in table.groups) == len(table.header)


def _keys(cell: object) -> list[str]:
    return [part.key for part in cell.parts if not isinstance(part, str)]


def _means(**values: tuple[float, float]) -> Record:
    return Record({name: {"before": before, "after": after} for name, (before, after) in values.items()}, "means.json:")


def _side_effects(**values: tuple[float, float]) -> Sheet:
    rows = [(name, language, *pair) for name, pair in values.items() for language in ("de", "en")]
    frame = pd.DataFrame(rows, columns=["effect", "language", "before", "after"])
    relative_change = frame["after"] / frame["before"] - 1
    return Sheet("effects.csv", ("effect", "language"), frame.assign(relative_change=relative_change))


def _words(table: Table) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in table.rows]


def test_side_effects_end_with_the_mean_of_all() -> None:
    """Civil perplexity 10 to 15 in both languages is 50% more, on average, too."""
    names = (
        "perplexity_lower_quartile", "perplexity_median", "perplexity_upper_quartile", "civil_perplexity", "distinct_1",
        "distinct_2", "distinct_3", "self_bleu", "language_consistent", "language_unknown", "empty", "repetitive",
        "cut_off",
    )  # fmt: skip
    values = dict.fromkeys(names, (10.0, 15.0))
    table = side_effect_table(
        _side_effects(**values), _means(**values), ["de", "en"], "the base model", "held-out civil text"
    )
    assert [row[0] for row in table.rows] == ["de German", "en English", "mean of all"]
    assert _words(table)[-1][3:6] == ["10.0", "15.0", "+50%"]
    assert [_keys(cell) for cell in table.rows[0][3:6]] == [
        [f"effects.csv:effect=civil_perplexity,language=de:{name}"] for name in ("before", "after", "relative_change")
    ]
    assert _keys(table.rows[-1][5]) == ["means.json"]  # the change of a mean is in no file
    _assert_rectangular(table)
