"""Reads prompts that were cut from web text, with the toxicity that Perspective gave them.

RealToxicityPrompts (Gehman et al. 2020) is English, PolygloToxicityPrompts (Jain et al. 2024) has 17 languages, none of
them the translation of another.
"""

from dataclasses import dataclass
from pathlib import Path

from tasks.sources.text_files import number_of, read_table, text_of


@dataclass(frozen=True)
class ScoredPrompt:
    """A prompt and its published toxicity in [0, 1], None where there is none."""

    text: str
    toxicity: float | None


def read_polyglo(folder: Path, language: str, subset: str, split: str, scored: bool) -> list[ScoredPrompt]:
    """Prompts of one language of PolygloToxicityPrompts, in the order of its files.

    The files are as the dataset's repository has them: SUBSET-LANGUAGE/SPLIT-*.parquet, or SPLIT*.jsonl.

    Args:
        folder: Snapshot of the dataset.
        language: Code, as in the names of its folders.
        subset: ptp or wildchat.
        split: full or small; of wildchat, wildchat.
        scored: Whether to read column `toxicity`, Perspective's score of prompt and continuation together.

    Raises:
        ValueError: A file, column or row is missing or cannot be read.
    """
    below = folder / f"{subset}-{language}"
    patterns = (f"{split}-*.parquet", f"{split}*.jsonl", f"{split}*.jsonl.gz")
    paths = next((found for pattern in patterns if (found := sorted(below.glob(pattern)))), [])
    if not paths:
        raise ValueError(
            f"{below}: has no {split}-*.parquet or {split}*.jsonl; docs/data.md says how to get the dataset, or take "
            f"{language!r} out of params.yaml: languages"
        )
    columns = ["prompt", "toxicity"] if scored else ["prompt"]
    return [
        ScoredPrompt(
            text_of(row, "prompt", str(path), number),
            number_of(row, "toxicity", str(path), number) if scored else None,
        )
        for path in paths
        for number, row in enumerate(read_table(path, columns), start=1)
    ]


def read_real_toxicity_prompts(path: Path) -> list[ScoredPrompt]:
    """English prompts in the order of the file, prompts.jsonl as published; the score is that of the prompt alone.

    Raises:
        ValueError: The file, a value or a row is missing or cannot be read, or a row appears twice.
    """
    prompts, seen = [], set()
    for number, row in enumerate(read_table(path, ["filename", "begin", "end", "prompt"]), start=1):
        key = (row["filename"], row["begin"], row["end"])
        if key in seen:
            raise ValueError(f"{path}: row {number}: filename, begin, end {key} appear twice; download the file again")
        seen.add(key)
        prompt = row["prompt"]
        if not isinstance(prompt, dict) or not {"text", "toxicity"} <= set(prompt):
            raise ValueError(f"{path}: row {number}: 'prompt' has no 'text' and 'toxicity'; is it prompts.jsonl?")
        text = text_of(prompt, "text", str(path), number)
        prompts.append(ScoredPrompt(text, number_of(prompt, "toxicity", str(path), number)))
    return prompts
