"""The chapter on toxicity before and after tuning, language by language."""

from collections.abc import Mapping, Sequence

from tasks.reporting.charts import Chart, Pair
from tasks.reporting.page import Gallery, Section, Table, table_block
from tasks.reporting.row_charts import before_after
from tasks.reporting.rows import OTHERS, TOXICITY, toxicity
from tasks.reporting.scorers import doubts
from tasks.reporting.sourced import Sheet, derived
from tasks.reporting.study import Change, Study
from tasks.reporting.wording import (
    Text,
    bracket,
    count,
    listing,
    marked,
    name_of,
    number,
    p_value,
    percent,
    reduction,
    say,
    signed,
    signed_percent,
    span,
)

WEAK = 0.5  # share of the source language's relative reduction below which transfer is called weak


def chapter(study: Study, gallery: Gallery) -> Section:
    """Toxicity before and after, per language."""
    sentences: list[str | Text] = [
        "EMT is the mean over prompts of the highest toxicity among the continuations of a prompt, ToxProb the share "
        "of prompts with a toxic continuation, AvgTox the mean over continuations.",
        f"Intervals come from a bootstrap over prompts and {study.replicates}; {study.with_replicates} they "
        f"{'leave out' if len(study.tuned) == 1 else 'understate'} the variation between training runs.",
    ]
    specific = toxicity(study.languages, "emt", "culture_specific")
    if OTHERS in specific:
        source, change = study.change(study.source), study.change(OTHERS, "culture_specific")
        number, prompts = study.languages.total(len(study.others)), count(specific[OTHERS]["prompts"])
        verdict = transfer_verdict(study.source, source, change, number, study.confidence)
        which = say("On the ", prompts, " prompts that exist in one language only, which no other result includes: ")
        sentences.append(say(which, verdict))
    sentences += doubts(study)
    caption = (
        f"EMT per language before and after tuning with {study.confidence:.0%} intervals, sorted by change; black "
        f"ticks show the single {study.replicates}. Overlapping intervals do not rule out a change, since prompts "
        f"are paired (see the table)."
    )
    figure = gallery.block({"languages": (emt_figure(study.languages, study.order, study.marks), caption)})
    table = toxicity_table(study.languages, study.order, study.confidence, study.replicates, study.marks)
    return Section("languages", "Toxicity by language", sentences, [figure, table_block(table)])


def source_verdict(language: str, change: Change, confidence: float) -> Text:
    """What tuning did to the language of the pairs."""
    verb = {-1: "falls", 0: "does not measurably change", 1: "rises"}[change.direction]
    sentence = say(f"{name_of(language)} EMT {verb}, ", _course(change, confidence), ".")
    if change.direction < 0:
        return sentence
    return say(sentence, f" Tuning did not detoxify {name_of(language)} itself, so nothing below measures transfer.")


def transfer_verdict(source: str, source_change: Change, change: Change, languages: float, confidence: float) -> Text:
    """What tuning did to the mean of the other languages, against the source language."""
    mean, course = say("The mean EMT of the ", count(languages), " other languages "), _course(change, confidence)
    if change.direction > 0:
        return say(mean, "rises, ", course, ": they became more toxic.")
    if change.direction == 0:
        return say(mean, "goes ", course, "; the interval includes 0, so on average no transfer is shown.")
    sentence = say(mean, "falls, ", course, ".")
    if source_change.direction >= 0:
        return sentence
    share = change.relative_change / source_change.relative_change
    degree = "weak" if share < WEAK else "full" if share >= 1 else "partial"
    here, there = reduction(source_change.relative_change), reduction(change.relative_change)
    ratio = say(there, " against ", here, f" in {name_of(source)}")
    return say(sentence, f" Transfer is {degree}: a relative reduction of ", ratio, ".")


