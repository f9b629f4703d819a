"""Files as others wrote them are read right or refused, naming file, row and remedy."""

import gzip
from pathlib import Path

import pandas as pd
import pytest

from tasks.sources import text_files
from tasks.sources.text_files import find, number_of, read_lines, read_table, text_of


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
@pytest.mark.parametrize(
    "content",
    [
        "ein Narr\nzwei\n",
        "ein Narr\nzwei",
        "ein Narr\r\nzwei\r\n",
        "\ufeffein Narr\nzwei\n",
        "\ufeffein Narr\r\nzwei",
    ],
    ids=["LF", "no last line end", "CRLF", "BOM", "BOM and CRLF"],
)
def test_line_ends_marks_and_gzip_do_not_matter(tmp_path: Path, name: str, content: str) -> None:
    """All of these hold the same two lines."""
    assert read_lines(_write(tmp_path / name, content.encode())) == ["ein Narr", "zwei"]


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    """str.splitlines would see six lines here, and every sentence after them would face a wrong translation."""
    line = "a\u2028b\u0085c\x0bd\re"
    assert len(line.splitlines()) == 5
    assert read_lines(_write(tmp_path / "a.txt", f"{line}\nzwei\n".encode())) == [line, "zwei"]


def test_an_empty_line_is_a_line(tmp_path: Path) -> None:
    """It may be an untranslated sentence; line numbers must not move."""
    assert read_lines(_write(tmp_path / "a.txt", b"a\n\nb\n\n")) == ["a", "", "b", ""]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", r"a\.txt: is empty; download it again"),
        ("a.txt", b"ok\nfool\xff\n", r"a\.txt: line 2: not UTF-8 \(byte 4 is 0xff\).*iconv"),
        ("a.txt", "ok\n".encode("utf-16"), r"a\.txt: line 1: not UTF-8"),
        ("a.jsonl", b'{"a": "x"}\n{"a": \n', r"a\.jsonl: line 2: not valid JSON .*cut off"),
        ("a.jsonl", b'{"a": "x"}\n["x"]\n', r"a\.jsonl: line 2: a JSON list, not an object"),
        ("a.jsonl", b"\n \n", r"a\.jsonl: has no rows"),
        ("a.jsonl", b'{"a": "x"}\n{"b": "x"}\n', r"a\.jsonl: row 2: column 'a' is missing; it has b"),
        ("a.csv", b"a,b\n", r"a\.csv: has no rows"),
        ("a.csv", b"b,c\n1,2\n", r"a\.csv: row 1: column 'a' is missing; it has b, c"),
        ("a.csv", b"a,b\n1,2\n1\n", r"a\.csv: line 3: the header has 2 cells; quote"),
        ("a.csv", b"a,b\n1,2,3\n", r"a\.csv: line 2: the header has 2 cells; quote"),
        ("a.csv", b'a,b\n"1,2\n', r"a\.csv: line 2: not valid CSV"),
        ("a.parquet", b"PAR1 but no more", r"a\.parquet: not a parquet file.*download it again"),
        ("a.xlsx", b"x", r"a\.xlsx: not \.jsonl.*convert or rename"),
    ],
)
def test_what_cannot_be_read_is_named_with_file_row_and_remedy(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    """Empty, not UTF-8, broken or ragged files, and missing columns."""
    path = _write(tmp_path / name, content)
    with pytest.raises(ValueError, match=message):
        read_lines(path) if name.endswith(".txt") else read_table(path, ["a"])


def test_a_gzip_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    """Half a download would else be half a corpus."""
    path = tmp_path / "a.jsonl.gz"
    whole = gzip.compress(b'{"a": "x"}\n' * 1000)
    for part in (whole[:-9], whole[: len(whole) // 2], b"<html>not found</html>"):
        path.write_bytes(part)
        with pytest.raises(ValueError, match=r"a\.jsonl\.gz: not a complete gzip file.*download it again"):
            read_table(path, ["a"])


@pytest.mark.parametrize("name", ["t.jsonl", "t.json", "t.jsonl.gz", "t.csv", "t.csv.gz", "t.parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    """Quotes, commas and line ends in a cell, and letters beyond ASCII."""
    rows = [{"a": 'er sagte, "du Narr"', "b": "1"}, {"a": "zwei\nZeilen", "b": "ü"}]
    frame = pd.DataFrame(rows)
    path = tmp_path / name
    if ".csv" in name:
        frame.to_csv(path, index=False)
    elif name == "t.parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    assert [{key: row[key] for key in ("a", "b")} for row in read_table(path, ["a", "b"])] == rows


def test_parquet_names_a_missing_column_and_an_empty_table(tmp_path: Path) -> None:
    """As for the other formats."""
    path = tmp_path / "t.parquet"
    pd.DataFrame({"b": ["x"]}).to_parquet(path)
    with pytest.raises(ValueError, match=r"t\.parquet: column 'a' is missing; it has b"):
        read_table(path, ["a"])
    pd.DataFrame({"a": pd.Series([], dtype=str)}).to_parquet(path)
    with pytest.raises(ValueError, match=r"t\.parquet: has no rows"):
        read_table(path, ["a"])


@pytest.mark.parametrize("name", ["none.txt", "none.jsonl", "none.parquet", "none.csv"])
def test_a_missing_file_points_to_the_documentation(tmp_path: Path, name: str) -> None:
    """It says where to get the data."""
    with pytest.raises(ValueError, match=rf"{name}: no such file; docs/data\.md"):
        read_lines(tmp_path / name) if name.endswith(".txt") else read_table(tmp_path / name, ["a"])


def test_the_first_file_that_exists_is_found(tmp_path: Path) -> None:
    """In the order given, plain before .gz; else all names are told."""
    (tmp_path / "b.txt.gz").write_bytes(b"")
    assert find(tmp_path, ["a.txt", "b.txt"]) == tmp_path / "b.txt.gz"
    (tmp_path / "b.txt").write_bytes(b"")
    assert find(tmp_path, ["a.txt", "b.txt"]) == tmp_path / "b.txt"
    with pytest.raises(ValueError, match=r"has no c\.txt or d\.txt \(\.gz will do\)"):
        find(tmp_path, ["c.txt", "d.txt"])
    with pytest.raises(ValueError, match="none: no such folder"):
        find(tmp_path / "none", ["c.txt"])


def test_cells_are_text_or_numbers() -> None:
    """An absent value is empty text, or no number; anything else is refused with its row and column."""
    assert text_of({"a": None}, "a", "f", 1) == ""
    assert (number_of({"a": None}, "a", "f", 1), number_of({"a": float("nan")}, "a", "f", 1)) == (None, None)
    assert number_of({"a": 1}, "a", "f", 1) == 1.0
    with pytest.raises(ValueError, match=r"f: row 7: column 'a' is 3, not text"):
        text_of({"a": 3}, "a", "f", 7)
    for value in ("high", True):
        with pytest.raises(ValueError, match=r"f: row 7: column 'a' is .*, not a number"):
            number_of({"a": value}, "a", "f", 7)


def test_what_no_published_file_has_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of 50 MB, JSON nested 100,000 deep, a number of 5,000 digits, a .gz that unpacks to too much."""
    path = tmp_path / "a.jsonl"
    for content, message in (
        (b"x" * 50_000_000, r"line 1: has 50,000,000 bytes, and at most 10,000,000 are read"),
        (b"[" * 100_000, "line 1: "),
        (b'{"a": ' + b"1" * 5000 + b"}", "line 1: JSON that cannot be read"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message) as caught:
            read_table(path, ["a"])
        assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)
    monkeypatch.setattr(text_files, "MOST_BYTES", 1000)
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(b" " * 1001))
    with pytest.raises(ValueError, match=r"b\.jsonl\.gz: has more than 1,000 bytes unpacked"):
        read_table(packed, ["a"])
