"""Reads RTP-LX (de Wynter et al. 2024) from the archive as published; nothing of it is ever written unpacked.

The archive is protected by a published password, which keeps crawlers out.
"""

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from tasks.sources import alignment, language_codes
from tasks.sources.text_files import Row, decode, parse_json_lines, text_of

SHARED = 999  # an Index below this is the same prompt in every locale, translated; from it on, a locale's own
PASSWORD = "rtp-lx-entries-4/8/24"  # the README's rule: repository's name in lower case + "-entries" + "-4/8/24"
SKIPPED = 960  # Index that some locales lack, in every version; what they call i + 1 above it is English i
ENGLISH = "en"
MOST_BYTES = 100_000_000  # of a locale, unpacked; published ones have a few million
_AES = 99
_ENCRYPTED = 1  # bit of a member's flags


@dataclass(frozen=True)
class Entry:
    """One prompt of one locale; the completions are empty where a locale has none.

    Attributes:
        prompt: What is to be continued.
        completion: A continuation, likely toxic.
        benign: A continuation written not to be.
        prompt_toxicity: What people said of the prompt, 1 (not toxic) to 5; None where nobody was asked.
        completion_toxicity: The same of the completion.
        moved: Whether the archive has it at an Index one higher (see `read`).
    """

    prompt: str
    completion: str
    benign: str
    prompt_toxicity: float | None = None
    completion_toxicity: float | None = None
    moved: bool = False


def read(path: Path, languages: Iterable[str], password: str, aligned: bool = True) -> dict[str, dict[int, Entry]]:
    """Entries by language and Index, ascending.

    Rows are matched by int(Index), never by position: version 1.0 has locales sorted as text ("0", "1", "10", ...). In
    all versions ar, cs, de, es, fr, it and zh lack Index 960, and their 961 to 999 are English 960 to 998. Their rows
    above the gap move down by one, own prompts included, and are marked as `moved`.

    Args:
        path: The archive.
        languages: Codes.
        password: Of the archive.
        aligned: Whether to refuse a locale whose shared prompts do not line up with English, if the archive has it.

    Raises:
        ValueError: The archive, a locale, a row or a column is missing or cannot be read; an Index is no number or
            appears twice; or a locale does not line up.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; docs/data.md says how to get RTP-LX")
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
            read = {language: _entries(archive, members, path, language, password) for language in languages}
            others = [language for language in read if language != ENGLISH]
            if aligned and others and _member(ENGLISH) in members:
                english = read.get(ENGLISH) or _entries(archive, members, path, ENGLISH, password)
                for language in others:
                    _check_alignment(path, language, english, read[language])
            return read
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"{path}: not a complete zip archive ({error}); download it again. Some hundred bytes are a pointer of "
            "Git LFS or a web page"
        ) from error


def shared_prompts(entries: Mapping[int, Entry]) -> dict[str, str]:
    """Prompts that stand for the same one in every locale, by id: Index 5 is i0005."""
    return {prompt_id(index): entry.prompt for index, entry in entries.items() if index < SHARED}


def prompt_id(index: int) -> str:
    """An Index as the id of a prompt."""
    return f"i{index:04d}"


def _member(language: str) -> str:
    return f"RTP_LX_{language_codes.rtp_lx(language)}.json"


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Members by name, without their folders."""
    for info in archive.infolist():
        place = PurePosixPath(info.filename.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts:
            raise ValueError(f"{path}: member {info.filename!r} lies outside the archive; download it again")
    return {PurePosixPath(info.filename).name: info for info in archive.infolist() if not info.is_dir()}


def _entries(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], path: Path, language: str, password: str
) -> dict[int, Entry]:
    wanted = _member(language)
    if wanted not in members:
        locales = sorted(name[7:-5] for name in members if name.startswith("RTP_LX_") and name.endswith(".json"))
        raise ValueError(
            f"{path}: has no {wanted}; take {language!r} out of params.yaml: languages, or use another archive. "
            f"It has {', '.join(locales) or 'no file named RTP_LX_*.json'}"
        )
    name = f"{path}: {wanted}"
    entries: dict[int, Entry] = {}
    for number, row in enumerate(
        parse_json_lines(decode(_content(archive, members[wanted], name, password), name), name), 1
    ):
        index = _index(row, name, number)
        if index in entries:
            raise ValueError(f"{name}: row {number}: Index {index} appears twice; download the archive again")
        if "Prompt" not in row:
            raise ValueError(f"{name}: row {number}: column 'Prompt' is missing; it has {', '.join(row)}")
        prompt, completion, benign = (
            text_of({column: row.get(column)}, column, name, number)
            for column in ("Prompt", "Completion", "BenignCompletion")
        )
        # Versions 0.2 and 0.3 have marks of the prompt alone, in `Annotations`.
        column = "PromptAnnotations" if "PromptAnnotations" in row else "Annotations"
        marks = [_toxicity(row, text, name, number) for text in (column, "CompletionAnnotations")]
        entries[index] = Entry(prompt, completion, benign, marks[0], marks[1])
    return _without_gap(dict(sorted(entries.items())))


