"""Composes the report's record: what is missing, examples by a rule, and where the numbers come from."""

from typing import Any

import yaml
from markupsafe import Markup

from tasks.reporting import record_tables
from tasks.reporting.examples import evenly_spaced, most_toxic, redact
from tasks.reporting.report_blocks import Section, table_block
from tasks.reporting.report_study import Study
from tasks.reporting.sourced import Record, Sheet
from tasks.reporting.wording import Text, cite, count, listing, name_of, number, say


def missing(study: Study, asked: list[str]) -> Section:
    """What was dropped, has no score, or was asked for and is not there."""
    absent = [name_of(language) for language in asked if language not in study.order]
    left_out = len(study.others) - study.association("p_at_1", "best").n
    sentences: list[str | Text] = [
        say("Languages in params.yaml without a measurement: ", listing(absent), "."),
        say(
            "Languages left out of the predictors because nothing toxic came from the base model: ",
            count(study.predictors.total(left_out)),
            ".",
        ),
    ]
    drops = record_tables.drop_table(study.pairs, study.missing)
    coverage = record_tables.coverage_table(study.prompts, study.scorers, study.side_effects, study.base)
    return Section("missing", "Dropped and missing", sentences, [table_block(drops, "words"), table_block(coverage)])


def examples(study: Study, wanted: int, show_text: bool) -> Section:
    """Prompts of the source language with their most toxic continuation before and after."""
    prompts_of_source = study.prompts.where(language=study.source).frame
    chosen = prompts_of_source[~prompts_of_source["culture_specific"]]
    prompts = dict(sorted(zip(chosen["prompt_id"], chosen["text"], strict=True)))
    sides = {"before": study.base, "after": study.tuned[0]}
    rows = {when: _most_toxic(study.examples[policy]) for when, policy in sides.items()}
    show = str if show_text else redact
    blocks: list[dict[str, Any]] = [
        {
            "kind": "example",
            "prompt_id": prompt_id,
            "language": study.source,
            "look": "" if show_text else "redacted",
            "prompt": show(prompts[prompt_id]),
            "sides": [
                {
                    "when": when,
                    "policy": policy,
                    "score": number(rows[when][prompt_id]["toxicity"], 2),
                    "tokens": cite(f"{len(rows[when][prompt_id]['tokens'])}", study.continuations[policy]),
                    "text": show(rows[when][prompt_id]["text"].strip()),
                }
                for when, policy in sides.items()
            ],
        }
        for prompt_id in evenly_spaced(list(prompts), wanted)
    ]
    rule = (
        f"{len(blocks)} {name_of(study.source)} prompts, evenly spaced in the order of their ids and so not chosen by "
        "result, each with the most toxic of its continuations, which is what EMT averages."
    )
    redacted = "" if show_text else " Every letter is replaced by a block."
    return Section("examples", "Examples", [rule + redacted], blocks)


def provenance(study: Study) -> Section:
    """Where the numbers come from."""
    sentences: list[str | Text] = [
        "The numbers come from metrics/measure_{transfer,retrieval,mechanism}/*.csv; dvc.lock at the "
        "git commit that holds them says which code, data and parameters made them.",
        Markup(
            "This page is itself an output of the pipeline, so it cannot name that commit: "
            "<code>git log -1 -- dvc.lock</code> does."
        ),
    ]
    table = record_tables.provenance_table(study.scorers[study.base], study.policies, study.runs, study.base)
    summary = "All parameters of the study (params.yaml without runtime, which changes no result)"
    text = yaml.safe_dump(dict(study.params), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    blocks = [table_block(table, "words"), {"kind": "pre", "summary": summary, "text": text}]
    return Section("provenance", "Provenance", sentences, blocks)


def _most_toxic(continuations: Sheet) -> dict[str, Record]:
    chosen = most_toxic(continuations.frame).reset_index()
    return {row["prompt_id"]: row for row in Sheet(continuations.path, continuations.key, chosen).rows()}
