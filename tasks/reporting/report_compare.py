"""Composes the report's chapter that puts the study beside the published one."""

import math
from collections.abc import Mapping
from typing import Any

from tasks.reporting import compare_tables as tables
from tasks.reporting.compare_verdicts import correlation_verdict, direction_verdict, match_verdict
from tasks.reporting.figures import forest
from tasks.reporting.published import LANGUAGES, METRICS, MODELS, SETTING, Published, interval_of_r, of_model
from tasks.reporting.report_blocks import Gallery, Section, table_block
from tasks.reporting.report_rows import correlations, toxicity
from tasks.reporting.report_study import Study
from tasks.reporting.report_tables import TOXICITY, mean_over_all
from tasks.reporting.sourced import Record
from tasks.reporting.wording import Text, count, listing, say

SAME, OWN = ("mean_cosine", "layer_mean"), ("p_at_1", "best")  # measure and layers of a row of the predictors
TITLES = {SAME: "mean cosine, mean of layers", OWN: "P@1, best layer"}


def compare(study: Study, gallery: Gallery) -> Section:
    """What the paper published beside what was found here, and what stands between the two."""
    match = of_model(study.params["prepare_model"].get("id"))
    found = {metric: _means(study, metric) for metric in METRICS}
    rows = correlations(study.predictors)
    own = {TITLES[place]: rows.get((*place, "pearson")) for place in (SAME, OWN)}
    first = match_verdict(match, found["emt"]) if match else direction_verdict(found["emt"])
    sentences: list[str | Text] = [
        first,
        say("What differs from the paper’s setting: ", listing(_differences(study, match)), "."),
        correlation_verdict(match, own[TITLES[SAME]], study.confidence),
    ]
    blocks: list[dict[str, Any]] = [table_block(tables.beside_table(found, match))] if match else []
    blocks += [
        {
            "kind": "folded",
            "summary": "The paper’s Table 2, and the means of this study",
            "table": tables.means_table(found, match, bool(study.mt5)),
        },
        _correlations(study, gallery, own),
        table_block(tables.correlation_table(own, study.confidence)),
    ]
    return Section("compare", "Beside the published study", sentences, blocks)


def _correlations(study: Study, gallery: Gallery, own: Mapping[str, Record | None]) -> dict[str, Any]:
    published = {
        model.name: (model.pearson, *interval_of_r(model.pearson, LANGUAGES, study.confidence))
        for model in MODELS
        if model.pearson is not None
    }
    here = {
        name: (row["estimate"], row["low"], row["high"])
        for name, row in own.items()
        if row is not None and math.isfinite(row["estimate"])
    }
    caption = (
        "Pearson’s r of retrieval with the relative EMT reduction: of the paper’s models, whose quantity is the mean "
        f"cosine, with {study.confidence:.0%} intervals by Fisher’s z, and of this study with bootstrap intervals over "
        "languages; the models differ in everything else, so it shows how sure each r is, not which is right."
    )
    groups = {name: group for name, group in (("paper", published), ("this study", here)) if group}
    figure = forest(groups, "Pearson r with the relative EMT reduction")
    return gallery.block({"published-correlations": (figure, caption)})


def _means(study: Study, metric: str) -> tuple[float, float]:
    if metric in TOXICITY:
        rows = toxicity(study.languages, metric)
        return mean_over_all(rows, "before"), mean_over_all(rows, "after")
    if metric == "perplexity_median" and study.mt5:
        return study.mt5
    return study.means[metric]["before"], study.means[metric]["after"]


def _differences(study: Study, match: Published | None) -> list[str | Text]:
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
    if (recipe["method"], recipe.get("loss")) != ("dpo", "sigmoid"):
        found.append(f"the method ({study.method}; there DPO)")
    if match is not None and recipe["tuning"]["kind"] != match.tuning:
        found.append(f"what is tuned ({recipe['tuning']['kind']}; there {match.tuning})")
    for name, title in (
        ("samples", "the samples per prompt"),
        ("new_tokens", "the length of a sample"),
        ("top_p", "the nucleus"),
        ("temperature", "the temperature"),
    ):
        if params["generate"][name] != SETTING[name]:
            found.append(f"{title} ({params['generate'][name]:g}; there {SETTING[name]:g})")
    if params["measure_transfer"]["threshold"] != SETTING["threshold"]:
        found.append(f"the threshold ({params['measure_transfer']['threshold']:g}; there {SETTING['threshold']:g})")
    if not study.mt5:
        found.append(f"perplexity (under {study.judge}; there of mT5-XL as its code computes it)")
    source = "" if kinds["prepare_parallel"] == "rtp_lx" else f"kind {kinds['prepare_parallel']}; "
    found.append(f"the sentences of retrieval ({source}there prompts of RTP-LX, translated by a machine)")
    languages = len(study.order)
    if languages != SETTING["languages"]:
        found.append(
            say("the languages (", count(study.languages.total(languages)), f"; there {SETTING['languages']})")
        )
    return found
