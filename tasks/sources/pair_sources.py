"""Reads preference pairs that somebody else made: (prompt, chosen, rejected) as text."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from datasets import DatasetDict, load_dataset
from datasets.exceptions import DatasetGenerationError

from tasks.sources import rtp_lx
from tasks.sources.text_files import Row, read_table, text_of

Texts = tuple[str, str, str]
_LEE = ("prompt_text", "unpert_gen_text", "pert_gen_text")
# Written between words without a space, so that nothing is missing where a completion begins.
_UNSPACED = ("ja", "th", "zh")
_REMEDIES = {
    "empty": "the source has no text in prompt, chosen or rejected (RTP-LX has completions from version 1.0 on)",
    "chosen_equals_rejected": "the two completions are the same; check which columns are named",
    "prompt_too_long": "raise prepare_pairs.max_prompt_tokens",
    "completion_too_long": "raise prepare_pairs.max_completion_tokens",
}


def read_lee(folder: Path) -> list[Texts]:
    """The pairs of Lee et al. 2024: split_*.jsonl, sorted by name; the columns of GPT-2 token ids are passed over.

    Raises:
        ValueError: There is no such file, or one that cannot be read.
    """
    paths = sorted({*folder.glob("split_*.jsonl"), *folder.glob("split_*.jsonl.gz")})
    if not paths:
        raise ValueError(f"{folder}: has no split_*.jsonl; docs/data.md says how to get toxicity_pairwise")
    read = [texts for path in paths for texts in read_pairs(path, _LEE)]
    return [(prompt, chosen, rejected) for prompt, chosen, rejected in read]


def read_pairs(path: Path, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The pairs of one table, as many texts each as there are columns.

    Args:
        path: .jsonl, .json, .csv or .parquet.
        columns: Names of the columns of prompt, chosen and rejected, and of the language if there is one.

    Raises:
        ValueError: The file, a column or a row is missing or cannot be read.
    """
    return _texts(read_table(path, columns), columns, str(path))


def read_snapshot(
    folder: Path, repository: str, revision: str, split: str, columns: Sequence[str]
) -> list[tuple[str, ...]]:
    """The pairs of a dataset of the Hugging Face hub, from a folder that `hf download` made; nothing is downloaded.

    Args:
        folder: What `hf download --local-dir` wrote.
        repository: The dataset's id; used in messages.
        revision: Commit that the folder must be of, 40 hexadecimal digits.
        split: Of the dataset.
        columns: Names of the columns of prompt, chosen and rejected, and of the language if there is one.

    Raises:
        ValueError: The folder is missing or of another commit, or has no such split or columns.
    """
    get = f"get it with `hf download {repository} --repo-type dataset --revision {revision} --local-dir {folder}`"
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; {get}")
    found = _revisions(folder)
    if found != {revision}:
        held = f"is of revision {', '.join(sorted(found))}" if found else "does not say its revision"
        raise ValueError(f"{folder}: {held}, not {revision}; {get}, into an empty folder")
    with TemporaryDirectory() as cache:  # the library's own cache would outlive a change of the files
        try:
            loaded: Any = load_dataset(str(folder), cache_dir=cache)
        except (DatasetGenerationError, OSError, ValueError) as error:
            raise ValueError(f"{folder}: {repository} cannot be read: {error}") from error
        if not isinstance(loaded, DatasetDict) or split not in loaded:
            raise ValueError(f"{folder}: has no split {split!r}; it has {', '.join(map(str, loaded))}")
        missing = [column for column in columns if column not in loaded[split].column_names]
        if missing:
            has = ", ".join(loaded[split].column_names)
            raise ValueError(f"{folder}: {split}: column {missing[0]!r} is missing; it has {has}")
        return _texts(loaded[split].select_columns(list(columns)).to_list(), columns, f"{folder}: {split}")


def read_rtp_lx(path: Path, language: str, password: str) -> tuple[list[Texts], int]:
    """RTP-LX's benign and toxic completions of each prompt, and how many texts got a space in front.

    A pair stands by itself, so a locale that does not line up with English is read too.

    The published completions begin without the space that separates them from the prompt; one is added where the
    language has spaces and neither side has one.

    Raises:
        ValueError: As `rtp_lx.read`.
    """
    pairs, added = [], 0
    for entry in rtp_lx.read(path, [language], password, aligned=False)[language].values():
        texts = [entry.benign, entry.completion]
        if language not in _UNSPACED and not entry.prompt[-1:].isspace():
            spaced = [f" {text}" if text[:1].isalnum() else text for text in texts]
            added += sum(new != old for new, old in zip(spaced, texts, strict=True))
            texts = spaced
        pairs.append((entry.prompt, texts[0], texts[1]))
    return pairs, added


def strip_prompt(pair: Texts) -> tuple[Texts, list[str]]:
    """The pair with completions that do not repeat the prompt, and which of them did."""
    prompt, *completions = pair
    repeats = [
        name
        for name, text in zip(("chosen", "rejected"), completions, strict=True)
        if prompt and text.startswith(prompt)
    ]
    chosen, rejected = (text.removeprefix(prompt) if prompt else text for text in completions)
    return (prompt, chosen, rejected), repeats


def cut_alike(pair: Texts) -> tuple[Texts, bool]:
    """The pair with the longer completion cut to the characters of the shorter, and whether it was.

    The cut moves back to the end of a word where one is begun and another precedes it.
    """
    prompt, *completions = pair
    length = min(map(len, completions))
    chosen, rejected = (_cut(text, length) for text in completions)
    return (prompt, chosen, rejected), [chosen, rejected] != completions


def _cut(text: str, length: int) -> str:
    kept = text[:length]
    if length < len(text) and not text[length].isspace():
        words = kept.rstrip().rsplit(maxsplit=1)
        if len(words) == 2 and not kept[-1:].isspace():
            kept = kept[: len(kept) - len(words[1])]
    return kept.rstrip() if length < len(text) else text


def all_dropped(drops: Mapping[str, int]) -> str:
    """What to say when no pair is left: counts by reason, and the remedy for the most frequent one.

    Args:
        drops: Pairs by reason, and those `read`.
    """
    reasons = {reason: count for reason, count in drops.items() if reason != "read" and count}
    most = max(reasons, key=lambda reason: reasons[reason])
    return f"all {drops['read']} pairs were dropped: {reasons}; most often: {_REMEDIES[most]}"


def _texts(rows: Sequence[Row], columns: Sequence[str], name: str) -> list[tuple[str, ...]]:
    if not rows:
        raise ValueError(f"{name}: has no rows")
    return [tuple(text_of(row, column, name, number) for column in columns) for number, row in enumerate(rows, start=1)]


def _revisions(folder: Path) -> set[str]:
    """Commits that the files of a folder are of, as `hf download` notes them; empty if it noted none."""
    notes = sorted((folder / ".cache" / "huggingface" / "download").rglob("*.metadata"))
    return {note.read_text(encoding="utf-8").partition("\n")[0].strip() for note in notes}
