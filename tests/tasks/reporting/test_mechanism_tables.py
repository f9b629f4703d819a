"""The mechanism's tables: numbers with their places, undefined shares as such, tokens redacted."""

import math

import pandas as pd

from tasks.reporting import mechanism_tables as tables
from tasks.reporting.report_tables import Table
from tasks.reporting.sourced import Sheet

NAN = math.nan
KEY = ("policy", "way", "neurons", "language")


def _words(table: Table) -> list[list[str]]:
    return [[str(cell) for cell in row] for row in table.rows]


def _keys(cell: object) -> list[str]:
    return [part.key for part in cell.parts if not isinstance(part, str)]


def _explained(shares: dict[str, float]) -> Sheet:
    rows = [
        {
            "policy": "dpo-1", "way": way, "neurons": neurons, "language": language, "count": 6, "perplexity": 3.5,
            "share": share, "share_low": share - 0.1, "share_high": share + 0.1,
            "less_control": share, "less_control_low": NAN, "less_control_high": NAN,
            "less_matched": NAN, "less_matched_low": NAN, "less_matched_high": NAN,
        }
        for way in ("restore", "impose")
        for neurons in ("all neurons", tables.GROUPS_CONTROL, "random", "unchanged", "actual")
        for language, share in shares.items()
    ]  # fmt: skip
    return Sheet("explained.csv", KEY, pd.DataFrame(rows))


def test_sets_stand_in_the_order_of_the_page() -> None:
    """Sources first, all neurons last, the unchanged model not at all, whatever the order of the file."""
    rows = tables.explained_rows(_explained({"mean": 0.2}), "dpo-1", "restore")
    assert list(rows) == ["actual", "random", tables.GROUPS_CONTROL, "all neurons"]


def test_rows_cite_their_place() -> None:
    """Policy, way, set and language select one row of the file; no name of a set has a comma, which separates them."""
    rows = tables.explained_rows(_explained({"mean": 0.2}), "dpo-1", "restore")
    assert rows["random"]["share"].key == "explained.csv:policy=dpo-1,way=restore,neurons=random,language=mean:share"
    assert not any("," in name for name in rows)
    assert rows[tables.GROUPS_CONTROL]["share"] == 0.2


def test_sets_table_shows_shares_with_intervals() -> None:
    """.2 +- .1 both ways; a difference whose interval is undefined says so, and one not made is a dash."""
    sheet = _explained({"mean": 0.2})
    table = tables.sets_table(*(tables.explained_rows(sheet, "dpo-1", way) for way in ("restore", "impose")))
    one_way = ["20% [+10%, +30%]", "+20% [undefined]", "–", "3.50"]
    assert _words(table)[0] == ["sources", "6", *one_way, *one_way]
    assert len(table.header) == len(table.rows[0]) == sum(span for _, span in table.groups)


def test_language_without_an_effect_has_dashes() -> None:
    """Nothing changed in German, so that there is no share; English has one, and the mean stands last."""
    table = tables.languages_table(_explained({"de": NAN, "en": 0.5, "mean": 0.2}), "dpo-1", ["de", "en"])
    german, english, mean = _words(table)
    assert german == ["de German", *["–"] * 6]
    assert english == ["en English", *["50%", "50%", "+50% [undefined]"] * 2]
    assert mean[0] == "mean of all" and table.apart == 1


NEURONS = Sheet(
    "neurons.csv",
    ("layer", "neuron"),
    pd.DataFrame(
        [
            {"layer": 3, "neuron": 7, "actual": True, "cosine": 0.3, "activation": 0.1, "languages": 2.5,
             "languages_by_chance": 4.0, "chance_low": 3.0, "chance_high": 5.0, "p_fewer": 0.002},
            {"layer": 1, "neuron": 2, "actual": False, "cosine": 0.2, "activation": -0.1, "languages": NAN,
             "languages_by_chance": NAN, "chance_low": NAN, "chance_high": NAN, "p_fewer": NAN},
        ]
    ),
)  # fmt: skip
TOKENS = Sheet(
    "tokens.parquet",
    ("layer", "neuron", "place"),
    pd.DataFrame(
        [
            (3, 7, 2, " idiot", "en"),
            (3, 7, 1, "fool", "en"),
            (3, 7, 3, "tonto", "es"),
            (3, 7, 4, "x1", None),
            (1, 2, 1, "liar", "en"),
        ],
        columns=["layer", "neuron", "place", "text", "language"],
    ),
)


def test_only_sources_are_in_their_table() -> None:
    """One of two candidates is active; its numbers name their row."""
    table = tables.sources_table(NEURONS)
    assert _words(table) == [["layer 3, neuron 7", "0.300", "0.100", "2.5", "4.0 [3.0, 5.0]", "0.0020"]]
    assert _keys(table.rows[0][1]) == ["neurons.csv:layer=3,neuron=7:cosine"]


def test_tokens_are_redacted_unless_asked_for() -> None:
    """Languages by number of tokens, unknown ones last; letters and digits are blocks, of which the count stays."""
    table = tables.tokens_table(NEURONS, TOKENS, show_text=False)
    assert _words(table) == [["layer 3, neuron 7", "en 2: ████ █████; es 1: █████; unknown 1: ██"]]
    assert _keys(table.rows[0][1]) == ["tokens.parquet"] * 3
    shown = tables.tokens_table(NEURONS, TOKENS, show_text=True)
    assert _words(shown)[0][1] == "en 2: fool idiot; es 1: tonto; unknown 1: x1"
    assert "block" in str(table.caption) and "block" not in str(shown.caption)


def test_activation_table_sets_the_mean_apart() -> None:
    """Values below 0 keep their sign; the mean over the others is the last row."""
    row = {"before": -0.1, "after": -0.3, "change": -0.2, "change_low": -0.3, "change_high": -0.1}
    table = tables.activation_table({"de": row, "others": row})
    assert _words(table)[1] == ["mean of the others", "−0.100", "−0.300", "−0.200 [−0.300, −0.100]"]
    assert table.apart == 1


def test_probe_table_without_interval() -> None:
    """A language whose AUROC is undefined has dashes, beside what is defined."""
    row = {
        "texts": 9, "toxic": 0, "auroc": NAN, "auroc_low": NAN, "auroc_high": NAN, "average_precision": NAN,
        "f1": 0.0, "accuracy": 1.0, "majority": 1.0,
    }  # fmt: skip
    assert _words(tables.probe_table({"de": row})) == [
        ["de German", "9", "0", "–", "–", "–", "0.000", "100.0%", "100.0%"]
    ]
