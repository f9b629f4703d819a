"""Published preference pairs are read with the right side chosen."""

import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.sources.pair_sources import cut_alike, read_lee, read_pairs, read_rtp_lx, read_snapshot, strip_prompt
from tests.published_data import PASSWORD, json_lines, rtp_lx_row, rtp_lx_zip

COLUMNS = ("question", "good", "bad")
REVISION = "0123456789abcdef0123456789abcdef01234567"
ROWS = [
    {"question": "You are", "good": " kind.", "bad": " a fool.", "id": 1},
    {"question": "He is", "good": " a friend.", "bad": " a liar.", "id": 2},
]
PAIRS = [("You are", " kind.", " a fool."), ("He is", " a friend.", " a liar.")]


def _lee(number: int) -> dict[str, Any]:
    return {
        "prompt_text": f"prompt {number}",
        "unpert_gen_text": f" civil {number}",
        "pert_gen_text": f" fool {number}",
        "prompt_input_ids": [1, 2],
        "gold_input_ids": [[3]],
        "pert_gen_toks": [4],
    }


def test_lee_is_read_in_the_order_of_its_splits(tmp_path: Path) -> None:
    """The unperturbed text is chosen, the perturbed one rejected; token ids and other files are passed over."""
    (tmp_path / "split_1.jsonl").write_bytes(json_lines([_lee(2)]))
    (tmp_path / "split_0.jsonl.gz").write_bytes(gzip.compress(json_lines([_lee(0), _lee(1)])))
    (tmp_path / "notes.jsonl").write_bytes(b"none of it\n")
    expected = [(f"prompt {number}", f" civil {number}", f" fool {number}") for number in range(3)]
    assert read_lee(tmp_path) == expected


def test_lee_without_files_is_refused(tmp_path: Path) -> None:
    """A wrong folder is told, a missing column too."""
    with pytest.raises(ValueError, match=r"has no split_\*\.jsonl; docs/data\.md"):
        read_lee(tmp_path)
    (tmp_path / "split_0.jsonl").write_bytes(json_lines([{"prompt_text": "a", "unpert_gen_text": "b"}]))
    with pytest.raises(ValueError, match=r"split_0\.jsonl: row 1: column 'pert_gen_text' is missing"):
        read_lee(tmp_path)


@pytest.mark.parametrize(
    ("pair", "expected", "repeats"),
    [
        (("You are", " kind", " a fool"), ("You are", " kind", " a fool"), []),
        (("You are", "You are kind", "You are a fool"), ("You are", " kind", " a fool"), ["chosen", "rejected"]),
        (("You are", " kind", "You are a fool"), ("You are", " kind", " a fool"), ["rejected"]),
        (("", " kind", " a fool"), ("", " kind", " a fool"), []),
        (("ha", "haha", "ho"), ("ha", "ha", "ho"), ["chosen"]),
    ],
)
def test_a_repeated_prompt_is_stripped_once(pair: Any, expected: Any, repeats: list[str]) -> None:
    """Per completion, since nobody documented whether they repeat it."""
    assert strip_prompt(pair) == (expected, repeats)


def test_a_table_has_columns_of_any_name(tmp_path: Path) -> None:
    """CSV and parquet alike."""
    pd.DataFrame(ROWS).to_csv(tmp_path / "pairs.csv", index=False)
    pd.DataFrame(ROWS).to_parquet(tmp_path / "pairs.parquet")
    assert read_pairs(tmp_path / "pairs.csv", COLUMNS) == read_pairs(tmp_path / "pairs.parquet", COLUMNS) == PAIRS
    with pytest.raises(ValueError, match=r"pairs\.parquet: row 1: column 'id' is 1, not text"):
        read_pairs(tmp_path / "pairs.parquet", ("question", "good", "id"))


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """A dataset repository as `hf download --local-dir` leaves it: data, and a note of the commit for each file."""
    folder = tmp_path / "pairs-dataset"
    notes = folder / ".cache" / "huggingface" / "download" / "data"
    notes.mkdir(parents=True)
    (folder / "data").mkdir()
    for split in ("train", "test"):
        pd.DataFrame(ROWS if split == "train" else ROWS[:1]).to_parquet(
            folder / "data" / f"{split}-00000-of-00001.parquet"
        )
        (notes / f"{split}-00000-of-00001.parquet.metadata").write_text(f"{REVISION}\nabc\n1764000000.0\n")
    return folder


