"""The chapter on where the numbers come from."""

from collections.abc import Mapping

import yaml
from markupsafe import Markup

from tasks.reporting.page import Section, Table, table_block
from tasks.reporting.sourced import Record
from tasks.reporting.study import Study
from tasks.reporting.wording import Text, cite, count, join, say


def chapter(study: Study) -> Section:
    """Where the numbers come from."""
    sentences: list[str | Text] = [
        "The numbers come from metrics/measure_{transfer,retrieval,mechanism}/*.csv; dvc.lock at the "
        "git commit that holds them says which code, data and parameters made them.",
        Markup(
            "This page is itself an output of the pipeline, so it cannot name that commit: "
            "<code>git log -1 -- dvc.lock</code> does."
        ),
    ]
    table = provenance_table(study.scorers[study.base], study.policies, study.runs, study.base)
    summary = "All parameters of the study (params.yaml without runtime, which changes no result)"
    text = yaml.safe_dump(dict(study.params), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    blocks = [table_block(table, "words"), {"kind": "pre", "summary": summary, "text": text}]
    return Section("provenance", "Provenance", sentences, blocks)


def provenance_table(scorer: Record, paths: Mapping[str, str], runs: Mapping[str, Record], base: str) -> Table:
    """The scorer, and where each policy lies and what trained it."""
    revision = cite(scorer["revision"], scorer.key("revision"))
    rows: list[list[str | Text]] = [
        ["toxicity scorer", say(f"{scorer['id']}, revision ", revision, f", label “{scorer['label']}”")]
    ]
    for policy, path in paths.items():
        if policy not in runs:
            rows.append([policy, path if policy == base else f"{path}: not trained in this study"])
            continue
        record = runs[policy]
        pairs = join(" and ", [say(count(number), f" {split}") for split, number in record["pairs"].items()])
        versions = [
            say(f"{name} ", cite(version, record["versions"].key(name))) for name, version in record["versions"].items()
        ]
        device = cite(record["device"], record.key("device"))
        trained = say(": seed ", count(record["seed"]), ", ", pairs, " pairs, on ", device, "; ", join(", ", versions))
        rows.append([policy, say(path, trained)])
    return Table(
        f"The scorer and the policies{', and with which versions the policies were trained' if runs else ''}; their "
        f"digests are in dvc.lock.",
        ["", "identity"],
        rows,
    )
