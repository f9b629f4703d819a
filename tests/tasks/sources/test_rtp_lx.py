"""RTP-LX is read from its encrypted archive, aligned by int(Index), and never unpacked."""

import zipfile
from pathlib import Path

import pytest

from tasks.sources import rtp_lx
from tasks.sources.rtp_lx import Entry, prompt_id, read, shared_prompts
from tests.published_data import (
    PASSWORD,
    encrypted_zip,
    json_lines,
    rtp_lx_english,
    rtp_lx_german,
    rtp_lx_row,
    rtp_lx_row_0_2,
    rtp_lx_zip,
)

ENGLISH = {0: "you are a", 1: "what a", 2: "only a", 10: "he is such a", 11: "she calls him a"}
GERMAN = {0: "du bist ein", 1: "was für ein", 2: "nur ein", 10: "er ist so ein", 11: "sie nennt ihn einen"}


def test_what_was_encrypted_is_read(tmp_path: Path) -> None:
    """Prompt, both completions and marks by Index; a locale without completions has empty ones, and no marks."""
    german = {name: rtp_lx_row(0, "du")[name] for name in ("Prompt", "Index")}
    rows = {"EN": [rtp_lx_row(0, "you are a", "fool", "friend")], "DE": [german]}
    path = rtp_lx_zip(tmp_path / "RTP-LX.zip", rows)
    assert read(path, ["de", "en"], PASSWORD) == {
        "de": {0: Entry("du", "", "")},
        "en": {0: Entry("you are a", "fool", "friend", 2.0, 2.0)},
    }
    assert [file.name for file in tmp_path.iterdir()] == ["RTP-LX.zip"]


def test_the_archive_that_these_tests_write_is_an_ordinary_one(tmp_path: Path) -> None:
    """Python's own reader decrypts it with the password, and refuses without."""
    path = rtp_lx_zip(tmp_path / "a.zip", {"EN": [rtp_lx_row(0, "fool")]}, "secret")
    with zipfile.ZipFile(path) as archive:
        assert archive.read("RTP-LX/RTP_LX_EN.json", pwd=b"secret") == json_lines([rtp_lx_row(0, "fool")])
        with pytest.raises(RuntimeError):
            archive.read("RTP-LX/RTP_LX_EN.json")


def test_a_locale_sorted_as_text_still_aligns(tmp_path: Path) -> None:
    """German stands as "0", "1", "10", "11", "2" (text), English as 0, 1, 2, 10, 11, so rows do not match by position.

    Joined by position, "only a" would meet "er ist so ein".
    """
    as_text = sorted(GERMAN, key=str)
    assert as_text == [0, 1, 10, 11, 2]
    rows = {
        "EN": [rtp_lx_row(index, ENGLISH[index]) for index in ENGLISH],
        "DE": [rtp_lx_row(str(index), GERMAN[index]) for index in as_text],
    }
    assert list(zip(ENGLISH.values(), (row["Prompt"] for row in rows["DE"]), strict=True))[2] == (
        "only a",
        "er ist so ein",
    )
    entries = read(rtp_lx_zip(tmp_path / "a.zip", rows), ["en", "de"], PASSWORD)
    assert list(entries["de"]) == list(entries["en"]) == [0, 1, 2, 10, 11]
    aligned = {entries["en"][index].prompt: entries["de"][index].prompt for index in entries["en"]}
    assert aligned == dict(zip(ENGLISH.values(), GERMAN.values(), strict=True))


def test_index_types_may_be_mixed_within_a_file(tmp_path: Path) -> None:
    """3 and "4" are numbers alike."""
    path = rtp_lx_zip(tmp_path / "a.zip", {"EN": [rtp_lx_row("4", "four"), rtp_lx_row(3, "three")]})
    assert [entry.prompt for entry in read(path, ["en"], PASSWORD)["en"].values()] == ["three", "four"]


