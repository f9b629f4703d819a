"""Reads RTP-LX (de Wynter et al. 2024) from the archive as published; nothing of it is ever written unpacked.

The archive is protected by a published password, which keeps crawlers out.
"""

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tasks.sources import language_codes
from tasks.sources.text_files import Row, decode, parse_json_lines, text_of

SHARED = 999  # an Index below this is the same prompt in every locale, translated; from it on, a locale's own
PASSWORD = "rtp-lx-entries-4/8/24"  # the README's rule: repository's name in lower case + "-entries" + "-4/8/24"
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
    """

    prompt: str
    completion: str
    benign: str
    prompt_toxicity: float | None = None
    completion_toxicity: float | None = None


def read(path: Path, languages: Iterable[str], password: str) -> dict[str, dict[int, Entry]]:
    """Entries by language and Index, ascending.

    Rows are matched by int(Index), never by position: the archive has locales sorted as text ("0", "1", "10", ...).

    Raises:
        ValueError: The archive, a locale, a row or a column is missing or cannot be read, or an Index is no number or
            appears twice.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; docs/data.md says how to get RTP-LX")
    try:
        with zipfile.ZipFile(path) as archive:
            return {language: _entries(archive, path, language, password) for language in languages}
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


def _entries(archive: zipfile.ZipFile, path: Path, language: str, password: str) -> dict[int, Entry]:
    wanted = f"RTP_LX_{language_codes.rtp_lx(language)}.json"
    members = {PurePosixPath(info.filename).name: info for info in archive.infolist() if not info.is_dir()}
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
        marks = [_toxicity(row, f"{text}Annotations", name, number) for text in ("Prompt", "Completion")]
        entries[index] = Entry(prompt, completion, benign, *marks)
    return dict(sorted(entries.items()))


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, password: str) -> bytes:
    # Python's zipfile decrypts ZipCrypto only, and reports AES as an unknown way to compress.
    if member.compress_type == _AES:
        raise ValueError(
            f"{name}: encrypted with AES, which is not supported; use the archive as published, which has ZipCrypto"
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
