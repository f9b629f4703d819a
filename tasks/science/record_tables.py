"""Lays out the report's tables on what was dropped, what is missing and where things come from."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from tasks.science.report_tables import Table, by_language, effects, label
from tasks.science.verdicts import number, percent


def coverage_table(
    prompts: pd.DataFrame, coverage: Mapping[str, Mapping[str, float]], side_effects: pd.DataFrame, base: str
) -> Table:
    """Prompts, scored share and continuations without perplexity per language."""
    counts = prompts.groupby("language")["culture_specific"].agg(["size", "sum"]).reset_index()
    dropped = effects(side_effects, "perplexity_dropped")
    tuned = [values for policy, values in coverage.items() if policy != base]
    rows = []
    for language, count in by_language(counts).items():
        lowest = min((values.get(language, math.nan) for values in tuned), default=math.nan)
        cells = [f"{count['size'] - count['sum']}", f"{count['sum']}"]
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


def drop_table(pairs: Mapping[str, int], reasons: Mapping[str, Mapping[str, pd.Series]]) -> Table:
    """What became of the preference pairs, and which continuations have no value, why.

    Args:
        pairs: Count by what happened.
        reasons: Per kind of value and policy, a reason for each continuation, null where it has the value.
    """
    rows = [["preference pairs", what.replace("_", " "), f"{count:,}", ""] for what, count in pairs.items()]
    for value, policies in reasons.items():
        for policy, given in policies.items():
            who, total = f"continuations of {policy}", f"{len(given):,}"
            counts = given.value_counts().sort_index().to_dict()
            for reason, count in counts.items():
                rows.append(
                    [who, f"no {value}: {reason}", f"{count:,}", f"{percent(count / len(given), 1)} of {total}"]
                )
            if not counts:
                rows.append([who, f"all have a {value}", total, ""])
    return Table(
        "What was read, dropped and kept, with the reasons; a reason without a row did not occur, and what a step "
        "never saw is not counted.",
        ["", "what", "count", "share"],
        rows,
    )


def provenance_table(
    scorer: Mapping[str, Any], paths: Mapping[str, str], runs: Mapping[str, Mapping[str, Any]]
) -> Table:
    """The scorer, and where each policy lies and what trained it."""
    rows = [["toxicity scorer", f"{scorer['id']}, revision {scorer['revision']}, label “{scorer['label']}”"]]
    for policy, path in paths.items():
        if policy not in runs:
            rows.append([policy, path])
            continue
        record = runs[policy]
        versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
        pairs = " and ".join(f"{count:,} {split}" for split, count in record["pairs"].items())
        rows.append([policy, f"{path}: seed {record['seed']}, {pairs} pairs, on {record['device']}; {versions}"])
    return Table(
        "Who was judged and by whom, and with which versions the policies were trained; the digests are in dvc.lock, "
        "not here.",
        ["", "identity"],
        rows,
    )
