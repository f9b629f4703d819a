"""The probe of toxicity and the value vectors nearest to it."""

from collections.abc import Mapping, Sequence

from tasks.reporting.examples import redact
from tasks.reporting.page import Gallery, Part, Section, Table, section, table_block
from tasks.reporting.row_charts import CHANCE, beside_chance, levels
from tasks.reporting.rows import Row, by_language
from tasks.reporting.sourced import Sheet, derived
from tasks.reporting.study import Study
from tasks.reporting.wording import (
    Text,
    count,
    join,
    label,
    listing,
    name_of,
    number,
    p_value,
    percent,
    plain_bracket,
    say,
)

PROBE_LANGUAGE = "en"  # prepare_labelled has texts to train on in no other
SHOWN = 4  # tokens per language in a cell


def chapter(study: Study, gallery: Gallery, show_text: bool) -> Section:
    """In which languages toxicity can be read from the base model, and which value vectors promote it."""
    parts = [_probe(study, gallery), _vectors(study, gallery, show_text)]
    return section("toxic-vectors", "Where the base model keeps toxicity", parts)


def _probe(study: Study, gallery: Gallery) -> Part:
    """In which languages toxicity can be read from the base model."""
    rows = by_language(study.mechanism.probe)
    caption = (
        "AUROC of the linear probe of toxicity per language with its interval over texts, the dashed line at chance; "
        "it shows what can be read from the base model, not what the model uses."
    )
    found = {label(name): (row["auroc"], row["auroc_low"], row["auroc_high"]) for name, row in rows.items()}
    figure = levels(found, "AUROC", CHANCE)
    sentence = probe_verdict(PROBE_LANGUAGE, rows)
    return [sentence], [gallery.block({"probe": (figure, caption)}), table_block(probe_table(rows))]


def _vectors(study: Study, gallery: Gallery, show_text: bool) -> Part:
    """What the value vectors nearest to the probe promote."""
    rows = study.mechanism.neurons.rows()
    names = {neuron_name(row): row for row in rows}
    chance = {name: (row["languages_by_chance"], row["chance_low"], row["chance_high"]) for name, row in names.items()}
    caption = (
        "Effective number of languages among the top tokens of each candidate, nearest to the probe on top, on the "
        "interval of as many drawn tokens; none where no token’s language is known. It shows what a vector promotes "
        "at the output, not when."
    )
    figure = beside_chance(
        {name: row["languages"] for name, row in names.items()},
        chance,
        [name for name, row in names.items() if row["actual"]],
    )
    source = str(study.params["find_toxic_neurons"]["source"])
    sentence = sources_verdict(source, rows, 1 - study.mechanism_confidence)
    shown = tokens_table(study.mechanism.neurons, study.mechanism.tokens, show_text)
    blocks = [table_block(sources_table(study.mechanism.neurons)), table_block(shown, "words")]
    return [sentence], [gallery.block({"vectors": (figure, caption)}), *blocks]


def probe_verdict(trained_on: str, rows: Mapping[str, Row]) -> Text:
    """In which languages the probe tells toxic from other texts, and in which its threshold holds."""
    lows, accuracies = [row["auroc_low"] for row in rows.values()], [row["accuracy"] for row in rows.values()]
    above = [language for language, row in rows.items() if row["auroc_low"] > CHANCE]
    better = [language for language, row in rows.items() if row["accuracy"] > row["majority"]]
    total = count(derived(len(rows), *lows))
    sentence = say(
        f"Trained on {name_of(trained_on)} only, the probe ranks texts by toxicity better than chance in ",
        count(derived(len(above), *lows)),
        " of ",
        total,
        " languages",
    )
    rest = [name_of(language) for language in rows if language not in above]
    if above and rest:
        sentence = say(sentence, "; not shown in ", listing(rest))
    return say(
        sentence,
        f". At the threshold learned in {name_of(trained_on)}, its accuracy exceeds that of always predicting the "
        f"majority class in ",
        count(derived(len(better), *accuracies)),
        " of ",
        total,
        ".",
    )


def sources_verdict(source: str, neurons: Sequence[Row], alpha: float) -> Text:
    """How many candidates are active, and whether their tokens belong to fewer languages than chance gives."""
    actual = [row for row in neurons if row["actual"]]

    def below(rows: Sequence[Row], name: str) -> Text:
        return count(derived(sum(row[name] < alpha for row in rows), *[row["cosine"] for row in rows]))

    def size(rows: Sequence[Row]) -> Text:
        return count(derived(len(rows), *[row["cosine"] for row in rows]))

    return say(
        size(actual),
        " of ",
        size(neurons),
        f" candidates, the value vectors nearest to the probe, are active on {name_of(source)} prompts and count as "
        "sources. The top tokens of ",
        below(actual, "p_fewer"),
        " sources and of ",
        below(neurons, "p_fewer"),
        " candidates belong to fewer languages than as many randomly drawn tokens; those of ",
        below(actual, "p_more"),
        " and ",
        below(neurons, "p_more"),
        f" belong to more (α = {alpha:.2g}, not corrected for the number of vectors).",
    )


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
        "in, so compared with the majority class they show whether that threshold fits, not whether another one would.",
        ["", "texts", "toxic", "AUROC", "interval", "average precision", "F1", "accuracy", "majority class"],
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
