"""Lays out the mechanism's tables: measurements in, text cells out."""

import math
from collections.abc import Mapping, Sequence

from tasks.reporting.examples import redact
from tasks.reporting.mechanism_verdicts import Row, percent_bracket
from tasks.reporting.report_tables import Table, label
from tasks.reporting.sourced import Sheet
from tasks.reporting.wording import (
    MISSING,
    Text,
    bracket,
    count,
    join,
    number,
    p_value,
    percent,
    plain_bracket,
    say,
    signed,
    signed_percent,
)

MEAN = "mean"  # the row of the mean over all languages
SOURCES, UNCHANGED, ALL = "actual", "unchanged", "all neurons"
GROUPS, GROUPS_CONTROL = "four groups", "random for four groups"
SETS = {  # what the page calls a set of neurons, in the order of the page
    SOURCES: "sources",
    "random": "random, as many as sources",
    "matched": "matched in norm and activation",
    "TP-": "TP−",
    "TN+": "TN+",
    "AP+": "AP+",
    "AN-": "AN−",
    GROUPS: "the four groups",
    GROUPS_CONTROL: "random, as many as these",
    ALL: ALL,
}
SHOWN = 4  # tokens per language in a cell


def explained_rows(explained: Sheet, policy: str, way: str, language: str = MEAN) -> dict[str, Row]:
    """One policy's shares in one language by set, in the order of the page, then any other set but `unchanged`."""
    rows = {row["neurons"]: row for row in explained.where(policy=policy, way=way, language=language).rows()}
    names = [*SETS, *(name for name in rows if name not in SETS and name != UNCHANGED)]
    return {name: rows[name] for name in names if name in rows}


def probe_table(rows: Mapping[str, Row]) -> Table:
    """Quality of the probe per language."""
    cells: list[list[str | Text]] = [
        [
            label(language),
            count(row["texts"]),
            count(row["toxic"]),
            number(row["auroc"]),
            plain_bracket(row["auroc_low"], row["auroc_high"]),
            number(row["average_precision"]),
            number(row["f1"]),
            percent(row["accuracy"], 1),
            percent(row["majority"], 1),
        ]
        for language, row in rows.items()
    ]
    return Table(
        "The probe on texts it has not seen; accuracy and F use the threshold learned in the language it was trained "
        "in, so beside the larger class they show whether that threshold fits, and not whether another one would.",
        ["", "texts", "toxic", "AUROC", "interval", "average precision", "F1", "accuracy", "larger class"],
        cells,
    )


def sources_table(neurons: Sheet) -> Table:
    """The sources and how many languages their top tokens belong to."""
    rows: list[list[str | Text]] = [
        [
            neuron_name(row),
            number(row["cosine"]),
            number(row["activation"]),
            number(row["languages"], 1),
            _by_chance(row),
            p_value(row["p_fewer"]),
        ]
        for row in neurons.rows()
        if row["actual"]
    ]
    return Table(
        "The sources: cosine of the value vector with the probe, mean activation that selected it, effective number "
        "of languages among the top tokens whose language is known, what as many drawn tokens give with their "
        "interval, and the probability of as few by chance; not what the vector does together with others.",
        ["", "cosine", "activation", "languages", "by chance", "p of as few"],
        rows,
    )


def tokens_table(neurons: Sheet, tokens: Sheet, show_text: bool) -> Table:
    """How many of the sources' top tokens belong to each language, and the first of them, redacted or not."""
    rows: list[list[str | Text]] = []
    for row in neurons.rows():
        if row["actual"]:
            own = (tokens.frame["layer"] == row["layer"]) & (tokens.frame["neuron"] == row["neuron"])
            frame = tokens.frame[own].sort_values("place")
            rows.append([neuron_name(row), _tokens(Sheet(tokens.path, tokens.key, frame), show_text)])
    how = "" if show_text else ", every letter replaced by a block"
    return Table(
        f"The sources’ top tokens: how many belong to a language, and the first of them{how}; a token’s language is "
        "the one it is frequent in, and a token is rarely a whole word.",
        ["", "top tokens by language"],
        rows,
    )


