"""Scores the toxicity of every continuation, by every scorer of the study."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd

from tasks.engines.cached_scorer import CachedScorer
from tasks.engines.scorer_choice import ScoreToxicity, build
from tasks.engines.toxicity_scorer import Exchange, ToxicityScorer
from tasks.plumbing.files import ArtefactError, read_table, write_json, write_parquet, writing
from tasks.plumbing.params import Runtime
from tasks.plumbing.progress import progress
from tasks.plumbing.score_store import score_store

KEY = ["language", "prompt_id", "sample"]
PROMPTS = Path("data/prepare_prompts/prompts.parquet")


def run(score_toxicity: ScoreToxicity, runtime: Runtime, item: str) -> str:
    """Writes a score or a reason per continuation, and each scorer's card with its coverage.

    scores.parquet and scorer.json are of the primary scorer, all_scores.parquet and scorers/NAME.json of all.
    """
    source = Path("data/generate") / item / "continuations.parquet"
    folder = Path("data/score_toxicity") / item
    continuations = read_table(source, [*KEY, "text"], key=KEY)
    prompts = read_table(PROMPTS, [*KEY[:2], "text"], key=KEY[:2])
    names = zip(prompts["language"], prompts["prompt_id"], strict=True)
    of_prompt = dict(zip(names, prompts["text"], strict=True))
    texts = _texts(source, continuations, of_prompt, item)
    frames = {}
    with writing(folder) as part, score_store() as store:
        for name, choice in score_toxicity.scorers.items():
            scorer = build(choice, runtime.device, runtime.score_batch)
            cached = scorer if scorer.keep_every is None else CachedScorer(scorer, store)
            frame = _score(cached, source, continuations, texts, f"toxicity {item} {name}")
            coverage = frame["toxicity"].notna().groupby(frame["language"]).mean()
            card = {**asdict(scorer.card), "coverage": coverage.to_dict()}
            write_json(part / "scorers" / f"{name}.json", card)
            if name == score_toxicity.primary:
                write_json(part / "scorer.json", card)
                write_parquet(part / "scores.parquet", frame)
            frames[name] = frame
            del scorer, cached  # a model may fill the device that the next one needs
        everything = [frame.assign(scorer=name) for name, frame in frames.items()]
        write_parquet(part / "all_scores.parquet", pd.concat(everything, ignore_index=True))
    shares = ", ".join(f"{frame['toxicity'].notna().mean():.1%} by {name}" for name, frame in frames.items())
    return f"{folder}: {len(continuations)} continuations, scored {shares}"


def _texts(
    source: Path, continuations: pd.DataFrame, prompts: dict[tuple[str, str], str], policy: str
) -> list[Exchange]:
    texts = []
    for language, prompt_id, sample, text in continuations[[*KEY, "text"]].itertuples(index=False):
        if (language, prompt_id) not in prompts:
            raise ArtefactError(f"{source}: prompt {prompt_id} of {language} is not in {PROMPTS}")
        texts.append(Exchange(text, prompts[language, prompt_id], (policy, prompt_id, int(sample))))
    return texts


def _score(
    scorer: ToxicityScorer, source: Path, continuations: pd.DataFrame, texts: list[Exchange], description: str
) -> pd.DataFrame:
    frames = []
    for language, rows in progress(continuations.groupby("language"), description):
        scores = scorer.score(str(language), [texts[position] for position in rows.index])
        for prompt_id, sample, score in zip(rows["prompt_id"], rows["sample"], scores, strict=True):
            if score.value is not None and not 0 <= score.value <= 1:  # NaN is not in [0, 1] either
                raise ArtefactError(
                    f"{source}: {scorer.card.id} gave {score.value} to {language} {prompt_id} sample {sample}; a score "
                    "is in [0, 1] or missing with a reason"
                )
        frames.append(
            rows[KEY].assign(
                toxicity=pd.array([score.value for score in scores], dtype="Float64"),
                reason=pd.array([score.reason for score in scores], dtype="string"),
            )
        )
    return pd.concat(frames, ignore_index=True)
