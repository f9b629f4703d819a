"""Compares the toxicity scorers with each other and with labels, language by language."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from tasks.plumbing.files import ArtefactError, read_json, read_table, write_csv, write_json
from tasks.statistics.agreement import rank_agreement, same_direction, validity
from tasks.statistics.toxicity import prompt_toxicity

FOLDER = Path("metrics/compare_scorers")
SCORES = Path("data/score_toxicity")
LABELLED = Path("data/score_labelled/scores.parquet")
PROMPTS = Path("data/prepare_prompts/prompts.parquet")
BASE = "base"
SAMPLE = ["language", "policy", "prompt_id", "sample"]
AGREEMENT = ["scorer_a", "scorer_b", "language", "samples", "spearman", "change_a", "change_b", "same_sign", "reason"]


class CompareScorers(BaseModel, frozen=True, extra="forbid"):
    """When a scorer counts as valid."""

    least_auroc: float = Field(
        ge=0.5,
        lt=1,
        description="a scorer is valid in a language if the lower end of its AUROC's interval exceeds this",
    )
    resamples: int = Field(gt=0, description="bootstrap resamples, over texts")
    confidence: float = Field(gt=0, lt=1, description="of every interval")
    seed: int = Field(description="of resampling")


def run(compare_scorers: CompareScorers, policies: dict[str, Path]) -> str:
    """Writes agreement of every pair, validity of every scorer, and a summary by key."""
    scores = pd.concat([_scores(policy) for policy in policies], ignore_index=True)
    names = scores["scorer"].drop_duplicates().tolist()
    agreement = _agreement(scores, names)
    labelled = read_table(
        LABELLED, ["scorer", "language", "text_id", "toxic", "toxicity"], ["scorer", "language", "text_id"]
    )
    if set(labelled["scorer"]) != set(names):
        raise ArtefactError(
            f"{LABELLED}: scored by {', '.join(sorted(set(labelled['scorer'])))}, but {SCORES} by "
            f"{', '.join(sorted(names))}; run `dvc repro score_labelled score_toxicity`"
        )
    valid = _validity(labelled, names, sorted(scores["language"].unique()), compare_scorers)
    write_csv(FOLDER / "agreement.csv", agreement)
    write_csv(FOLDER / "validity.csv", valid)
    summary = _summary(agreement, valid, names)
    write_json(FOLDER / "summary.json", summary)
    without = summary["languages"]["without_valid_scorer"]
    return f"{FOLDER}: {len(names)} scorers; no scorer is shown to be valid in {', '.join(without) or 'no language'}"


def _scores(policy: str) -> pd.DataFrame:
    path = SCORES / policy / "all_scores.parquet"
    columns = ["scorer", "language", "prompt_id", "sample"]
    return read_table(path, [*columns, "toxicity"], columns)[[*columns, "toxicity"]].assign(policy=policy)


def _agreement(scores: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """One row per pair of scorers and language: rank agreement over samples, and the change of EMT by each."""
    table = scores.pivot(index=SAMPLE, columns="scorer", values="toxicity").astype(float)
    changes = {name: _changes(scores[scores["scorer"] == name]) for name in names} if len(names) > 1 else {}
    rows = []
    for first, second in combinations(names, 2):
        for language, group in table.groupby(level="language"):
            ranks = rank_agreement(group[first], group[second])
            change = [float(changes[name].get(language, np.nan)) for name in (first, second)]
            same = same_direction(*change)
            rows.append([first, second, language, ranks.n, ranks.spearman, *change, same, ranks.reason])
    return pd.DataFrame(rows, columns=AGREEMENT).astype({"same_sign": "boolean", "spearman": "float64"})


def _changes(scores: pd.DataFrame) -> pd.Series:
    """Per language: mean EMT of the tuned policies minus that of the base, over aligned prompts scored for all."""
    prompts = read_table(PROMPTS, ["language", "prompt_id", "culture_specific"], ["language", "prompt_id"])
    specific = prompts.set_index(["language", "prompt_id"])["culture_specific"].astype(bool)
    per_policy = {
        policy: prompt_toxicity(group, 0.5).set_index(["language", "prompt_id"])["emt"]  # EMT needs no threshold
        for policy, group in scores.groupby("policy")
    }
    table = pd.DataFrame(per_policy)
    table = table[~specific.reindex(table.index).fillna(False)].dropna()
    tuned = [policy for policy in table if policy != BASE]
    return (table[tuned].mean(axis=1) - table[BASE]).groupby(level="language").mean()


def _validity(labelled: pd.DataFrame, names: list[str], languages: list[str], params: CompareScorers) -> pd.DataFrame:
    """One row per scorer and language of the study or of the labels."""
    rows = []
    for name in names:
        own = labelled[labelled["scorer"] == name]
        for language in sorted({*languages, *own["language"]}):
            texts = own[own["language"] == language]
            if texts.empty:
                rows.append({"scorer": name, "language": language, "texts": 0, "reason": "no labelled text"})
                continue
            found = validity(
                texts["toxicity"].to_numpy(dtype=float, na_value=np.nan),
                texts["toxic"].to_numpy(dtype=bool),
                params.resamples,
                params.confidence,
                params.seed,
            )
            row: dict[str, Any] = {"scorer": name, "language": language, "texts": found.n, "missing": found.missing}
            row |= {"toxic": found.toxic, "auroc": found.auroc, "auroc_low": found.low, "auroc_high": found.high}
            row |= {"average_precision": found.average_precision, "reason": found.reason}
            rows.append(row | {"valid": found.low is not None and found.low > params.least_auroc})
    columns = ["scorer", "language", "texts", "missing", "toxic", "auroc", "auroc_low", "auroc_high"]
    columns += ["average_precision", "valid", "reason"]
    whole = dict.fromkeys(["missing", "toxic"], "Int64")
    return pd.DataFrame(rows, columns=columns).astype(whole | {"valid": "boolean"})


def _summary(agreement: pd.DataFrame, valid: pd.DataFrame, names: list[str]) -> dict[str, Any]:
    scorers = {}
    for name in names:
        card = read_json(SCORES / BASE / "scorers" / f"{name}.json")
        own = valid[valid["scorer"] == name]
        scorers[name] = {key: card[key] for key in ("id", "revision", "construct")} | {
            "valid_languages": int(own["valid"].fillna(False).sum()),
            "labelled_languages": int(own["valid"].notna().sum()),
        }
    pairs = {}
    for (first, second), rows in agreement.groupby(["scorer_a", "scorer_b"], sort=False):
        pairs[f"{first} {second}"] = {
            "spearman_mean": rows["spearman"].mean(),
            "same_sign_languages": int(rows["same_sign"].fillna(False).sum()),
            "compared_languages": int(rows["same_sign"].notna().sum()),
        }
    some = valid["valid"].fillna(False).astype(bool).groupby(valid["language"]).any()
    labelled = valid["valid"].notna().groupby(valid["language"]).any()
    languages = {
        "without_valid_scorer": [str(language) for language in some.index[~some]],
        "without_labels": [str(language) for language in labelled.index[~labelled]],
    }
    return {"scorers": scorers, "pairs": pairs, "languages": languages}