def significance_verdict(changes: Mapping[str, Change], p_holm: Mapping[str, float], alpha: float) -> Text:
    """In how many languages the drop is significant, in which it is not, and which became more toxic."""
    dropped = [name for name, change in changes.items() if change.change < 0 and p_holm[name] < alpha]
    others = [name_of(name) for name in changes if name not in dropped]
    exceptions = say("; not in ", listing(others)) if dropped and others else ""
    sentence = say(
        f"The drop is significant after Holm’s correction (α = {alpha:.2g}) in ",
        count(derived(len(dropped), *p_holm.values())),
        " of ",
        count(derived(len(changes), *p_holm.values())),
        " languages",
        exceptions,
        ".",
    )
    rose = {name: change for name, change in changes.items() if change.change > 0}
    sure = [_rise(name, change) for name, change in rose.items() if p_holm[name] < alpha]
    unsure = [_rise(name, change) for name, change in rose.items() if p_holm[name] >= alpha]
    if sure:
        sentence = say(sentence, " Significantly more toxic: ", listing(sure), ".")
    if unsure:
        sentence = say(sentence, " Higher after tuning, but not significantly: ", listing(unsure), ".")
    return sentence if rose else say(sentence, " No estimate is higher after tuning.")


def emt_figure(languages: Sheet, order: Sequence[str], marks: Mapping[str, str]) -> Chart:
    """EMT before and after per language, marked or not, and of the mean over the others, with intervals and seeds."""
    emt = toxicity(languages, "emt")
    rows = [
        Pair(
            "mean of the others" if name == OTHERS else marked(name, marks),
            row["before"],
            row["after"],
            (row["before_low"], row["before_high"]),
            (row["after_low"], row["after_high"]),
            tuple(float(value) for value in str(row["after_by_seed"]).split()),
        )
        for name, row in ((name, emt[name]) for name in [*order, OTHERS])
    ]
    return before_after(rows, "expected maximum toxicity (EMT), 0 to 1", last_apart=True)


def toxicity_table(
    languages: Sheet, order: Sequence[str], confidence: float, runs: str, marks: Mapping[str, str]
) -> Table:
    """Every toxicity metric per language, and of the mean over the others.

    Args:
        languages: By language.
        order: Of the languages.
        confidence: Level of the intervals.
        runs: What the policies are called.
        marks: Of languages whose scores are not shown to be valid.
    """
    metrics = {name: toxicity(languages, name) for name in TOXICITY}
    rows: list[list[str | Text]] = []
    for language in [*order, OTHERS]:
        cells: list[str | Text] = [marked(language, marks) if language != OTHERS else "mean of the others"]
        for name, table in metrics.items():
            row = table[language]
            scale, digits = (100, 0) if name == "toxprob" else (1, 3)
            shown = percent if name == "toxprob" else number
            cells += [shown(row[when]) for when in ("before", "after")]
            interval = bracket(row["change_low"], row["change_high"], digits, scale)
            cells += [say(signed(row["change"], digits, scale), " ", interval)]
            cells += [signed_percent(row["relative_change"]), p_value(row["p_holm"])]
            cells += [p_value(row["p_mcnemar"])] if name == "toxprob" else []
        rows.append(cells)
    common = ["before", "after", "change", "relative", "Holm p"]
    found = sorted(set(marks.values()))
    return Table(
        say(
            f"Toxicity before and after tuning, change with its {confidence:.0%} interval (ToxProb in percentage "
            "points), Holm-adjusted p of the sign-flip test over the ",
            count(languages.total(len(order))),
            f" languages, and for ToxProb the largest exact McNemar p of the {runs}, unadjusted. Scores do not say "
            f"how toxic a text is to a reader." + (f" {' and '.join(found)}: see the findings." if found else ""),
        ),
        ["", *common, *common, "McNemar p", *common],
        rows,
        [("", 1), ("EMT", 5), ("ToxProb", 6), ("AvgTox", 5)],
        apart=1,
    )


def _course(change: Change, confidence: float) -> Text:
    return say(
        "from ",
        number(change.before),
        " to ",
        number(change.after),
        " (change ",
        signed(change.change),
        f", {confidence:.0%} interval ",
        span(change.change_low, change.change_high, 3),
        ")",
    )


def _rise(language: str, change: Change) -> Text:
    return say(f"{name_of(language)} (", signed(change.change), ")")
