"""Parallel corpora are read in the layouts that they are published in, line by line or id by id."""

import gzip
from pathlib import Path

import pandas as pd
import pytest

from tasks.sources.parallel_corpora import read_flores, read_ntrex, read_rtp_lx, read_tatoeba, read_tsv
from tests.published_data import PASSWORD, json_lines, rtp_lx_row, rtp_lx_zip

EN, DE, ZH = ["one", "two", "three"], ["eins", "zwei", "drei"], ["一", "二", "三"]
IDS = ["s00000", "s00001", "s00002"]


def _file(path: Path, lines: list[str], end: str = "\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(line + end for line in lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def test_ntrex_has_a_file_per_language_and_english_as_the_source(tmp_path: Path) -> None:
    """CRLF as published; a compressed file stands for a plain one."""
    _file(tmp_path / "newstest2019-src.eng.txt", EN, "\r\n")
    _file(tmp_path / "newstest2019-ref.deu.txt", DE, "\r\n")
    _file(tmp_path / "newstest2019-ref.zho-CN.txt.gz", ZH)
    read = read_ntrex(tmp_path, ["zh", "de", "en"])
    assert read == {
        "zh": dict(zip(IDS, ZH, strict=True)),
        "de": dict(zip(IDS, DE, strict=True)),
        "en": dict(zip(IDS, EN, strict=True)),
    }


def test_unequal_numbers_of_lines_are_refused(tmp_path: Path) -> None:
    """Both files and both numbers are named; a line separator inside of a sentence is no line."""
    _file(tmp_path / "newstest2019-src.eng.txt", ["one\u2028still one", "two", "three"])
    _file(tmp_path / "newstest2019-ref.deu.txt", DE)
    assert read_ntrex(tmp_path, ["en", "de"])["en"]["s00002"] == "three"
    _file(tmp_path / "newstest2019-ref.deu.txt", DE[:2])
    with pytest.raises(ValueError, match=r"ref\.deu\.txt: 2 lines, but .*src\.eng\.txt has 3; .*download both again"):
        read_ntrex(tmp_path, ["en", "de"])


def test_a_missing_language_is_named_by_its_file(tmp_path: Path) -> None:
    """With where to look."""
    _file(tmp_path / "newstest2019-src.eng.txt", EN)
    with pytest.raises(ValueError, match=r"has no newstest2019-ref\.swe\.txt .*docs/data\.md"):
        read_ntrex(tmp_path, ["en", "sv"])


FLORES_TEXT = ["dev/{code}.dev", "dev/dev.{code}"]
FLORES_TABLES = ["dev/{code}.parquet", "dev/{code}.jsonl", "dev/{code}.jsonl.gz", "{code}/dev-00000-of-00001.parquet"]


@pytest.mark.parametrize("layout", FLORES_TEXT)
def test_flores_text_is_aligned_by_line(tmp_path: Path, layout: str) -> None:
    """FLORES-200's archive and FLORES+'s."""
    chinese = "zho_Hans" if layout.endswith("dev") else "cmn_Hans"
    for code, lines in (("eng_Latn", EN), (chinese, ZH)):
        _file(tmp_path / layout.format(code=code), lines)
    assert read_flores(tmp_path, ["en", "zh"], "dev") == {
        "en": dict(zip(IDS, EN, strict=True)),
        "zh": dict(zip(IDS, ZH, strict=True)),
    }


@pytest.mark.parametrize("layout", FLORES_TABLES)
def test_flores_tables_are_aligned_by_id(tmp_path: Path, layout: str) -> None:
    """German's rows stand backwards, and mean the same."""
    text = "sentence" if layout.startswith("{code}/") else "text"
    for code, lines, step in (("eng_Latn", EN, 1), ("deu_Latn", DE, -1)):
        rows = [{"id": number, text: line, "domain": "wikinews"} for number, line in enumerate(lines)][::step]
        path = tmp_path / layout.format(code=code)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            pd.DataFrame(rows).to_parquet(path)
        else:
            path.write_bytes(gzip.compress(json_lines(rows)) if path.suffix == ".gz" else json_lines(rows))
    read = read_flores(tmp_path, ["en", "de"], "dev")
    assert list(read["de"].items()) == list(zip(IDS, DE, strict=True))
    assert list(read["en"].items()) == list(zip(IDS, EN, strict=True))


def test_flores_refuses_ids_twice_and_two_layouts(tmp_path: Path) -> None:
    """Lines count from 0; ids may not."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/eng_Latn.jsonl").write_bytes(json_lines([{"id": 1, "text": "one"}, {"id": 1, "text": "two"}]))
    with pytest.raises(ValueError, match=r"eng_Latn\.jsonl: row 2: id 1 appears twice"):
        read_flores(tmp_path, ["en"], "dev")
    _file(tmp_path / "dev/deu_Latn.dev", DE)
    with pytest.raises(ValueError, match=r"eng_Latn\.jsonl and .*deu_Latn\.dev: two layouts .*use one download"):
        read_flores(tmp_path, ["en", "de"], "dev")
    with pytest.raises(ValueError, match=r"has no devtest/swe_Latn\.parquet or .*devtest/swe_Latn\.devtest"):
        read_flores(tmp_path, ["sv"], "devtest")


def test_tatoeba_has_english_of_its_own_per_language(tmp_path: Path) -> None:
    """The ids tell which."""
    _file(tmp_path / "tatoeba.deu-eng.deu", DE)
    _file(tmp_path / "tatoeba.deu-eng.eng", EN)
    assert read_tatoeba(tmp_path, "de") == {
        "de": {"de-00000": "eins", "de-00001": "zwei", "de-00002": "drei"},
        "en": {"de-00000": "one", "de-00001": "two", "de-00002": "three"},
    }


def test_rtp_lx_gives_the_shared_prompts_alone(tmp_path: Path) -> None:
    """Index 999 and above are a locale's own."""
    rows = {"EN": [rtp_lx_row(5, "five")], "DE": [rtp_lx_row("999", "eigen"), rtp_lx_row("5", "fünf")]}
    path = rtp_lx_zip(tmp_path / "a.zip", rows)
    columns = {"en": {"i0005": "five"}, "de": {"i0005": "fünf"}}
    assert read_rtp_lx(path, ["en", "de"], PASSWORD) == (columns, {"en": 0, "de": 0})


def test_tsv_has_a_column_per_language(tmp_path: Path) -> None:
    """Quotes are text, other columns are passed over."""
    path = tmp_path / "own.tsv"
    _file(path, ["de\tnote\ten", 'sagt "eins\tx\tsays "one', "zwei\t\ttwo"])
    assert read_tsv(path, ["en", "de"]) == {
        "en": {"s00000": 'says "one', "s00001": "two"},
        "de": {"s00000": 'sagt "eins', "s00001": "zwei"},
    }


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["de\tsv", "a\tb"], r"own\.tsv: the header needs one column 'en'; it has de, sv"),
        (["en\ten\tde", "a\tb\tc"], "the header needs one column 'en'; it has en, en, de"),
        (["en\tde"], r"own\.tsv: has no rows"),
        (["en\tde", "a\tb", "a\tb\tc"], r"own\.tsv: line 3: 3 cells, the header has 2"),
    ],
)
def test_a_tsv_of_another_form_is_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    """A language missing or twice, no rows, a stray tab."""
    _file(tmp_path / "own.tsv", lines)
    with pytest.raises(ValueError, match=message):
        read_tsv(tmp_path / "own.tsv", ["en", "de"])
