"""Composes the report's chapter on the scorers: whether they are valid where they judge, and whether they agree."""

from itertools import combinations
from typing import Any

from tasks.engines import mechanism_figures as draw
from tasks.engines.report_blocks import Gallery, Section, table_block
from tasks.engines.report_study import Study
from tasks.science import scorer_tables as tables
from tasks.science.report_tables import label
from tasks.science.wording import Text, say


def scorers(study: Study, gallery: Gallery) -> Section:
    """Validity of every scorer per language, and agreement of every pair."""
    names = list(study.params["score_toxicity"]["scorers"])
    least = float(study.params["compare_scorers"]["least_auroc"])
    confidence = float(study.params["compare_scorers"]["confidence"])
    primary = study.params["score_toxicity"]["primary"]
    sentences: list[str | Text] = [f"EMT and all that follows from it is made of the scores of {primary}."]
    sentences += [tables.validity_verdict(name, study.validity.where(scorer=name).rows(), least) for name in names]
    if (doubt := tables.doubt(study.doubtful, study.unlabelled)) is not None:
        sentences.append(doubt)
    drawn = {}
    for name in names:
        rows = [row for row in study.validity.where(scorer=name).rows() if row["auroc"] == row["auroc"]]
        found = {label(row["language"]): (row["auroc"], row["auroc_low"], row["auroc_high"]) for row in rows}
        if found:
            caption = (
                f"AUROC of {name} against labels per language with its {confidence:.0%} interval over texts, the "
                f"dashed line at {least:.2f}, which an interval must exceed; languages without labels are missing."
            )
            drawn[f"validity-{name}"] = (draw.levels(found, "AUROC", least), caption)
    blocks: list[dict[str, Any]] = [gallery.block(drawn, "two" if len(drawn) > 1 else "")] if drawn else []
    blocks.append(table_block(tables.validity_table(study.validity, names)))
    if len(names) == 1:
        sentences.append("With one scorer nothing tells whether another would see the same effect.")
        return Section("scorers", "Can the scores be trusted?", sentences, blocks)
    for first, second in combinations(names, 2):
        rows = study.agreement.where(scorer_a=first, scorer_b=second).rows()
        rows = rows or study.agreement.where(scorer_a=second, scorer_b=first).rows()
        sentences.append(tables.agreement_verdict((first, second), rows))
    blocks.append(table_block(tables.agreement_table(study.agreement)))
    return Section("scorers", "Can the scores be trusted?", sentences, blocks)


def doubt_finding(study: Study) -> list[tuple[str, Text]]:
    """A line among the findings where no scorer is shown to be valid; none where one is everywhere."""
    found = tables.doubt(study.doubtful, study.unlabelled)
    return [] if found is None else [("In doubt", say(found))]
