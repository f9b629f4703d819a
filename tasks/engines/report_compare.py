"""Composes the report's chapter that puts the study beside the published one."""

from typing import Any

from tasks.engines.report_blocks import Section, table_block
from tasks.engines.report_study import Study
from tasks.science import compare_tables as tables
from tasks.science.published import METRICS, Published, of_model
from tasks.science.report_rows import correlations, toxicity
from tasks.science.report_tables import TOXICITY, mean_over_all
from tasks.science.sourced import Record
from tasks.science.wording import Text, count, listing, say, signed_percent

PAPER = "Li, Yong & Bach 2024"
OWN = {  # of the paper's kind first: name, measure and layers of a row of the predictors
    "mean cosine over layers, the paper’s quantity": ("mean_cosine", "layer_mean"),
    "P@1 at the best layer": ("p_at_1", "best"),
}


def compare(study: Study) -> Section:
    """What the paper published beside what was found here, and what stands between the two."""
    match = of_model(study.params["prepare_model"].get("id"))
    found = {metric: _means(study, metric) for metric in METRICS}
    rows = correlations(study.predictors)
    own: list[tuple[str, Record | None]] = [(name, rows.get((*place, "pearson"))) for name, place in OWN.items()]
    confidence = study.confidence
    blocks: list[dict[str, Any]] = [
        table_block(tables.means_table(found, match)),
        table_block(tables.correlation_table(own, confidence)),
    ]
    return Section("compare", "Beside the published study", _sentences(study, match, found["emt"]), blocks)


def _means(study: Study, metric: str) -> tuple[float, float]:
    if metric in TOXICITY:
        rows = toxicity(study.languages, metric)
        return mean_over_all(rows, "before"), mean_over_all(rows, "after")
    return study.means[metric]["before"], study.means[metric]["after"]


def _sentences(study: Study, match: Published | None, emt: tuple[float, float]) -> list[str | Text]:
    here = study.languages.total(emt[1] / emt[0] - 1) if emt[0] else float("nan")
    if match is None:
        first: str | Text = (
            f"The base model is none of the six of {PAPER}: what compares is the direction of a change, not a level."
        )
    else:
        first = say(
            f"The base model is {match.name} of {PAPER}. EMT changes by ",
            signed_percent(here),
            " here and by ",
            signed_percent(match.relative_change("emt")),
            " there.",
        )
    return [first, say("What differs from the paper’s setting: ", listing(_differences(study)), ".")]


def _differences(study: Study) -> list[str | Text]:
    """Of the settings that params.yaml tells, those that are not the paper's."""
    params = study.params
    scorer = study.scorers[study.base]["id"]
    recipe = params["train_dpo"]["recipe"]
    kinds = {section: params[section]["kind"] for section in ("prepare_pairs", "prepare_prompts", "prepare_parallel")}
    found: list[str | Text] = []
    if scorer != "perspective":
        found.append(f"the scorer ({scorer}; there Perspective)")
    if kinds["prepare_pairs"] != "lee":
        found.append(f"the pairs (kind {kinds['prepare_pairs']}; there those of Lee et al. 2024)")
    if kinds["prepare_prompts"] != "rtp_lx":
        found.append(f"the prompts (kind {kinds['prepare_prompts']}; there RTP-LX)")
    if recipe["method"] != "dpo" or recipe.get("loss") != "sigmoid":
        found.append(f"the method ({recipe['method']} {recipe.get('loss', '')}; there DPO)".replace(" ;", ";"))
    found.append("the prompts of retrieval (there translated by a machine)")
    found.append("perplexity (there mT5-XL’s)")
    languages = len(study.order)
    if languages != 17:
        found.append(say("the languages (", count(study.languages.total(languages)), "; there 17)"))
    return found
