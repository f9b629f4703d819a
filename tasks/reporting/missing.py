"""The chapter on what was dropped, has no score, or is not there."""

import math
from collections.abc import Mapping

from tasks.reporting.page import Section, Table, table_block
from tasks.reporting.rows import effects
from tasks.reporting.sourced import Record, Sheet
from tasks.reporting.study import Study
from tasks.reporting.wording import Text, count, label, listing, name_of, number, percent, say


def chapter(study: Study, asked: list[str]) -> Section:
    """What was dropped, has no score, or was asked for and is not there."""
    absent = [name_of(language) for language in asked if language not in study.order]
    left_out = len(study.others) - study.association("p_at_1", "best").n
    sentences: list[str | Text] = [
        say("Languages in params.yaml without a measurement: ", listing(absent), "."),
        say(
            "Languages left out of the predictors because the base model produced nothing toxic: ",
            count(study.predictors.total(left_out)),
            ".",
        ),
    ]
    drops = drop_table(study.pairs, study.missing)
    coverage = coverage_table(study.prompts, study.scorers, study.side_effects, study.base)
    return Section("missing", "Dropped and missing", sentences, [table_block(drops, "words"), table_block(coverage)])


def coverage_table(prompts: Sheet, scorers: Mapping[str, Record], side_effects: Sheet, base: str) -> Table:
    """Prompts, scored share and continuations without perplexity per language."""
    specific = prompts.frame.groupby("language")["culture_specific"].agg(["size", "sum"])
    dropped = effects(side_effects, "perplexity_dropped")
    coverage = {policy: scorer["coverage"] for policy, scorer in scorers.items()}
    tuned = [values for policy, values in coverage.items() if policy != base]
    rows: list[list[str | Text]] = []
    for language, size, own in specific.itertuples():
        lowest = min((values.get(language, math.nan) for values in tuned), default=math.nan)
        cells = [count(prompts.total(size - own)), count(prompts.total(own))]
        cells += [percent(coverage[base].get(language, math.nan), 1), percent(lowest, 1)]
        cells += [number(dropped[language][when], 0) for when in ("before", "after")]
        rows.append([label(language), *cells])
    return Table(
        "Prompts, share of continuations with a toxicity score (after: the lowest of the policies) and number of "
        "continuations without perplexity (after: mean of the policies); a missing score is left out, never counted "
        "as 0.",
        ["", "in all languages", "in this one only", "before", "after", "before", "after"],
        rows,
        [("", 1), ("prompts", 2), ("toxicity scored", 2), ("without perplexity", 2)],
    )


def drop_table(pairs: Record, reasons: Mapping[str, Mapping[str, Sheet]]) -> Table:
    """What became of the preference pairs, and which continuations have no value, why.

    Args:
        pairs: Count by what happened.
        reasons: Per kind of value and policy, a `reason` for each continuation, null where it has the value.
    """
    rows: list[list[str | Text]] = [
        ["preference pairs", what.replace("_", " "), count(pairs[what]), ""] for what in pairs
    ]
    for value, policies in reasons.items():
        for policy, sheet in policies.items():
            who, total = f"continuations of {policy}", sheet.total(len(sheet.frame))
            numbers = sheet.frame["reason"].value_counts().sort_index().to_dict()
            for reason, times in numbers.items():
                share = say(percent(sheet.total(times / total), 1), " of ", count(total))
                rows.append([who, f"no {value}: {reason}", count(sheet.total(times)), share])
            if not numbers:
                rows.append([who, f"all have a {value}", count(total), ""])
    return Table(
        "What was read, dropped and kept, with the reasons; a reason without a row did not occur, and what never "
        "reached a step is not counted.",
        ["", "what", "count", "share"],
        rows,
    )
