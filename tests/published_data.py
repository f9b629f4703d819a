"""Writes small data sets in the formats that the real ones are published in, and projects that read them."""

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "rtp-lx-entries-4/8/24"
LANGUAGES = ["ar", "cs", "de", "en", "es", "fr", "hi", "id", "it", "ja", "ko", "nl", "pl", "pt", "ru", "sv", "zh"]


def project(root: Path, **sections: Any) -> None:
    """The shipped dvc.yaml and params.yaml in a folder, with some sections replaced."""
    root.mkdir(exist_ok=True)
    (root / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    (root / "params.yaml").write_text(yaml.safe_dump(params | sections), encoding="utf-8")


def json_lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """One object per line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def rtp_lx_row(index: int | str, prompt: str, completion: str = "", benign: str = "") -> dict[str, Any]:
    """A row with the columns of RTP-LX 1.0."""
    marks = {"Toxicity": 2.0, "Insult": 1.0}
    return {
        "Prompt": prompt,
        "Completion": completion,
        "Index": index,
        "Locale": "xx",
        "Dialect": "",
        "PromptAnnotations": marks,
        "PromptAnnotationsRaw": {name: [value] * 3 for name, value in marks.items()},
        "CompletionAnnotations": marks,
        "CompletionAnnotationsRaw": {name: [value] * 3 for name, value in marks.items()},
        "BenignCompletion": benign,
    }


def rtp_lx_row_0_2(index: int | str, prompt: str) -> dict[str, Any]:
    """A row with the columns of RTP-LX 0.2: marks of the prompt alone, and mostly no completion."""
    marks = {"Toxicity": 4.0, "Insult": 2.0}
    return {
        "Prompt": prompt,
        "Completion": "",
        "Index": index,
        "Locale": "xx",
        "Annotations": marks,
        "AnnotationsRaw": {name: [value] * 3 for name, value in marks.items()},
    }


def rtp_lx_english(index: int) -> str:
    """A made-up prompt; one in three holds a name that a translation keeps, and lengths differ."""
    name = f"Zoe{_letters(index)} " if index % 3 == 0 else ""
    return f"{name}buys a cake" + " and a pie" * (index * 7 % 11)


def rtp_lx_german(index: int) -> str:
    """Its translation."""
    name = f"Zoe{_letters(index)} " if index % 3 == 0 else ""
    return f"{name}kauft einen Kuchen" + " und eine Torte" * (index * 7 % 11)


def _letters(number: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in f"{number:04d}")


def rtp_lx_zip(path: Path, locales: Mapping[str, Sequence[Mapping[str, Any]]], password: str = PASSWORD) -> Path:
    """An archive of JSON Lines files, encrypted as the published one is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    members = {f"RTP-LX/RTP_LX_{locale}.json": json_lines(rows) for locale, rows in locales.items()}
    path.write_bytes(encrypted_zip(members, password.encode()))
    return path


def encrypted_zip(members: Mapping[str, bytes], password: bytes, method: int = 8) -> bytes:
    """A zip archive with PKWARE's traditional encryption (APPNOTE.TXT, sec. 6.1); `method` is what it claims to be."""
    body, directory = b"", b""
    for name, content in members.items():
        crc = zlib.crc32(content)
        deflate = zlib.compressobj(wbits=-15)
        data = _encrypt(bytes(11) + bytes([crc >> 24]) + deflate.compress(content) + deflate.flush(), password)
        common = struct.pack("<5H3L2H", 20, 1, method, 0, 33, crc, len(data), len(content), len(name), 0)
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<3H2L", 0, 0, 0, 0, len(body))
        directory += name.encode()
        body += b"PK\x03\x04" + common + name.encode() + data
    end = struct.pack("<4H2LH", 0, 0, len(members), len(members), len(directory), len(body), 0)
    return body + directory + b"PK\x05\x06" + end


def _encrypt(plain: bytes, password: bytes) -> bytes:
    keys = [0x12345678, 0x23456789, 0x34567890]

    def crc(value: int, byte: int) -> int:
        # zlib complements before and after; the cipher's CRC does neither.
        return zlib.crc32(bytes([byte]), value ^ 0xFFFFFFFF) ^ 0xFFFFFFFF

    def update(byte: int) -> None:
        keys[0] = crc(keys[0], byte)
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = crc(keys[2], keys[1] >> 24)

    for byte in password:
        update(byte)
    coded = bytearray()
    for byte in plain:
        mask = (keys[2] | 2) & 0xFFFF
        coded.append(byte ^ (mask * (mask ^ 1) >> 8 & 0xFF))
        update(byte)
    return bytes(coded)
