"""What public corpora call a language that a study names by its ISO 639-1 code.

The 17 languages of the paper, and the others that RTP-LX has. A study may also name a language as a corpus does.

Pure: no files, clock, network or globals.
"""

_ISO_639_3 = {
    "ar": "arb", "bg": "bul", "ca": "cat", "cs": "ces", "cy": "cym", "da": "dan", "de": "deu", "en": "eng",
    "es": "spa", "et": "est", "fi": "fin", "fr": "fra", "he": "heb", "hi": "hin", "hu": "hun", "id": "ind",
    "it": "ita", "ja": "jpn", "ko": "kor", "lt": "lit", "lv": "lav", "nb": "nob", "nl": "nld", "pl": "pol",
    "pt": "por", "ro": "ron", "ru": "rus", "sk": "slk", "sl": "slv", "sv": "swe", "sw": "swa", "th": "tha",
    "tr": "tur", "uk": "ukr", "vi": "vie", "zh": "zho",
}  # fmt: skip
_SCRIPTS = {
    "ar": "Arab", "bg": "Cyrl", "he": "Hebr", "hi": "Deva", "ja": "Jpan", "ko": "Hang", "ru": "Cyrl", "th": "Thai",
    "uk": "Cyrl", "zh": "Hans",
}  # fmt: skip


def rtp_lx(language: str) -> str:
    """Locale in the names of RTP-LX's files: AR, NO-NB, ZH-Hans."""
    return {"nb": "NO-NB", "zh": "ZH-Hans", "zh-hant": "ZH-Hant"}.get(language, language.upper())


def ntrex(language: str) -> str:
    """Code in the names of NTREX-128's files."""
    return {"zh": "zho-CN"}.get(language) or _ISO_639_3.get(language, language)


def flores(language: str) -> list[str]:
    """Codes in the names of the files of FLORES-200 and FLORES+, which differ for some languages."""
    if language not in _ISO_639_3:
        return [language]
    codes = {"et": ["est", "ekk"], "lv": ["lvs"], "sw": ["swh"], "zh": ["zho", "cmn"]}
    script = _SCRIPTS.get(language, "Latn")
    return [f"{code}_{script}" for code in codes.get(language, [_ISO_639_3[language]])]


def tatoeba(language: str) -> str:
    """Code in the names of LASER's Tatoeba files, version 1."""
    return {"ar": "ara", "lv": "lvs", "sw": "swh", "zh": "cmn"}.get(language) or _ISO_639_3.get(language, language)