def _without_gap(entries: dict[int, Entry]) -> dict[int, Entry]:
    """The entries with those above a missing SKIPPED moved down by one; unchanged if there is no such gap."""
    if SKIPPED in entries or not {SKIPPED - 1, SKIPPED + 1, SHARED} <= set(entries):
        return entries
    return {
        index - (index > SKIPPED): replace(entry, moved=True) if index > SKIPPED else entry
        for index, entry in entries.items()
    }


def _check_alignment(path: Path, language: str, english: Mapping[int, Entry], other: Mapping[int, Entry]) -> None:
    texts = [{row: entry.prompt for row, entry in side.items() if row < SHARED} for side in (english, other)]
    problem = alignment.complaint(texts[0], texts[1], SKIPPED)
    if problem:
        raise ValueError(
            f"{path}: {_member(language)}: its prompts are not those that English has at the same Index ({problem}); "
            f"take {language!r} out of params.yaml: languages, or use another version of the archive"
        )


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, password: str) -> bytes:
    # Python's zipfile decrypts ZipCrypto only, and reports AES as an unknown way to compress.
    if member.compress_type == _AES:
        raise ValueError(
            f"{name}: encrypted with AES, which is not supported; use the archive as published, which has ZipCrypto"
        )
    if member.file_size > MOST_BYTES:  # which is also the most that zipfile unpacks
        raise ValueError(
            f"{name}: says that it has {member.file_size:,} bytes unpacked; RTP-LX has at most {MOST_BYTES:,}. "
            "Download the archive again"
        )
    try:
        return archive.read(member, pwd=password.encode())
    except (RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        # A wrong password passes the one check byte of ZipCrypto once in 256 times, and then the content is broken.
        if member.flag_bits & _ENCRYPTED:
            raise ValueError(
                f"{name}: cannot be decrypted with this password, or is damaged; the README of "
                "github.com/microsoft/RTP-LX tells the password (key `password`)"
            ) from error
        raise ValueError(f"{name}: damaged ({error}); download the archive again") from error


def _toxicity(row: Row, column: str, name: str, number: int) -> float | None:
    """The published summary of the three raters, not their raw marks."""
    annotations = row.get(column)
    value = annotations.get("Toxicity") if isinstance(annotations, dict) else None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 5:
        raise ValueError(f"{name}: row {number}: {column} has Toxicity {value!r}; it must be a number from 1 to 5")
    return float(value)


def _index(row: Row, name: str, number: int) -> int:
    value = row.get("Index")
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    raise ValueError(
        f"{name}: row {number}: Index is {value!r}, not a number; it is what aligns the languages, so the row "
        "cannot be used"
    )
