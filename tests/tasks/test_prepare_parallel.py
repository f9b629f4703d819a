"""Parallel sentences: complete, distinct, never pretrained on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks import __main__ as cli
from tasks.world import reader as mini_world_source
from tests.published_data import project, rtp_lx_row, rtp_lx_zip


def test_every_sentence_exists_in_every_language_once(study) -> None:
    """20 sentences x 6 languages, no text twice within a language (retrieval would be ambiguous)."""
    sentences = pd.read_parquet("data/prepare_parallel/sentences.parquet")
    assert sentences.groupby("language").size().to_dict() == dict.fromkeys(["ar", "de", "en", "es", "ja", "zh"], 20)
    assert not sentences.duplicated(["language", "sentence_id"]).any()
    assert not sentences.duplicated(["language", "text"]).any()


def test_they_are_civil(study) -> None:
    """Retention is measured on them, so they hold no insult."""
    lexicon, _ = mini_world_source.load()
    sentences = pd.read_parquet("data/prepare_parallel/sentences.parquet")
    assert not [row.text for row in sentences.itertuples() if lexicon.insults(row.language, row.text)]


def test_a_second_run_makes_the_same_bytes(study) -> None:
    """The sentences depend on nothing but seed and world."""
    before = study.files("data/prepare_parallel")
    study.run("prepare_parallel")
    assert study.files("data/prepare_parallel") == before


Made = tuple[pd.DataFrame, dict[str, Any]]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Made]:
    """Runs the stage on a published corpus: the sentences, and what cleaning did per language."""
    monkeypatch.chdir(tmp_path)

    def run(languages: list[str], **section: Any) -> Made:
        project(tmp_path, languages=languages, prepare_parallel={"seed": None, "limit": None} | section)
        assert cli.main(["prepare_parallel"]) == 0
        folder = Path("data/prepare_parallel")
        cleaning = json.loads((folder / "cleaning.json").read_text())["languages"]
        return pd.read_parquet(folder / "sentences.parquet"), cleaning

    return run


def _table(sentences: pd.DataFrame) -> dict[str, dict[str, str]]:
    return sentences.pivot(index="sentence_id", columns="language", values="text").to_dict("index")


def test_ones_own_sentences_lose_what_would_make_retrieval_ambiguous(make) -> None:
    """Of six lines three stay: one is empty in German, one a repeat in English, one a repeat in German."""
    lines = ["de\ten", "eins\tone", "\ttwo", "drei\tone", "eins\tfour", "f&uuml;nf\tfive", "sechs\tsix"]
    Path("own.tsv").write_text("\n".join(lines), encoding="utf-8")
    sentences, cleaning = make(["en", "de"], kind="tsv", path="own.tsv")
    assert list(sentences) == ["sentence_id", "language", "text"]
    assert _table(sentences) == {
        "s00000": {"en": "one", "de": "eins"},
        "s00004": {"en": "five", "de": "fünf"},
        "s00005": {"en": "six", "de": "sechs"},
    }
    assert cleaning["de"]["dropped"] == {"duplicate": 1, "empty": 1, "not_in_every_language": 1}
    assert cleaning["en"]["dropped"] == {"duplicate": 1, "not_in_every_language": 2}
    assert (cleaning["de"]["changed"]["html_entity"], cleaning["de"]["read"], cleaning["de"]["kept"]) == (1, 6, 3)


def test_a_limit_takes_the_first_or_a_seeded_sample(make) -> None:
    """Without a seed the first five in the file's order; with one any five, the same ones every time."""
    Path("own.tsv").write_text("de\ten\n" + "".join(f"nr {n}\tno {n}\n" for n in range(50)), encoding="utf-8")
    section = {"kind": "tsv", "path": "own.tsv", "limit": 5}
    sentences, cleaning = make(["de", "en"], **section)
    assert list(_table(sentences)) == [f"s{n:05d}" for n in range(5)]
    assert cleaning["en"]["dropped"] == {"over_limit": 45}
    sampled, _ = make(["de", "en"], **section | {"seed": 3})
    assert list(_table(sampled)) != list(_table(sentences)) and len(_table(sampled)) == 5
    assert make(["de", "en"], **section | {"seed": 3})[0].equals(sampled)


def test_rtp_lx_prompts_are_parallel_text(make) -> None:
    """The first two of the three that both locales have, by Index though German is sorted as text."""
    german = {str(n): f"du Narr {n}" for n in sorted((0, 2, 10, 11, 999), key=str)}
    rows = {
        "EN": [rtp_lx_row(n, f"you fool {n}") for n in (0, 1, 2, 10)],
        "DE": [rtp_lx_row(index, text) for index, text in german.items()],
    }
    rtp_lx_zip(Path("a.zip"), rows)
    sentences, _ = make(["de", "en"], kind="rtp_lx", path="a.zip", limit=2)
    assert _table(sentences) == {
        "i0000": {"de": "du Narr 0", "en": "you fool 0"},
        "i0002": {"de": "du Narr 2", "en": "you fool 2"},
    }


def _tatoeba(folder: Path, code: str, lines: list[tuple[str, str]]) -> None:
    folder.mkdir(exist_ok=True)
    for side, end in enumerate((code, "eng")):
        text = "".join(f"{line[side]}\n" for line in lines)
        (folder / f"tatoeba.{code}-eng.{end}").write_text(text, encoding="utf-8")


def test_tatoeba_pairs_each_language_with_its_own_english(make, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows say for which language they are paired; a repeat in one pair costs the other nothing."""
    _tatoeba(Path("v1"), "deu", [("eins", "one"), ("zwei", "two"), ("zwei", "two again")])
    _tatoeba(Path("v1"), "cmn", [("三", "three"), ("一", "one")])
    sentences, cleaning = make(["zh", "en", "de"], kind="tatoeba", path="v1")
    assert sentences.to_numpy().tolist() == [
        ["zh-00000", "zh", "三", "zh"],
        ["zh-00000", "en", "three", "zh"],
        ["zh-00001", "zh", "一", "zh"],
        ["zh-00001", "en", "one", "zh"],
        ["de-00000", "de", "eins", "de"],
        ["de-00000", "en", "one", "de"],
        ["de-00001", "de", "zwei", "de"],
        ["de-00001", "en", "two", "de"],
    ]
    assert cleaning["de"]["de"]["dropped"] == {"duplicate": 1}
    assert cleaning["de"]["en"]["dropped"] == {"not_in_every_language": 1}
    assert cleaning["zh"]["zh"]["dropped"] == cleaning["zh"]["en"]["dropped"] == {}
    for languages in (["de"], ["en"]):
        with pytest.raises(AssertionError):
            make(languages, kind="tatoeba", path="v1")
        assert "needs en and another one" in capsys.readouterr().err


def test_too_few_sentences_are_refused(make, capsys: pytest.CaptureFixture[str]) -> None:
    """With the reasons, since they are what to look at."""
    Path("own.tsv").write_text("de\ten\neins\tone\neins\ttwo\n", encoding="utf-8")
    with pytest.raises(AssertionError):
        make(["de", "en"], kind="tsv", path="own.tsv")
    assert "own.tsv: 1 sentences are left that de, en all have" in capsys.readouterr().err
    with pytest.raises(AssertionError):
        make(["de", "en"], kind="tsv", path="own.tsv", limit=9)
    assert "own.tsv: prepare_parallel.limit is 9, but only 1 are left" in capsys.readouterr().err
