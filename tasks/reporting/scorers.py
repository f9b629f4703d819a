"""The chapter on the scorers: whether they are valid where they judge, and whether they agree."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from tasks.reporting.page import Gallery, Section, Table, table_block
from tasks.reporting.row_charts import Level, validity_panels
from tasks.reporting.sourced import Record, Sheet, derived
from tasks.reporting.study import NONE, TOO, Study, is_known, is_valid
from tasks.reporting.wording import Text, cite, count, join, label, listing, name_of, number, plain_bracket, say, signed

UNLABELLED = "–"


def chapter(study: Study, gallery: Gallery) -> Section:
    """Validity of every scorer per language, and agreement of every pair."""
    names = list(study.params["score_toxicity"]["scorers"])
    least = float(study.params["compare_scorers"]["least_auroc"])
    sentences: list[str | Text] = [f"EMT and everything derived from it uses the scores of {study.primary}."]
    sentences += [validity_verdict(name, study.scoring.validity.where(scorer=name).rows(), least) for name in names]
    if study.params["prepare_labelled"]["kind"] == "mini":
        sentences.append(
            "In the mini world the labels are its own insults, all of which the lexicon knows. A perfect score shows "
            "only that the pipeline loses none of them; it says nothing about scorers of real text."
        )
    blocks: list[dict[str, Any]] = [table_block(scorers_table(study.scoring.judges), "words")]
    blocks += _figure(study, gallery, names, least)
    blocks.append(table_block(validity_table(study.scoring.validity, names)))
    if len(names) == 1:
        sentences.append("With a single scorer, agreement cannot be checked.")
        return Section("scorers", "Can the scores be trusted?", sentences, blocks)
    for first, second in combinations(names, 2):
        rows = study.scoring.agreement.where(scorer_a=first, scorer_b=second).rows()
        rows = rows or study.scoring.agreement.where(scorer_a=second, scorer_b=first).rows()
        sentences.append(agreement_verdict((first, second), rows))
    blocks.append(table_block(agreement_table(study.scoring.agreement)))
    return Section("scorers", "Can the scores be trusted?", sentences, blocks)


def doubt_finding(study: Study) -> list[tuple[str, Text]]:
    """A line among the findings where no scorer, or not the primary one, is shown to be valid; none where it is."""
    found = doubts(study)
    return [("Caveat", join(" ", found))] if found else []


def doubts(study: Study) -> list[Text]:
    """What is said wherever languages are concluded on whose scores are not shown to be valid."""
    marked = {mark: [name for name, found in study.marks.items() if found == mark] for mark in (NONE, TOO)}
    found = [doubt(marked[NONE], study.scoring.unlabelled)]
    found.append(primary_doubt(study.primary, marked[TOO]))
    return [text for text in found if text is not None]


def _figure(study: Study, gallery: Gallery, names: list[str], least: float) -> list[dict[str, Any]]:
    found = {
        name: {
            label(row["language"]): Level(row["auroc"], row["auroc_low"], row["auroc_high"], is_valid(row))
            for row in study.scoring.validity.where(scorer=name).rows()
            if is_known(row)
        }
        for name in names
    }
    rows = [label(language) for language in sorted(study.scoring.validity.frame["language"].unique())]
    if not any(found.values()):
        return []
    confidence = float(study.params["compare_scorers"]["confidence"])
    caption = (
        f"AUROC against labels per language with its {confidence:.0%} interval over texts, the dotted line at chance, "
        f"the dashed one at {least:.2f}, which the whole interval must exceed for a filled mark; a language without a "
        "mark has no labels or no scores. It shows ranking within a language, not that scores are comparable between "
        "languages."
    )
    return [gallery.block({"validity": (validity_panels(found, rows, least), caption)})]


def validity_verdict(scorer: str, rows: Sequence[Record], least: float) -> Text:
    """In how many languages a scorer is shown to tell toxic texts from others."""
    labelled = [row for row in rows if is_known(row)]
    if not labelled:
        return say(f"Whether {scorer} is valid is unknown: no language has labelled texts of both kinds.")
    valid = [row for row in labelled if is_valid(row)]
    source = labelled[0]["texts"]
    sentence = say(
        f"{scorer} is shown to be valid (the whole interval of its AUROC against labels is above {least:.2f}) in ",
        count(derived(len(valid), source)),
        " of ",
        count(derived(len(labelled), source)),
        " languages that have labels",
    )
    others = [name_of(row["language"]) for row in labelled if not is_valid(row)]
    return say(sentence, "; not in ", listing(others), ".") if others else say(sentence, ".")


def doubt(languages: Sequence[str], unlabelled: Sequence[str]) -> Text | None:
    """Which languages no scorer is shown to be valid in, if any: a conclusion on them stands on trust."""
    if not languages:
        return None
    sentence = say("No scorer is shown to be valid in ", listing([name_of(name) for name in languages]))
    if bare := [name_of(name) for name in languages if name in unlabelled]:
        sentence = say(sentence, " (", listing(bare), " without labelled texts)")
    return say(
        sentence,
        f": results for them, marked {NONE}, may reflect the scorer rather than the model, and so may means and "
        f"correlations that include them.",
    )


def primary_doubt(primary: str, languages: Sequence[str]) -> Text | None:
    """Which languages the scores come from a scorer in that is not shown to be valid, though another one is."""
    if not languages:
        return None
    names = listing([name_of(language) for language in languages])
    return say(
        f"{primary}, whose scores these are, is not shown to be valid in ",
        names,
        f", marked {TOO}, where another scorer is; check the results with that one.",
    )


def agreement_verdict(pair: tuple[str, str], rows: Sequence[Record]) -> Text:
    """Whether two scorers order samples alike, and whether they see the same effect."""
    ranks = [row["spearman"] for row in rows if math.isfinite(row["spearman"])]
    signs = [row for row in rows if isinstance(row["same_sign"], bool)]
    first, second = pair
    if not ranks:
        return say(f"No language has scores by both {first} and {second}, so their agreement is unknown.")
    same = sum(row["same_sign"] for row in signs)
    other = [name_of(row["language"]) for row in signs if not row["same_sign"]]
    sentence = say(
        f"{first} and {second} rank samples with Spearman’s ρ from ",
        number(min(ranks), 2),
        " to ",
        number(max(ranks), 2),
        " across languages; they agree on the sign of the change of EMT in ",
        count(derived(same, *ranks)),
        " of ",
        count(derived(len(signs), *ranks)),
    )
    return say(sentence, " (not in ", listing(other), ").") if other else say(sentence, ".")


def scorers_table(judges: Record) -> Table:
    """Who judges, of which revision, made for what; as metrics/compare_scorers/summary.json tells it."""
    rows: list[list[str | Text]] = []
    for name in judges:
        card = judges[name]
        who = [cite(card[key], card.key(key)) for key in ("id", "revision", "construct")]
        valid = say(count(card["valid_languages"]), " of ", count(card["labelled_languages"]))
        rows.append([name, *who, valid])
    return Table(
        "The scorers, what each was made to recognise, and in how many of the languages with labels it is shown to be "
        "valid; scorers of different constructs need not agree.",
        ["", "id", "revision", "recognises", "valid in"],
        rows,
    )


def validity_table(validity: Sheet, scorers: Sequence[str]) -> Table:
    """AUROC and average precision per scorer and language."""
    rows: list[list[str | Text]] = []
    for scorer in scorers:
        for row in sorted(validity.where(scorer=scorer).rows(), key=lambda row: str(row["language"])):
            told = is_known(row)
            cells = [say(number(row["auroc"], 2), " ", plain_bracket(row["auroc_low"], row["auroc_high"], 2))]
            cells += [number(row["average_precision"], 2), say("yes" if is_valid(row) else "no")]
            texts: list[str | Text] = [count(row["texts"]), count(row["toxic"]), count(row["missing"])]
            why = row["reason"] if isinstance(row["reason"], str) else ""
            rows.append([f"{scorer}, {label(row['language'])}", *texts, *(cells if told else [why, "", ""])])
    return Table(
        "How well each scorer tells texts that are labelled toxic from others: AUROC (chance is .50) with a bootstrap "
        "interval over texts, and average precision (chance is the share of toxic texts); good ranking is not "
        "calibration: the same score can mean different things in different languages.",
        ["", "scored", "toxic", "without score", "AUROC", "average precision", "shown valid"],
        rows,
    )


def agreement_table(agreement: Sheet) -> Table:
    """Rank agreement and change of EMT of every pair of scorers per language."""
    rows: list[list[str | Text]] = []
    for row in agreement.rows():
        same = row["same_sign"]
        cells: list[str | Text] = [count(row["samples"]), number(row["spearman"], 2)]
        cells += [signed(row["change_a"]), signed(row["change_b"])]
        sign = ("yes" if same else "no") if isinstance(same, bool) else UNLABELLED
        rows.append([f"{row['scorer_a']} and {row['scorer_b']}, {label(row['language'])}", *cells, sign])
    return Table(
        "Spearman’s rank correlation of two scorers over the continuations that both scored, and the change of EMT by "
        "each; two scorers that agree may still both be wrong.",
        ["", "samples", "Spearman’s ρ", "change by the first", "by the second", "same sign"],
        rows,
    )
