"""How the setting of a study differs from the paper's."""

from tasks.reporting.published import SETTING, Published
from tasks.reporting.study import Study
from tasks.reporting.wording import Text, count, say


def differences(study: Study, match: Published | None) -> list[str | Text]:
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
