"""Jigsaw's train.csv: read as published, cleaned with counts, refused with the row when broken."""

import gzip
import zipfile
from pathlib import Path

import pytest

from tasks.sources import jigsaw
from tasks.sources.jigsaw import Comment, read

HEADER = '"id","comment_text","toxic","severe_toxic","obscene","threat","insult","identity_hate"\n'
ROWS = (
    '"a1","You said ""hello"",\nthen left &amp; came back.",0,0,0,0,0,0\n'
    '"b2","  What a fool!  ",1,0,0,0,1,0\n'
    '"c3","What a fool!",1,0,0,0,1,0\n'
    '"d4"," \n ",0,0,0,0,0,0\n'
    '"e5","You liar",1,0,0,0,0,0\n'
    '"f6","You liar",0,0,0,0,0,0\n'
    '"g7","Kind words — ありがとう",0,0,0,0,0,0\n'
)


def _write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_quotes_line_breaks_and_entities_are_read(tmp_path: Path) -> None:
    """Doubled quotes are one, a quoted line break is text, &amp; is &, space around a text goes."""
    comments = read(_write(tmp_path / "train.csv", HEADER + ROWS))
    assert comments.kept == (
        Comment("a1", 'You said "hello",\nthen left & came back.', False),
        Comment("b2", "What a fool!", True),
        Comment("g7", "Kind words — ありがとう", False),
    )


def test_what_is_dropped_is_counted(tmp_path: Path) -> None:
    """Of 7 rows: d4 is empty, c3 repeats b2, e5 and f6 contradict each other; one row held an entity."""
    comments = read(_write(tmp_path / "train.csv", HEADER + ROWS))
    assert comments.dropped == {"empty": 1, "duplicate": 1, "contradictory": 2}
    assert (comments.read, comments.unescaped) == (7, 1)


def test_containers_and_byte_order_marks_change_nothing(tmp_path: Path) -> None:
    """The file itself, gzipped, in a zip, with CRLF or with a BOM holds the same comments."""
    plain = _write(tmp_path / "train.csv", HEADER + ROWS)
    marked = _write(tmp_path / "marked.csv", HEADER + ROWS, "utf-8-sig")
    windows = _write(tmp_path / "windows.csv", HEADER.replace("\n", "\r\n") + ROWS.replace("0\n", "0\r\n"))
    zipped, gzipped = tmp_path / "train.csv.zip", tmp_path / "train.csv.gz"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.write(plain, "train.csv")
    gzipped.write_bytes(gzip.compress(plain.read_bytes()))
    expected = read(plain)
    assert [read(path) for path in (marked, windows, zipped, gzipped)] == [expected] * 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no rows"),
        (HEADER, "has no rows"),
        ('"id","comment_text"\n"a1","x"\n', "column 'toxic' is missing"),
        (HEADER + '"a1","x",0,0,0,0,0,0\n"b2","y",0\n', r"row 3 \(ends at line 3\): 3 cells under 8 columns"),
        (HEADER + '"a1","x",0,0,0,0,0,0\n"a1","y",0,0,0,0,0,0\n', "row 3: id 'a1' is there already"),
        (HEADER + '"a1","x",-1,-1,-1,-1,-1,-1\n', "row 2: toxic is '-1'"),
        (HEADER + '"a1","x",0,0,0,0,0,0\n"b2","never closed,0', "after row 2: unexpected end of data"),
    ],
)
def test_a_broken_file_is_refused_with_its_row(tmp_path: Path, text: str, said: str) -> None:
    """The message names the file, the row (the header is row 1) and what is wrong with it."""
    path = _write(tmp_path / "train.csv", text)
    with pytest.raises(ValueError, match=rf"train\.csv: .*{said}|train\.csv: {said}"):
        read(path)


def test_unreadable_containers_are_refused(tmp_path: Path) -> None:
    """A missing file, a cut gzip, other bytes named .zip, a zip without train.csv, and Latin-1."""
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("test.csv", "x")
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(gzip.compress((HEADER + ROWS).encode())[:-12])
    broken = _write(tmp_path / "broken.zip", "not a zip")
    latin = _write(tmp_path / "latin.csv", HEADER + '"a1","né",0,0,0,0,0,0\n', "latin-1")
    refused = {
        tmp_path / "absent.csv": "not there; download",
        other: "holds no train.csv; it has test.csv",
        cut: "download it again",
        broken: "not a zip file",
        latin: "can't decode byte",
    }
    assert len(refused) == 5
    for path, said in refused.items():
        with pytest.raises(ValueError, match=said) as caught:
            read(path)
        assert str(path) in str(caught.value)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the size that it declares."""
    monkeypatch.setattr(jigsaw, "MOST_BYTES", 1000)
    path = tmp_path / "train.csv.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train.csv", " " * 1001)
    with pytest.raises(ValueError, match=r"train\.csv says that it has 1,001 bytes unpacked"):
        read(path)