def test_shared_prompts_are_those_below_999() -> None:
    """998 is the last one that stands for the same prompt everywhere."""
    entries = {index: Entry(f"p{index}", "", "") for index in (0, 998, 999, 1224)}
    assert shared_prompts(entries) == {"i0000": "p0", "i0998": "p998"}
    assert prompt_id(123) == "i0123"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([rtp_lx_row(1, "a"), rtp_lx_row("1", "b")], "row 2: Index 1 appears twice"),
        ([rtp_lx_row("one", "a")], "row 1: Index is 'one', not a number"),
        ([rtp_lx_row("", "a")], "row 1: Index is '', not a number"),
        ([rtp_lx_row(-1, "a")], "row 1: Index is -1"),
        ([rtp_lx_row(0, "a"), {"Prompt": "b"}], "row 2: Index is None"),
        ([{"Index": 0, "Text": "a"}], "row 1: column 'Prompt' is missing; it has Index, Text"),
        ([{"Index": 0, "Prompt": 5}], "row 1: column 'Prompt' is 5, not text"),
        ([rtp_lx_row(0, "a") | {"PromptAnnotations": {"Toxicity": "high"}}], "PromptAnnotations has Toxicity 'high'"),
        ([rtp_lx_row(0, "a") | {"CompletionAnnotations": {"Toxicity": 6}}], "CompletionAnnotations has Toxicity 6"),
        ([], r"RTP_LX_EN\.json: is empty"),
    ],
)
def test_rows_that_cannot_be_used_are_named(tmp_path: Path, rows: list[dict[str, object]], message: str) -> None:
    """An Index twice or none at all would misalign the languages."""
    with pytest.raises(ValueError, match=message) as caught:
        read(rtp_lx_zip(tmp_path / "a.zip", {"EN": rows}), ["en"], PASSWORD)
    assert "a.zip: RTP_LX_EN.json" in str(caught.value)


def test_a_broken_line_or_encoding_inside_of_the_archive_is_named(tmp_path: Path) -> None:
    """Member and line, as for a file of its own."""
    path = tmp_path / "a.zip"
    for content, message in ((b'{"Index": 0\n', "line 1: not valid JSON"), (b'{"a": "\xff"}\n', "line 1: not UTF-8")):
        path.write_bytes(encrypted_zip({"RTP_LX_EN.json": content}, PASSWORD.encode()))
        with pytest.raises(ValueError, match=rf"a\.zip: RTP_LX_EN\.json: {message}"):
            read(path, ["en"], PASSWORD)


def test_any_wrong_password_is_refused(tmp_path: Path) -> None:
    """One in 256 passes the check byte and decrypts to noise, so about two of these 600; all are refused alike."""
    path = rtp_lx_zip(tmp_path / "a.zip", {"EN": [rtp_lx_row(0, "you are a")]})
    for number in range(600):
        with pytest.raises(ValueError, match=r"cannot be decrypted with this password.*README.*\(key `password`\)"):
            read(path, ["en"], f"wrong {number}")


def test_a_missing_locale_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    """So that one sees whether the archive or the list of languages is wrong."""
    path = rtp_lx_zip(tmp_path / "a.zip", {"EN": [rtp_lx_row(0, "a")], "ZH-Hans": [rtp_lx_row(0, "你")]})
    assert list(read(path, ["zh"], PASSWORD)["zh"]) == [0]
    with pytest.raises(ValueError, match=r"has no RTP_LX_DE\.json; take 'de' out of params\.yaml.*It has EN, ZH-Hans"):
        read(path, ["de"], PASSWORD)


def test_aes_is_named_as_what_it_is(tmp_path: Path) -> None:
    """Method 99 means AES, which Python's zipfile would call an unknown way to compress."""
    path = tmp_path / "a.zip"
    path.write_bytes(encrypted_zip({"RTP_LX_EN.json": b"{}"}, b"x", method=99))
    with pytest.raises(ValueError, match="encrypted with AES, which is not supported; use the archive as published"):
        read(path, ["en"], "x")