def neuron_name(row: Row) -> str:
    """Where a neuron lies."""
    return f"layer {row['layer']:.0f}, neuron {row['neuron']:.0f}"


def activation_table(rows: Mapping[str, Row]) -> Table:
    """Mean activation of the sources before and after, per language and over the others."""
    cells: list[list[str | Text]] = []
    for language, row in rows.items():
        name = "mean of the others" if language == "others" else label(language)
        cells.append([name, number(row["before"]), number(row["after"]), _with_bracket(row, "change")])
    return Table(
        "Mean activation of the sources over the tokens of sampled continuations, before and after tuning, and its "
        "change with the interval over prompts; it does not say what the activation causes.",
        ["", "before", "after", "change"],
        cells,
        apart=1 if "others" in rows else 0,
    )


def sets_table(restore: Mapping[str, Row], impose: Mapping[str, Row]) -> Table:
    """Share of the drop that each set carries, both ways, and its difference to a control where it has one."""
    rows: list[list[str | Text]] = []
    for name, row in restore.items():
        cells: list[str | Text] = [SETS.get(name, name), count(row["count"])]
        for one in (row, impose[name]):
            cells += [_share(one, "share"), _share(one, "less_control"), _share(one, "less_matched")]
            cells += [number(one["perplexity"], 2)]
        rows.append(cells)
    columns = ["share", "less random", "less matched", "perplexity"]
    return Table(
        "Share of the drop in mean toxicity over all languages that goes (restore) or comes (impose) with a set’s "
        "activations, its difference to random neurons, as many, and to matched ones; shares of sets do not add up, "
        "and a set that carries the effect need not have been where tuning wrote it.",
        ["", "neurons", *columns, *columns],
        rows,
        [("", 2), ("restore", 4), ("impose", 4)],
    )


def languages_table(explained: Sheet, policy: str, languages: Sequence[str]) -> Table:
    """Share that the sources carry, beside random neurons, per language."""
    rows: list[list[str | Text]] = []
    for language in [*languages, MEAN]:
        cells: list[str | Text] = ["mean of all" if language == MEAN else label(language)]
        for way in ("restore", "impose"):
            found = explained_rows(explained, policy, way, language)
            sources, control = found[SOURCES], found["random"]
            cells += [percent(sources["share"]), percent(control["share"]), _share(sources, "less_control")]
        rows.append(cells)
    columns = ["sources", "random", "difference"]
    return Table(
        "Share of the change in a language’s mean toxicity, be it a drop or a rise, that the sources and as many "
        "random neurons carry; a dash where nothing changed, and an undefined interval where in some bootstrap samples "
        "nothing did, so that a language alone says little.",
        ["", *columns, *columns],
        rows,
        [("", 1), ("restore", 3), ("impose", 3)],
        apart=1,
    )


def _tokens(own: Sheet, show_text: bool) -> Text:
    known = own.frame["language"].fillna("unknown")
    sizes = known.value_counts()
    order = sorted(sizes.index, key=lambda name: (name == "unknown", -sizes[name], name))
    parts = []
    for language in order:
        texts = [str(text).strip() for text in own.frame.loc[known == language, "text"].head(SHOWN)]
        words = " ".join(text if show_text else redact(text) for text in texts)
        parts.append(say(f"{language} ", count(own.total(int(sizes[language]))), f": {words}"))
    return join("; ", parts)


def _by_chance(row: Row) -> Text:
    return say(number(row["languages_by_chance"], 1), " ", plain_bracket(row["chance_low"], row["chance_high"], 1))


def _with_bracket(row: Row, name: str) -> Text:
    return say(signed(row[name]), " ", bracket(row[f"{name}_low"], row[f"{name}_high"]))


def _share(row: Row, name: str) -> Text:
    """A share or a difference of shares with its interval; a dash where the table has none."""
    if not math.isfinite(row[name]):
        return say(MISSING)
    shown = percent if name == "share" else signed_percent
    return say(shown(row[name]), " ", percent_bracket(row[f"{name}_low"], row[f"{name}_high"]))
