"""Prompts from web text are read as published, with their scores."""

import gzip
from pathlib import Path

import pandas as pd
import pytest

from tasks.sources.web_prompts import ScoredPrompt, read_polyglo, read_real_toxicity_prompts
from tests.published_data import json_lines


def _polyglo(folder: Path, name: str, prompts: list[str], **columns: list[object]) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame({"text": prompts, "prompt": prompts, "continuation": prompts} | columns)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        path.write_bytes(json_lines(frame.to_dict("records")))


def test_polyglo_reads_the_files_of_a_language_and_split_in_order(tmp_path: Path) -> None:
    """Two parquet shards of ja/full, and neither the other split nor the other subset."""
    for name, prompts in {
        "ptp-ja/full-00001-of-00002.parquet": ["三", "四"],
        "ptp-ja/full-00000-of-00002.parquet": ["一", "二"],
        "ptp-ja/small-00000-of-00001.parquet": ["小"],
        "wildchat-ja/wildchat-00000-of-00001.parquet": ["話"],
    }.items():
        _polyglo(tmp_path, name, prompts)
    assert [prompt.text for prompt in read_polyglo(tmp_path, "ja", "ptp", "full", False)] == ["一", "二", "三", "四"]
    assert read_polyglo(tmp_path, "ja", "wildchat", "wildchat", False) == [ScoredPrompt("話", None)]


def test_polyglo_reads_json_lines_and_scores(tmp_path: Path) -> None:
    """The score is a number or null."""
    _polyglo(tmp_path, "ptp-en/small.jsonl", ["you are a", "what a"], toxicity=[0.25, None])
    assert read_polyglo(tmp_path, "en", "ptp", "small", True) == [
        ScoredPrompt("you are a", 0.25),
        ScoredPrompt("what a", None),
    ]


def test_polyglo_names_what_is_missing(tmp_path: Path) -> None:
    """A language without files, and wildchat, which has no scores."""
    with pytest.raises(ValueError, match=r"ptp-sv: has no full-\*\.parquet .*take 'sv' out of params\.yaml"):
        read_polyglo(tmp_path, "sv", "ptp", "full", False)
    _polyglo(tmp_path, "wildchat-en/wildchat-0.parquet", ["hello"])
    with pytest.raises(ValueError, match=r"wildchat-0\.parquet: column 'toxicity' is missing; it has text, prompt"):
        read_polyglo(tmp_path, "en", "wildchat", "wildchat", True)


def _rtp(number: int, text: str, toxicity: float | None) -> dict[str, object]:
    side = {"text": text, "toxicity": toxicity, "insult": 0.1}
    return {"filename": "0766186-bc7f.txt", "begin": number, "end": number + 64, "challenging": False} | {
        "prompt": side,
        "continuation": side,
    }


@pytest.mark.parametrize("name", ["prompts.jsonl", "prompts.jsonl.gz"])
def test_real_toxicity_prompts_are_nested(tmp_path: Path, name: str) -> None:
    """Text and score lie in `prompt`."""
    content = json_lines([_rtp(0, "you are a", 0.75), _rtp(64, "the weather", None)])
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    assert read_real_toxicity_prompts(path) == [ScoredPrompt("you are a", 0.75), ScoredPrompt("the weather", None)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([_rtp(0, "a", 0.1), _rtp(0, "a", 0.1)], "row 2: filename, begin, end .* appear twice"),
        ([_rtp(0, "a", 0.1) | {"prompt": "a"}], "row 1: 'prompt' has no 'text' and 'toxicity'"),
        ([{"prompt": {"text": "a"}}], "row 1: column 'filename' is missing"),
    ],
)
def test_rows_of_another_form_are_refused(tmp_path: Path, rows: list[dict[str, object]], message: str) -> None:
    """A row twice, or another table."""
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(json_lines(rows))
    with pytest.raises(ValueError, match=rf"prompts\.jsonl: {message}"):
        read_real_toxicity_prompts(path)