def test_an_archive_without_encryption_is_read_too(tmp_path: Path) -> None:
    """Somebody may have packed it anew."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("RTP_LX_EN.json", json_lines([rtp_lx_row(0, "a")]))
    assert read(path, ["en"], PASSWORD)["en"][0].prompt == "a"


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    """A pointer of Git LFS, half a download, and nothing at all."""
    path = tmp_path / "a.zip"
    with pytest.raises(ValueError, match=r"a\.zip: no such file; docs/data\.md"):
        read(path, ["en"], PASSWORD)
    whole = rtp_lx_zip(path, {"EN": [rtp_lx_row(0, "a")]}).read_bytes()
    for content in (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", whole[:-30]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.zip: not a complete zip archive.*Git LFS"):
            read(path, ["en"], PASSWORD)


def _published(index_type: type = int, gap: bool = True) -> list[dict[str, object]]:
    """A locale of 1,029 rows as published: no Index 960, English i at i + 1 above it, 30 prompts of its own."""
    rows = []
    for index in range(1029):
        prompt = rtp_lx_german(index) if index < 999 else f"eigener Satz {index}"
        rows.append(rtp_lx_row_0_2(index_type(index + (gap and index >= 960)), prompt))
    return sorted(rows, key=lambda row: str(row["Index"])) if index_type is str else rows


def _english() -> list[dict[str, object]]:
    return [rtp_lx_row_0_2(index, rtp_lx_english(index)) for index in range(999)]


@pytest.mark.parametrize("index_type", [int, str])
def test_a_locale_without_index_960_moves_down_above_it(tmp_path: Path, index_type: type) -> None:
    """All 999 translations meet their English; 960 to 1028 moved, as 69 rows; the own prompts begin at 999."""
    path = rtp_lx_zip(tmp_path / "a.zip", {"EN": _english(), "DE": _published(index_type)})
    entries = read(path, ["en", "de"], PASSWORD)
    assert list(entries["de"]) == list(range(1029))
    for index in range(999):
        assert entries["de"][index].prompt == rtp_lx_german(index)
    assert [index for index, entry in entries["de"].items() if entry.moved] == list(range(960, 1029))
    assert entries["de"][999].prompt == "eigener Satz 999"
    assert not any(entry.moved for entry in entries["en"].values())
    assert set(shared_prompts(entries["de"])) == set(shared_prompts(entries["en"]))


def test_a_locale_that_has_960_stays_as_it_is(tmp_path: Path) -> None:
    """So does one that lacks it and has nothing above."""
    path = rtp_lx_zip(tmp_path / "a.zip", {"EN": _english(), "DE": _published(gap=False), "FR": _published()[:960]})
    entries = read(path, ["de", "fr"], PASSWORD)
    assert not any(entry.moved for locale in entries.values() for entry in locale.values())
    assert len(entries["fr"]) == 960


def test_a_locale_that_does_not_line_up_is_refused(tmp_path: Path) -> None:
    """Shuffled as sw of 1.0 is, or off by one above 960 alone; pairs, which need no other locale, are read."""
    shuffled = [rtp_lx_row(index, rtp_lx_german(index * 500 % 999)) for index in range(999)]
    late = [rtp_lx_row(index, rtp_lx_german(index - (index > 960))) for index in range(999)]
    path = rtp_lx_zip(tmp_path / "a.zip", {"EN": _english(), "SW": shuffled, "DE": late})
    with pytest.raises(ValueError, match=r"RTP_LX_SW\.json: its prompts are not those .*of 333 words .*only 1 are in"):
        read(path, ["sw"], PASSWORD)
    with pytest.raises(ValueError, match=r"RTP_LX_DE\.json: .*12 shared words are one row off and 0 are not"):
        read(path, ["en", "de"], PASSWORD)
    assert len(read(path, ["sw"], PASSWORD, aligned=False)["sw"]) == 999


def test_marks_of_every_version_are_read(tmp_path: Path) -> None:
    """0.2 and 0.3 have the prompt's in `Annotations`; 1.0 those of prompt and completion apart."""
    one = rtp_lx_row(1, "b") | {"CompletionAnnotations": {"Toxicity": 5}}
    path = rtp_lx_zip(tmp_path / "a.zip", {"EN": [rtp_lx_row_0_2(0, "a"), one]})
    entries = read(path, ["en"], PASSWORD)["en"]
    assert (entries[0].prompt_toxicity, entries[0].completion_toxicity) == (4.0, None)
    assert (entries[1].prompt_toxicity, entries[1].completion_toxicity) == (2.0, 5.0)


@pytest.mark.parametrize("name", ["../RTP_LX_EN.json", "/etc/RTP_LX_EN.json", "a\\..\\..\\RTP_LX_EN.json"])
def test_a_member_outside_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    """Nothing is unpacked to disk; but such an archive is not the published one."""
    path = tmp_path / "a.zip"
    path.write_bytes(encrypted_zip({name: json_lines([rtp_lx_row(0, "a")])}, PASSWORD.encode()))
    with pytest.raises(ValueError, match=r"a\.zip: member .* lies outside the archive"):
        read(path, ["en"], PASSWORD)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the size that it declares, which is also the most that zipfile reads."""
    monkeypatch.setattr(rtp_lx, "MOST_BYTES", 1000)
    path = tmp_path / "a.zip"
    path.write_bytes(encrypted_zip({"RTP_LX_EN.json": b" " * 1001}, PASSWORD.encode()))
    with pytest.raises(ValueError, match=r"RTP_LX_EN\.json: says that it has 1,001 bytes unpacked"):
        read(path, ["en"], PASSWORD)
