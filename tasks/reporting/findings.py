"""The head of the report: what was asked, the answers in sentences, and the means beside the paper's."""

from tasks.reporting.languages import significance_verdict, source_verdict, transfer_verdict
from tasks.reporting.page import Table
from tasks.reporting.predictors import predictor_verdict
from tasks.reporting.published import Published
from tasks.reporting.rows import OTHERS, TOXICITY, column, mean_over_all, toxicity
from tasks.reporting.side_effects import cost
from tasks.reporting.sourced import Record, Sheet, derived
from tasks.reporting.study import Study
from tasks.reporting.wording import Text, count, in_unit, join, listing, name_of, say


def lead(study: Study) -> list[str | Text]:
    """The question, and about which model."""
    question = say(
        _tuning(study),
        count(study.languages.total(len(study.others))),
        " other languages, at what cost, and could bilingual sentence retrieval have predicted where?",
    )
    world = (
        "The model comes from a mini world: a small GPT-2 that the pipeline pretrains on pidgins it generates. "
        "Results hold for this model only and say nothing about human languages or large models."
    )
    return [question, world] if study.is_mini else [question]


def content_note(study: Study, show_text: bool) -> str:
    """Warns of the insults on the page."""
    degree = "mild ones in the mini world" if study.is_mini else "some of them severe"
    shown = "in clear (report.show_text is true)" if show_text else "redacted (report.show_text is false)"
    return f"Prompts and continuations contain insults, {degree}; on this page they are {shown}."


def findings(study: Study) -> list[tuple[str, Text]]:
    """The study's answers, each under what it answers."""
    confidence = study.confidence
    source, others = study.change(study.source), study.change(OTHERS)
    changes = {language: study.change(language) for language in study.others}
    number = study.languages.total(len(changes))
    p_holm = column(toxicity(study.languages, "emt"), "p_holm")
    accuracy = study.association("p_at_1", "best")
    return [
        (name_of(study.source), source_verdict(study.source, source, confidence)),
        ("Other languages", transfer_verdict(study.source, source, others, number, confidence)),
        ("Each language", significance_verdict(changes, p_holm, 1 - confidence)),
        ("Predictable?", predictor_verdict("Best-layer P@1", accuracy, confidence)),
        ("Cost", join(" ", cost(study))),
    ]


def _tuning(study: Study) -> str:
    """How the model became another, up to the question whether that made it less toxic."""
    source, size = name_of(study.source), study.with_replicates
    if not study.from_elsewhere:
        pairs = f"{study.pairs_in} preference pairs alone"
        return f"A language model was tuned with {study.method} on {pairs}, {size}. Did that make it less toxic in "
    names = str(listing(study.from_elsewhere))
    judged = f"A language model is evaluated before and after tuning, {size}; this study did not train {names}"
    return f"{judged}. Did tuning make it less toxic in {source} and in "


def headline_table(languages: Sheet, means_of_effects: Record, paper: Published) -> Table:
    """Means over all languages beside the paper's.

    Args:
        languages: Toxicity by language.
        means_of_effects: Of the side effects, before and after.
        paper: The model of the paper to stand beside it.
    """
    rows: list[list[str | Text]] = []
    titles = {
        "emt": "EMT",
        "toxprob": "ToxProb",
        "avgtox": "AvgTox",
        "perplexity_median": "Perplexity",
        "distinct_1": "Distinct-1",
        "distinct_2": "Distinct-2",
        "distinct_3": "Distinct-3",
    }
    for name, title in titles.items():
        if name in TOXICITY:
            means = [mean_over_all(toxicity(languages, name), when) for when in ("before", "after")]
        else:
            means = [means_of_effects[name][when] for when in ("before", "after")]
        rows.append([title, *[in_unit(name, value) for value in (*means, paper.before[name], paper.after[name])]])
    emt = column(toxicity(languages, "emt"), "before")
    return Table(
        say(
            "Means over all ",
            count(derived(len(emt.keys() - {OTHERS}), *emt.values())),
            " languages, the source included, equally weighted (perplexity: mean of medians), beside "
            f"{paper.name} in the paper (Li, Yong & Bach 2024, Table 2; *for orientation only; the differences are "
            f"listed under “Compared with the published study”).",
        ),
        ["", "before", "after", "before", "after"],
        rows,
        [("", 1), ("this study", 2), (f"{paper.name} in the paper*", 2)],
    )
