"""Shares of the drop: beyond chance, within it, against the sources, undefined."""

import math

import pandas as pd
import pytest

from tasks.reporting.explained import (
    GROUPS_CONTROL,
    ceiling_verdict,
    explained_rows,
    explained_verdict,
    languages_table,
    percent_bracket,
    sets_table,
)
from tasks.reporting.page import Table
from tasks.reporting.sourced import Sheet

KEY = ("policy", "way", "neurons", "language")
NAN = math.nan


def _explained(shares: dict[str, float]) -> Sheet:
    rows = [
        {
            "policy": "dpo-1", "way": way, "neurons": neurons, "language": language, "count": 6, "perplexity": 3.5,
            "share": share, "share_low": share - 0.1, "share_high": share + 0.1,
            "less_control": share, "less_control_low": NAN, "less_control_high": NAN,
            "less_matched": NAN, "less_matched_low": NAN, "less_matched_high": NAN,
        }
        for way in ("restore", "impose")
        for neurons in ("all neurons", GROUPS_CONTROL, "random", "unchanged", "actual")
        for language, share in shares.items()
    ]  # fmt: skip
    return Sheet("explained.csv", KEY, pd.DataFrame(rows))


def test_sets_stand_in_the_order_of_the_page() -> None:
    """Sources first, all neurons last, the unchanged model not at all, whatever the order of the file."""
    rows = explained_rows(_explained({"mean": 0.2}), "dpo-1", "restore")
    assert list(rows) == ["actual", "random", GROUPS_CONTROL, "all neurons"]


def test_rows_cite_their_place() -> None:
    """Policy, way, set and language select one row of the file; no name of a set has a comma, which separates them."""
    rows = explained_rows(_explained({"mean": 0.2}), "dpo-1", "restore")
    assert rows["random"]["share"].key == "explained.csv:policy=dpo-1,way=restore,neurons=random,language=mean:share"
    assert not any("," in name for name in rows)
    assert rows[GROUPS_CONTROL]["share"] == 0.2


def _words(table: Table) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in table.rows]


def test_sets_table_shows_shares_with_intervals() -> None:
    """.2 +- .1 both ways; a difference whose interval is undefined says so, and one not made is a dash."""
    sheet = _explained({"mean": 0.2})
    table = sets_table(*(explained_rows(sheet, "dpo-1", way) for way in ("restore", "impose")))
    one_way = ["20% [+10%, +30%]", "+20% [undefined]", "–", "3.50"]
    assert _words(table)[0] == ["sources", "6", *one_way, *one_way]
    assert len(table.header) == len(table.rows[0]) == sum(span for _, span in table.groups)


def test_language_without_an_effect_has_dashes() -> None:
    """Nothing changed in German, so that there is no share; English has one, and the mean stands last."""
    table = languages_table(_explained({"de": NAN, "en": 0.5, "mean": 0.2}), "dpo-1", ["de", "en"])
    german, english, mean = _words(table)
    assert german == ["de German", *["–"] * 6]
    assert english == ["en English", *["50%", "50%", "+50% [undefined]"] * 2]
    assert mean[0] == "mean of all" and table.apart == 1


def interval(name: str, value: float, low: float, high: float) -> dict[str, float]:
    return {name: value, f"{name}_low": low, f"{name}_high": high}


RANDOM = interval("share", 0.05, -0.02, 0.12)


def exchanged(less: tuple[float, float, float], share: float = 0.4) -> dict[str, float]:
    return {
        "count": 6,
        **interval("share", share, share - 0.1, share + 0.1),
        **interval("less_control", *less),
    }


@pytest.mark.parametrize(
    ("less", "said"),
    [
        ((0.35, 0.2, 0.5), "; the difference +35% [+20%, +50%] is beyond chance."),
        ((0.35, -0.1, 0.8), "; the difference +35% [−10%, +80%] is not beyond chance."),
        ((0.35, 0.0, 0.8), "; the difference +35% [0%, +80%] is not beyond chance."),
        ((-0.3, -0.5, -0.1), "; the difference −30% [−50%, −10%] is beyond chance, and against the sources: "
                             "random neurons carry more."),
        ((0.35, NAN, NAN), "; whether the difference, +35%, is beyond chance cannot be said, since some bootstrap "
                           "samples have no drop."),
    ],
)  # fmt: skip
def test_share_of_the_sources(less: tuple[float, float, float], said: str) -> None:
    """Mean toxicity drops from .5 to .1; restoring 6 of 1,024 neurons goes 40% of the way back, random ones 5%."""
    sentence = explained_verdict(
        "restore", "dpo-1", {"toxicity": 0.5}, {"toxicity": 0.1}, exchanged(less), RANDOM, 1024
    )
    start = (
        "Restoring 6 of 1,024 neurons undoes 40% [+30%, +50%] of the drop in mean toxicity (dpo-1), 0.500 to 0.100; as "
        "many random ones 5% [−2%, +12%]"
    )
    assert str(sentence) == start + said


def test_imposing_is_told_apart() -> None:
    """It is the base model that changes, so the drop is brought about."""
    sentence = explained_verdict(
        "impose", "dpo-1", {"toxicity": 0.5}, {"toxicity": 0.1}, exchanged((0.35, 0.2, 0.5)), RANDOM, 1024
    )
    assert str(sentence).startswith("Imposing the tuned activations of 6 of 1,024 neurons brings about 40%")


@pytest.mark.parametrize("after", [0.5, 0.6])
def test_without_a_drop_no_share_is_told(after: float) -> None:
    """Toxicity that stays or rises leaves no drop, and a share of it would be without meaning."""
    undefined = {"count": 6, **interval("share", NAN, NAN, NAN), **interval("less_control", NAN, NAN, NAN)}
    sentence = str(explained_verdict("restore", "dpo-1", {"toxicity": 0.5}, {"toxicity": after}, undefined, RANDOM, 9))
    assert "does not drop here" in sentence and "no drop to explain" in sentence
    assert "beyond chance" not in sentence and "%" not in sentence


def test_all_neurons_that_restore_nothing_are_named() -> None:
    """If the most that can be exchanged undoes nothing, a small share of a part tells little; otherwise silence."""
    impose = interval("share", 0.9, 0.6, 1.1)
    little = str(ceiling_verdict("dpo-1", {"restore": interval("share", 0.1, -0.1, 0.3), "impose": impose}))
    assert "undoes 10% [−10%, +30%] of the drop when restored and brings about 90% [+60%, +110%]" in little
    assert "does not measurably undo the drop" in little
    much = str(ceiling_verdict("dpo-1", {"restore": interval("share", 0.8, 0.6, 1.0), "impose": impose}))
    assert "measurably" not in much


def test_an_undefined_interval_is_said() -> None:
    """Half an interval is none."""
    assert str(percent_bracket(NAN, 0.2)) == "[undefined]"
    assert str(percent_bracket(-0.04, 0.2)) == "[−4%, +20%]"
