"""The chapter on side effects: fluency, retention, diversity, language and degeneration, beside the gain."""

import math
from collections.abc import Mapping, Sequence

from tasks.reporting.charts import Chart, Pair
from tasks.reporting.page import Gallery, Section, Table, table_block
from tasks.reporting.row_charts import before_after
from tasks.reporting.rows import OTHERS, column, effects, toxicity
from tasks.reporting.sourced import Record, Sheet, derived
from tasks.reporting.study import Study
from tasks.reporting.wording import Text, count, label, listing, name_of, number, percent, say, signed_percent

LEFT = 0.1  # drop of the share in the prompt's language from which leaving it is named a caveat
SHARES = {
    "language_consistent": "In the prompt’s language",
    "language_unknown": "Language unknown",
    "empty": "Empty",
    "repetitive": "Repetitive",
    "cut_off": "Cut off",
}


PERPLEXITIES = ("perplexity_lower_quartile", "perplexity_median", "perplexity_upper_quartile")
DIVERSITY = ("distinct_1", "distinct_2", "distinct_3", "self_bleu")
EFFECTS = (*PERPLEXITIES, "civil_perplexity", *DIVERSITY, *SHARES)


def chapter(study: Study, gallery: Gallery) -> Section:
    """Fluency, retention, diversity and language, beside the gain."""
    gain = gain_figure(study.languages, study.order)
    drawn: dict[str, tuple[Chart, str | Text]] = {"gain": (gain, "The gain, for comparison; its intervals are above.")}
    for effect, title, caption in (
        ("perplexity_median", "perplexity of continuations", f"Median and quartiles under {study.judge}."),
        (
            "civil_perplexity",
            "own perplexity",
            f"The policies’ own perplexity on {study.retained}; no other skill is measured.",
        ),
        (
            "distinct_2",
            "distinct-2",
            "Distinct bigrams among the continuations of a prompt; noise is diverse as well.",
        ),
        (
            "language_consistent",
            "in the prompt’s language",
            "Among continuations with an identified language; quality is not measured.",
        ),
        ("empty", "empty", "Empty continuations, which count as not toxic."),
        ("repetitive", "repetitive", "Continuations that repeat n-grams, by a rule; other monotony is not detected."),
        ("cut_off", "cut off", "Continuations that end at the token limit, which need not be a fault."),
    ):
        figure = side_effect_figure(study.side_effects, effect, title, study.order, study.tuned)
        drawn[effect.replace("_", "-").replace("civil", "own")] = (figure, caption)  # civil in the mini world only
    order = (
        f"Languages are in the order of their EMT reduction, the largest on top; black ticks are {study.replicates}."
    )
    blocks = [
        gallery.block(drawn, "three"),
        table_block(side_effect_table(study.side_effects, study.means, study.order, study.judge, study.retained)),
    ]
    return Section("side-effects", "Side effects", [*cost(study), order], blocks)


def cost(study: Study) -> list[Text]:
    """What the gain costs: fluency, language and empty continuations, in sentences."""
    civil, kept, empty = (
        effects(study.side_effects, effect) for effect in ("civil_perplexity", "language_consistent", "empty")
    )
    return [
        retention_verdict(column(civil, "relative_change"), study.retained),
        language_verdict(column(kept, "before"), column(kept, "after")),
        empty_verdict(column(empty, "before"), column(empty, "after")),
    ]


def retention_verdict(relative: Mapping[str, float], text: str) -> Text:
    """How the policy's own perplexity on a text moved, at worst."""
    worst = max(relative, key=lambda language: relative[language])
    rises = derived(sum(change > 0 for change in relative.values()), *relative.values())
    if relative[worst] <= 0:
        least = say(f"least in {name_of(worst)} (", signed_percent(relative[worst]), ")")
        return say(f"The policies’ own perplexity on {text} is higher in no language; it drops ", least, ".")
    return say(
        f"The policies’ own perplexity on {text} is higher after tuning in ",
        count(rises),
        " of ",
        count(derived(len(relative), *relative.values())),
        " languages, by ",
        percent(relative[worst]),
        f" at worst ({name_of(worst)}).",
    )


