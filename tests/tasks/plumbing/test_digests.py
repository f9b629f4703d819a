"""Digests are those that DVC writes."""

import hashlib
from pathlib import Path

import pytest
import yaml

from tasks.plumbing.digests import digest, file_md5, listing, listing_md5


def test_a_file_has_the_md5_of_its_bytes(tmp_path: Path) -> None:
    """Line ends and bytes that are no text are bytes like others; an empty file has a digest, too."""
    for content in (b"", b"a\r\nb\n", bytes(range(256)) * 5000):
        (tmp_path / "file").write_bytes(content)
        assert file_md5(tmp_path / "file") == digest(tmp_path / "file") == hashlib.md5(content).hexdigest()


def test_a_listing_is_sorted_and_deep(tmp_path: Path) -> None:
    """Every file by its path below the folder, with slashes; folders are not listed."""
    for name in ("b", "a/z", "a/y/x", "ä"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "empty").mkdir()
    assert list(listing(tmp_path).items()) == [
        (name, hashlib.md5(name.encode()).hexdigest()) for name in ("a/y/x", "a/z", "b", "ä")
    ]


def test_a_folder_has_the_digest_of_its_listing(tmp_path: Path) -> None:
    """Worked out by hand: the JSON that DVC 3 stores for a folder with one file `f` that says `x`."""
    (tmp_path / "f").write_text("x")
    stored = b'[{"md5": "9dd4e461268c8034f5c8564e155c67a6", "relpath": "f"}]'
    assert digest(tmp_path) == hashlib.md5(stored).hexdigest() + ".dir"
    assert listing_md5(listing(tmp_path)) == digest(tmp_path)


def test_any_change_of_a_folder_changes_its_digest(tmp_path: Path) -> None:
    """Another byte, another name, one file more or less, the same content in two places."""
    (tmp_path / "f").write_text("x")
    seen = [digest(tmp_path)]
    (tmp_path / "g").write_text("x")
    seen.append(digest(tmp_path))
    (tmp_path / "g").rename(tmp_path / "h")
    seen.append(digest(tmp_path))
    (tmp_path / "h").write_text("y")
    seen.append(digest(tmp_path))
    assert len(set(seen)) == len(seen)
    (tmp_path / "h").unlink()
    assert digest(tmp_path) == seen[0]


def test_what_is_not_there_has_no_digest(tmp_path: Path) -> None:
    """An error, not the digest of nothing."""
    with pytest.raises(FileNotFoundError):
        digest(tmp_path / "nothing")


def test_dvc_says_the_same_of_a_whole_study(study) -> None:
    """Every file and folder that dvc.lock names, read or made, models among them."""
    stages = yaml.safe_load(Path("dvc.lock").read_text())["stages"].values()
    entries = [entry for stage in stages for entry in stage["deps"] + stage.get("outs", [])]
    named = {entry["path"]: entry["md5"] for entry in entries}
    assert {path: digest(Path(path)) for path in named} == named
    assert {"models/train_dpo/1", "metrics/measure_transfer/summary.json", "data/mini_world"} <= set(named)
    for entry in entries:
        assert ("nfiles" in entry) == entry["md5"].endswith(".dir")
        if "nfiles" in entry:
            assert len(listing(Path(entry["path"]))) == entry["nfiles"]
