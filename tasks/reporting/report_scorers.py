"""Composes the report's chapter on the scorers: whether they are valid where they judge, and whether they agree."""

from itertools import combinations
from typing import Any

from tasks.reporting import scorer_figures as draw
from tasks.reporting import scorer_tables as tables
from tasks.reporting.report_blocks import Gallery, Section, table_block
from tasks.reporting.report_study import Study
from tasks.reporting.report_tables import label
from tasks.reporting.wording import Text, join


def scorers(study: Study, gallery: Gallery) -> Section:
    """Validity of every scorer per language, and agreement of every pair."""
    names = list(study.params["score_toxicity"]["scorers"])
    least = float(study.params["compare_scorers"]["least_auroc"])
    sentences: list[str | Text] = [f"EMT and all that follows from it is made of the scores of {study.primary}."]
    sentences += [tables.validity_verdict(name, study.validity.where(scorer=name).rows(), least) for name in names]
    if study.params["prepare_labelled"]["kind"] == "mini":
        sentences.append(
            "The labels of the mini world are its own insults, which its lexicon knows: that the lexicon finds them "
            "shows that nothing is lost on the way, and nothing about a scorer of real text."
        )
    blocks: list[dict[str, Any]] = [table_block(tables.scorers_table(study.judges), "words")]
    blocks += _figure(study, gallery, names, least)
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
    """A line among the findings where no scorer, or not the primary one, is shown to be valid; none where it is."""
    found = doubts(study)
    return [("In doubt", join(" ", found))] if found else []


def doubts(study: Study) -> list[Text]:
    """What is said wherever languages are concluded on whose scores are not shown to be valid."""
    marked = {
        mark: [name for name, found in study.marks.items() if found == mark] for mark in (tables.NONE, tables.TOO)
    }
    found = [tables.doubt(marked[tables.NONE], study.unlabelled)]
    found.append(tables.primary_doubt(study.primary, marked[tables.TOO]))
    return [text for text in found if text is not None]


def _figure(study: Study, gallery: Gallery, names: list[str], least: float) -> list[dict[str, Any]]:
    found = {
        name: {
            label(row["language"]): draw.Level(row["auroc"], row["auroc_low"], row["auroc_high"], tables.is_valid(row))
            for row in study.validity.where(scorer=name).rows()
            if tables.is_known(row)
        }
        for name in names
    }
    rows = [label(language) for language in sorted(study.validity.frame["language"].unique())]
    if not any(found.values()):
        return []
    confidence = float(study.params["compare_scorers"]["confidence"])
    caption = (
        f"AUROC against labels per language with its {confidence:.0%} interval over texts, the dotted line at chance, "
        f"the dashed one at {least:.2f}, which the whole interval must exceed for a filled mark; a language without a "
        "mark has no labels or no scores. It shows how texts are ranked within a language, not that scores mean the "
        "same in two."
    )
    return [gallery.block({"validity": (draw.validity(found, rows, least), caption)})]
