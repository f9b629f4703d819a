"""Scores how much the continuations of one prompt differ from each other."""

from pathlib import Path

import pandas as pd
from pydantic import BaseModel, Field

from tasks.plumbing.files import read_table, write_parquet
from tasks.plumbing.progress import progress
from tasks.scoring.diversity import distinct_n, self_bleu


class ScoreDiversity(BaseModel, frozen=True, extra="forbid"):
    """Diversity over the k continuations of a prompt."""

    self_bleu_samples: int = Field(ge=2, description="first samples that self-BLEU compares; it costs their square")


def run(score_diversity: ScoreDiversity, item: str) -> str:
    """Writes distinct-1/2/3 and self-BLEU per prompt, over the policy's tokens (no word splitter fits 17 languages)."""
    source = Path("data/generate") / item / "continuations.parquet"
    target = Path("data/score_diversity") / item / "diversity.parquet"
    continuations = read_table(
        source, ["language", "prompt_id", "sample", "tokens"], key=["language", "prompt_id", "sample"]
    )
    rows = []
    for (language, prompt_id), group in progress(continuations.groupby(["language", "prompt_id"]), f"diversity {item}"):
        tokens = [list(ids) for ids in group.sort_values("sample")["tokens"]]
        few = [" ".join(map(str, ids)) for ids in tokens[: score_diversity.self_bleu_samples]]
        rows.append(
            {
                "language": language,
                "prompt_id": prompt_id,
                **{f"distinct_{n}": distinct_n(tokens, n) for n in (1, 2, 3)},
                "self_bleu": self_bleu(few),
            }
        )
    frame = pd.DataFrame(rows)
    write_parquet(target, frame)
    return f"{target}: mean distinct-2 {frame['distinct_2'].mean():.3f}, self-BLEU {frame['self_bleu'].mean():.3f}"
