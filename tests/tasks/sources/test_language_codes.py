"""The names that public corpora give to languages, checked against the corpora's own lists of files."""

import pytest

from tasks.sources import language_codes

# As microsoft/RTP-LX, MicrosoftTranslator/NTREX, facebookresearch/LASER and facebookresearch/flores list their files.
PAPER = [
    ("ar", "AR", "arb", "ara", "arb_Arab"),
    ("cs", "CS", "ces", "ces", "ces_Latn"),
    ("de", "DE", "deu", "deu", "deu_Latn"),
    ("en", "EN", "eng", "eng", "eng_Latn"),
    ("es", "ES", "spa", "spa", "spa_Latn"),
    ("fr", "FR", "fra", "fra", "fra_Latn"),
    ("hi", "HI", "hin", "hin", "hin_Deva"),
    ("id", "ID", "ind", "ind", "ind_Latn"),
    ("it", "IT", "ita", "ita", "ita_Latn"),
    ("ja", "JA", "jpn", "jpn", "jpn_Jpan"),
    ("ko", "KO", "kor", "kor", "kor_Hang"),
    ("nl", "NL", "nld", "nld", "nld_Latn"),
    ("pl", "PL", "pol", "pol", "pol_Latn"),
    ("pt", "PT", "por", "por", "por_Latn"),
    ("ru", "RU", "rus", "rus", "rus_Cyrl"),
    ("sv", "SV", "swe", "swe", "swe_Latn"),
    ("zh", "ZH-Hans", "zho-CN", "cmn", "zho_Hans"),
]


@pytest.mark.parametrize(("language", "rtp_lx", "ntrex", "tatoeba", "flores"), PAPER)
def test_the_17_languages(language: str, rtp_lx: str, ntrex: str, tatoeba: str, flores: str) -> None:
    """One code per corpus for each language of the paper."""
    assert language_codes.rtp_lx(language) == rtp_lx
    assert language_codes.ntrex(language) == ntrex
    assert language_codes.tatoeba(language) == tatoeba
    assert language_codes.flores(language)[0] == flores


def test_flores_plus_renamed_some_languages() -> None:
    """FLORES+ calls Mandarin cmn and Estonian ekk."""
    assert language_codes.flores("zh") == ["zho_Hans", "cmn_Hans"]
    assert language_codes.flores("et") == ["est_Latn", "ekk_Latn"]


def test_a_corpus_own_code_passes_as_it_is() -> None:
    """A language that the study names as the corpus does needs no table."""
    assert language_codes.ntrex("yue") == "yue"
    assert language_codes.flores("yue_Hant") == ["yue_Hant"]
    assert language_codes.tatoeba("kab") == "kab"
    assert language_codes.rtp_lx("bcms") == "BCMS"
    assert language_codes.rtp_lx("nb") == "NO-NB"
