"""Reads multiway-parallel corpora as published: text by language and sentence id, equal ids being translations."""

from collections.abc import Sequence
from pathlib import Path

from tasks.sources import language_codes, rtp_lx
from tasks.sources.cleaning import Column
from tasks.sources.text_files import find, read_lines, read_table, text_of

ENGLISH = "en"


def read_ntrex(folder: Path, languages: Sequence[str]) -> dict[str, Column]:
    """NTREX-128 (Federmann et al. 2022): one file per language, a sentence per line, English the source.

    Raises:
        ValueError: A file is missing or cannot be read, or the numbers of lines differ.
    """
    paths = {}
    for language in languages:
        code = language_codes.ntrex(language)
        paths[language] = find(folder, [f"newstest2019-{'src' if language == ENGLISH else 'ref'}.{code}.txt"])
    return _line_by_line(paths)


def read_flores(folder: Path, languages: Sequence[str], split: str) -> dict[str, Column]:
    """FLORES+ and FLORES-200, in any of the layouts that they are published in.

    Parquet and JSON Lines are aligned by their column `id`, text files by line.

    Args:
        folder: The one that holds the split's folder, or those of the languages.
        languages: Codes.
        split: dev or devtest.

    Raises:
        ValueError: A file or column is missing or cannot be read, the layouts of two languages differ, an id appears
            twice, or the numbers of lines differ.
    """
    paths = {}
    for language in languages:
        names = []
        for code in language_codes.flores(language):
            names += [f"{split}/{code}.parquet", f"{split}/{code}.jsonl", f"{code}/{split}-00000-of-00001.parquet"]
            names += [f"{split}/{code}.{split}", f"{split}/{split}.{code}"]
        paths[language] = find(folder, names)
    tables = [path for path in paths.values() if path.suffixes[-1] == ".parquet" or ".jsonl" in path.suffixes]
    if not tables:
        return _line_by_line(paths)
    if len(tables) < len(paths):
        other = next(path for path in paths.values() if path not in tables)
        raise ValueError(
            f"{tables[0]} and {other}: two layouts of FLORES number sentences differently; use one download"
        )
    # Hugging Face's copy of FLORES-200, the only one with such names, calls the column otherwise.
    return {
        language: _flores_table(path, "sentence" if path.name.startswith(f"{split}-") else "text")
        for language, path in paths.items()
    }


def read_tatoeba(folder: Path, language: str) -> dict[str, Column]:
    """One language of Tatoeba (Artetxe & Schwenk 2019, LASER v1) with its own English side.

    Which sentences there are differs between languages, so an id begins with the language.

    Raises:
        ValueError: A file is missing or cannot be read, or the numbers of lines differ.
    """
    code = language_codes.tatoeba(language)
    paths = {name: find(folder, [f"tatoeba.{code}-eng.{end}"]) for name, end in ((language, code), (ENGLISH, "eng"))}
    return _line_by_line(paths, f"{language}-")


def read_rtp_lx(path: Path, languages: Sequence[str], password: str) -> tuple[dict[str, Column], dict[str, int]]:
    """The prompts that RTP-LX has in every locale, translated by people; and by language how many rows moved.

    Raises:
        ValueError: As `rtp_lx.read`.
    """
    entries = rtp_lx.read(path, languages, password)
    moved = {language: sum(entry.moved for entry in rows.values()) for language, rows in entries.items()}
    return {language: rtp_lx.shared_prompts(rows) for language, rows in entries.items()}, moved


def read_tsv(path: Path, languages: Sequence[str]) -> dict[str, Column]:
    """A table of tab-separated columns whose header names the languages; nothing is quoted.

    Raises:
        ValueError: The file or a language is missing, or a row has not as many cells as the header.
    """
    header, *lines = [line.split("\t") for line in read_lines(path)]
    for language in languages:
        if header.count(language) != 1:
            raise ValueError(
                f"{path}: the header needs one column {language!r}; it has {', '.join(header)}. Rename or add it, or "
                "change params.yaml: languages"
            )
    if not lines:
        raise ValueError(f"{path}: has no rows")
    for number, cells in enumerate(lines, start=2):
        if len(cells) != len(header):
            raise ValueError(f"{path}: line {number}: {len(cells)} cells, the header has {len(header)}")
    return {
        language: {_sentence_id(number): cells[header.index(language)] for number, cells in enumerate(lines)}
        for language in languages
    }


def _sentence_id(number: int, prefix: str = "s") -> str:
    return f"{prefix}{number:05d}"


def _line_by_line(paths: dict[str, Path], prefix: str = "s") -> dict[str, Column]:
    columns = {language: read_lines(path) for language, path in paths.items()}
    lengths = {language: len(lines) for language, lines in columns.items()}
    first, *others = lengths
    for language in others:
        if lengths[language] != lengths[first]:
            raise ValueError(
                f"{paths[language]}: {lengths[language]} lines, but {paths[first]} has {lengths[first]}; line n must "
                "be the same sentence in both, so download both again"
            )
    return {
        language: {_sentence_id(number, prefix): line for number, line in enumerate(lines)}
        for language, lines in columns.items()
    }


def _flores_table(path: Path, text: str) -> Column:
    column = {}
    for number, row in enumerate(read_table(path, ["id", text]), start=1):
        if not isinstance(row["id"], int):
            raise ValueError(f"{path}: row {number}: id is {row['id']!r}, not a number")
        sentence = _sentence_id(row["id"])
        if sentence in column:
            raise ValueError(f"{path}: row {number}: id {row['id']} appears twice; download the file again")
        column[sentence] = text_of(row, text, str(path), number)
    return dict(sorted(column.items()))