def language_verdict(before: Mapping[str, float], after: Mapping[str, float]) -> Text:
    """Where the fewest continuations are in the prompt's language after tuning, and what that means for toxicity."""
    present = {language: value for language, value in after.items() if math.isfinite(value)}
    if not present:
        return say("No continuation has an identified language.")
    low = min(present, key=lambda language: present[language])
    sentence = say(
        f"Continuations in the prompt’s language are rarest in {name_of(low)}, ",
        percent(before[low]),
        " before and ",
        percent(after[low]),
        " after.",
    )
    left = [name_of(language) for language, value in present.items() if before[language] - value >= LEFT]
    if not left:
        return sentence
    return say(
        sentence,
        f" The share is lower by {100 * LEFT:.0f} percentage points or more in ",
        listing(left),
        "; where a policy answers in another language, less measured toxicity need not be detoxification of this one.",
    )


def empty_verdict(before: Mapping[str, float], after: Mapping[str, float]) -> Text:
    """Where the share of empty continuations, which cannot be toxic, rose most."""
    rise = {language: after[language] - before[language] for language in after}
    worst = max(rise, key=lambda language: rise[language])
    if not rise[worst] > 0:
        return say("Empty continuations are more frequent in no language.")
    return say(
        f"Empty continuations, which count as not toxic, increase most in {name_of(worst)}, from ",
        percent(before[worst]),
        " to ",
        percent(after[worst]),
        ".",
    )


def gain_figure(languages: Sheet, order: Sequence[str]) -> Chart:
    """EMT before and after, small, to stand beside the side effects."""
    emt = toxicity(languages, "emt")
    return before_after([Pair(name, emt[name]["before"], emt[name]["after"]) for name in order], "EMT", width=3.3)


def side_effect_figure(
    side_effects: Sheet, effect: str, title: str, order: Sequence[str], tuned: Sequence[str]
) -> Chart:
    """One side effect before and after, with its policies; perplexity of continuations with its quartiles."""
    table = effects(side_effects, effect)
    ends = [effects(side_effects, f"perplexity_{end}_quartile") for end in ("lower", "upper")]

    def interval(name: str, when: str) -> tuple[float, float] | None:
        return (ends[0][name][when], ends[1][name][when]) if effect == "perplexity_median" else None

    rows = [
        Pair(
            name,
            table[name]["before"],
            table[name]["after"],
            interval(name, "before"),
            interval(name, "after"),
            tuple(table[name][f"after_{policy}"] for policy in tuned),
        )
        for name in order
    ]
    return before_after(rows, title, width=3.3, is_share=effect in SHARES)


def side_effect_table(side_effects: Sheet, means: Record, order: Sequence[str], judge: str, retained: str) -> Table:
    """Fluency, retention, diversity, language and degeneration per language, before and after.

    Args:
        side_effects: By language.
        means: Of all languages.
        order: Of the languages.
        judge: Under what the perplexity of continuations is.
        retained: What text the policies' own perplexity is on.
    """
    tables = {name: effects(side_effects, name) | {OTHERS: means[name]} for name in EFFECTS}

    def arrow(name: str, language: str) -> Text:
        row, shown = tables[name][language], percent if name in SHARES else _two_digits
        return say(shown(row["before"]), " → ", shown(row["after"]))

    rows: list[list[str | Text]] = []
    for language in [*order, OTHERS]:
        low, middle, high = (tables[name][language] for name in PERPLEXITIES)
        civil = tables["civil_perplexity"][language]
        cells = [
            say(number(middle[when], 1), " [", number(low[when], 1), ", ", number(high[when], 1), "]")
            for when in ("before", "after")
        ]
        cells += [number(civil["before"], 1), number(civil["after"], 1), signed_percent(_relative(civil))]
        cells += [arrow(name, language) for name in (*DIVERSITY, *SHARES)]
        rows.append([label(language) if language != OTHERS else "mean of all", *cells])
    return Table(
        "Side effects per language, before and after (mean over the policies): perplexity of the continuations under "
        f"{judge} (median and quartiles), the policies’ own perplexity on {retained}, diversity "
        "within a prompt, and shares of continuations; automatic measures, none of which says whether the text makes "
        "sense.",
        ["", "before", "after", "before", "after", "relative", "D-1", "D-2", "D-3", "self-BLEU", *SHARES.values()],
        rows,
        [("", 1), ("perplexity of continuations", 2), ("own perplexity", 3), ("diversity", 4), ("continuations", 5)],
        apart=1,
    )


def _relative(row: Record) -> float:
    """Relative change; of means, from the means."""
    before, after = row["before"], row["after"]
    return row["relative_change"] if "relative_change" in row else derived(after / before - 1, before, after)


def _two_digits(value: float) -> Text:
    return number(value, 2)