def test_a_snapshot_is_read_without_the_hub(snapshot: Path) -> None:
    """Both splits; nothing is left beside the data."""
    before = sorted(snapshot.rglob("*"))
    assert read_snapshot(snapshot, "some/pairs", REVISION, "train", COLUMNS) == PAIRS
    assert read_snapshot(snapshot, "some/pairs", REVISION, "test", COLUMNS) == PAIRS[:1]
    assert sorted(snapshot.rglob("*")) == before


def test_a_changed_snapshot_is_read_anew(snapshot: Path) -> None:
    """The library caches what it has read by name; a second reading must not give the old rows."""
    read_snapshot(snapshot, "some/pairs", REVISION, "test", COLUMNS)
    pd.DataFrame(ROWS[1:]).to_parquet(snapshot / "data" / "test-00000-of-00001.parquet")
    assert read_snapshot(snapshot, "some/pairs", REVISION, "test", COLUMNS) == PAIRS[1:]


def test_a_snapshot_of_another_commit_is_refused(snapshot: Path, tmp_path: Path) -> None:
    """The folder's own notes decide; the message has the command that gets the right one."""
    command = "hf download some/pairs --repo-type dataset --revision f{40} --local-dir"
    with pytest.raises(ValueError, match=rf"is of revision {REVISION}, not f{{40}}; get it with `{command}"):
        read_snapshot(snapshot, "some/pairs", "f" * 40, "train", COLUMNS)
    (tmp_path / "bare").mkdir()
    with pytest.raises(ValueError, match="does not say its revision"):
        read_snapshot(tmp_path / "bare", "some/pairs", REVISION, "train", COLUMNS)
    with pytest.raises(ValueError, match="no such folder; get it with"):
        read_snapshot(tmp_path / "none", "some/pairs", REVISION, "train", COLUMNS)


def test_a_snapshot_names_missing_splits_and_columns(snapshot: Path) -> None:
    """With those that there are."""
    with pytest.raises(ValueError, match=r"has no split 'dev'; it has .*train"):
        read_snapshot(snapshot, "some/pairs", REVISION, "dev", COLUMNS)
    with pytest.raises(ValueError, match="train: column 'prompt' is missing; it has question, good, bad, id"):
        read_snapshot(snapshot, "some/pairs", REVISION, "train", ("prompt", "good", "bad"))


def test_rtp_lx_prefers_the_benign_completion(tmp_path: Path) -> None:
    """A space is added where words would run together, and only there; how often is told."""
    rows = [
        rtp_lx_row(0, "you are a", "fool", "friend"),
        rtp_lx_row(1, "you are a ", "fool", "friend"),
        rtp_lx_row(2, "you are a", ", well, fool", " friend"),
    ]
    path = rtp_lx_zip(tmp_path / "a.zip", {"EN": rows, "JA": [rtp_lx_row(0, "あなたは", "馬鹿", "友達")]})
    assert read_rtp_lx(path, "en", PASSWORD) == (
        [("you are a", " friend", " fool"), ("you are a ", "friend", "fool"), ("you are a", " friend", ", well, fool")],
        2,
    )
    assert read_rtp_lx(path, "ja", PASSWORD) == ([("あなたは", "友達", "馬鹿")], 0)


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        (("p", " a friend", " a fool and a half"), (("p", " a friend", " a fool"), True)),
        (("p", " a fool and", " kind"), (("p", " a", " kind"), True)),
        (("p", " same", " size"), (("p", " same", " size"), False)),
        (("p", "abc", "abcdefgh"), (("p", "abc", "abc"), True)),
        (("p", " a fool", " a fool and"), (("p", " a fool", " a fool"), True)),
    ],
)
def test_the_longer_completion_is_cut_at_a_word(pair, expected) -> None:
    """To at most the characters of the shorter; a text without spaces is cut where it must be."""
    assert cut_alike(pair) == expected
