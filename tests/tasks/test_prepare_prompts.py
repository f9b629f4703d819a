"""Prompts: aligned across languages, leaning to different degrees."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import TypeAdapter

from tasks import __main__ as cli
from tasks.prepare_prompts import CLEANING, PROMPTS, PreparePrompts, run
from tasks.statistics.intervals import mean_effect_over_languages
from tests.published_data import (
    json_lines,
    project,
    rtp_lx_english,
    rtp_lx_german,
    rtp_lx_row,
    rtp_lx_row_0_2,
    rtp_lx_zip,
)


def test_aligned_prompts_have_the_same_ids_in_every_language(study) -> None:
    """8 aligned prompts are shared by all six languages; 2 more per language belong to it alone."""
    prompts = pd.read_parquet("data/prepare_prompts/prompts.parquet")
    aligned = prompts[~prompts["culture_specific"]]
    ids = aligned.groupby("language")["prompt_id"].agg(tuple)
    assert len(ids) == 6
    assert ids.nunique() == 1 and len(ids.iloc[0]) == 8
    specific = prompts[prompts["culture_specific"]]
    assert specific.groupby("language").size().eq(2).all()
    assert specific["prompt_id"].is_unique


def test_aligned_prompts_lean_alike_in_every_language(study) -> None:
    """A translation says the same, so it leans the same; different prompts lean differently."""
    prompts = pd.read_parquet("data/prepare_prompts/prompts.parquet")
    leans = prompts[~prompts["culture_specific"]].groupby("prompt_id")["lean"].nunique()
    assert (leans == 1).all()
    assert prompts["lean"].between(0, 1).all()
    assert prompts["lean"].nunique() > 5


def test_a_second_run_makes_the_same_bytes(study) -> None:
    """The prompts depend on nothing but seed and world."""
    before = study.files("data/prepare_prompts")
    study.run("prepare_prompts")
    assert study.files("data/prepare_prompts") == before


@pytest.mark.parametrize(
    ("languages", "said"), [([], "languages"), (["en", "xx"], "'xx'"), (["en", "en"], "'en' appears twice")]
)
def test_bad_languages_are_refused(copied_study, capsys: pytest.CaptureFixture[str], languages, said) -> None:
    """No language, a language without a lexicon, or one named twice: the message says which."""
    loaded = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump(loaded | {"languages": languages}))
    assert cli.main(["prepare_prompts"]) == 1
    assert said in capsys.readouterr().err


Made = tuple[pd.DataFrame, dict[str, Any]]
COLUMNS = ["language", "prompt_id", "text", "culture_specific", "lean"]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Made]:
    """Runs the stage on real prompts: the prompts, and what cleaning did per language."""
    monkeypatch.chdir(tmp_path)

    def run(languages: list[str], **section: Any) -> Made:
        project(tmp_path, languages=languages, prepare_prompts={"seed": 1, "limit": None} | section)
        assert cli.main(["prepare_prompts"]) == 0
        folder = Path("data/prepare_prompts")
        return pd.read_parquet(folder / "prompts.parquet"), json.loads((folder / "cleaning.json").read_text())[
            "languages"
        ]

    return run


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """English 0 to 9; French as text-sorted with entities, without 3, 7 empty, 8 a repeat, and two of its own."""
    english = [rtp_lx_row(index, f"you fool number {index}") for index in range(10)]
    french = {index: f"tu es le sot num&#233;ro {index}" for index in range(10) if index != 3}
    french |= {7: " ", 8: french[6], 999: "propre", 1001: "autre&quot;"}
    rows = [rtp_lx_row(str(index), french[index]) for index in sorted(french, key=str)]
    return rtp_lx_zip(tmp_path / "RTP-LX.zip", {"EN": english, "FR": rows})


def _texts(prompts: pd.DataFrame, language: str, specific: bool = False) -> dict[str, str]:
    rows = prompts[(prompts["language"] == language) & (prompts["culture_specific"] == specific)]
    return dict(zip(rows["prompt_id"], rows["text"], strict=True))


def test_rtp_lx_aligns_what_all_languages_have_and_flags_the_rest(make, archive: Path) -> None:
    """Of ten prompts eight are in both languages; what French lacks is dropped from English and counted in both."""
    prompts, cleaning = make(["fr", "en"], kind="rtp_lx", path=str(archive), culture_specific=None)
    assert list(prompts) == COLUMNS and prompts["lean"].isna().all() and prompts["lean"].dtype == float
    kept = [0, 1, 2, 4, 5, 6, 8, 9]
    assert _texts(prompts, "en") == {f"i{index:04d}": f"you fool number {index}" for index in kept}
    assert _texts(prompts, "fr") == {
        f"i{index:04d}": f"tu es le sot numéro {6 if index == 8 else index}" for index in kept
    }
    assert _texts(prompts, "fr", True) == {"i0999": "propre", "i1001": 'autre"'}
    assert not _texts(prompts, "en", True)
    assert cleaning["en"]["dropped"] == {"not_in_every_language": 2} and cleaning["en"]["kept"] == 8
    assert cleaning["fr"] == {
        "read": 11,
        "changed": {
            "html_entity": 9, "not_nfc": 0, "control_character": 0, "lone_surrogate": 0, "surrounding_space": 1
        },
        "noticed": {"repeated": 1},
        "dropped": {"empty": 1},
        "kept": 10,
    }  # fmt: skip


def test_rtp_lx_limits_take_the_same_prompts_in_every_language(make, archive: Path) -> None:
    """Four of the shared ones, the same in both, and at most one of each language's own; a further run is the same."""
    section = {"kind": "rtp_lx", "path": str(archive), "limit": 4, "culture_specific": 1}
    prompts, cleaning = make(["fr", "en"], **section)
    assert len(_texts(prompts, "en")) == 4 and list(_texts(prompts, "en")) == list(_texts(prompts, "fr"))
    assert (len(_texts(prompts, "fr", True)), len(_texts(prompts, "en", True))) == (1, 0)
    for language in ("en", "fr"):
        tally = cleaning[language]
        assert (
            tally["read"] - sum(tally["dropped"].values()) == tally["kept"] == (prompts["language"] == language).sum()
        )
    assert make(["fr", "en"], **section)[0].equals(prompts)


def test_without_a_language_more_prompts_are_shared(make, archive: Path) -> None:
    """Alignment is over the languages of the study, not of the archive."""
    prompts, _ = make(["en"], kind="rtp_lx", path=str(archive), culture_specific=0)
    assert len(prompts) == 10


def _polyglo(root: Path, counts: dict[str, int]) -> None:
    for language, count in counts.items():
        folder = root / f"ptp-{language}"
        folder.mkdir(parents=True)
        rows = [{"prompt": f"{language} fool {n}", "toxicity": n / count} for n in range(count)]
        (folder / "small.jsonl").write_bytes(json_lines(rows))


def test_polyglo_prompts_belong_to_one_language_each(make) -> None:
    """No id is shared, none is culture-specific; the sample is seeded and the score bounds it."""
    _polyglo(Path("ptp"), {"de": 20, "en": 10})
    section = {"kind": "polyglo", "path": "ptp", "subset": "ptp", "split": "small", "limit": 4, "min_toxicity": 0.5}
    prompts, cleaning = make(["de", "en"], **section)
    assert list(prompts) == COLUMNS and not prompts["culture_specific"].any()
    assert prompts.groupby("language").size().to_dict() == {"de": 4, "en": 4}
    assert prompts["prompt_id"].is_unique
    number = prompts["prompt_id"].str[3:].astype(int)
    assert (prompts["text"] == prompts["language"] + " fool " + number.astype(str)).all()
    assert (number >= prompts["language"].map({"de": 10, "en": 5})).all()
    assert cleaning["de"]["dropped"] == {"below_min_toxicity": 10, "over_limit": 6}
    assert cleaning["en"]["dropped"] == {"below_min_toxicity": 5, "over_limit": 1}


def test_transfer_is_measured_on_prompts_that_no_language_shares(make) -> None:
    """The mean over languages and its bootstrap take ids of one language each, as measure_transfer hands them over."""
    _polyglo(Path("ptp"), {"de": 30, "sv": 20})
    section = {"kind": "polyglo", "path": "ptp", "subset": "ptp", "split": "small", "min_toxicity": None}
    prompts, _ = make(["de", "sv"], **section)
    ids = {str(language): rows["prompt_id"].tolist() for language, rows in prompts.groupby("language")}
    before = {language: np.linspace(0.2, 0.8, len(names)) for language, names in ids.items()}
    after = {language: values[None] - 0.1 for language, values in before.items()}
    effect = mean_effect_over_languages(before, after, ids, 200, 0.95, np.random.default_rng(1))
    assert effect.change == pytest.approx(-0.1) and effect.before == pytest.approx(0.5)
    assert effect.before_interval.low < 0.5 < effect.before_interval.high


def test_real_toxicity_prompts_are_english_only(make, capsys: pytest.CaptureFixture[str]) -> None:
    """One prompt has no score and one a low one; with another language the stage refuses and names its translation."""
    rows = [
        {"filename": "a.txt", "begin": number, "end": number + 9, "prompt": {"text": text, "toxicity": score}}
        for number, (text, score) in enumerate([("you fool", 0.9), ("the weather", 0.1), ("he is", None)])
    ]
    Path("prompts.jsonl").write_bytes(json_lines(rows))
    section = {"kind": "real_toxicity_prompts", "path": "prompts.jsonl", "min_toxicity": 0.5}
    prompts, cleaning = make(["en"], **section)
    assert prompts[["prompt_id", "text"]].to_numpy().tolist() == [["en-000000", "you fool"]]
    assert cleaning["en"]["dropped"] == {"below_min_toxicity": 1, "without_toxicity": 1}
    with pytest.raises(AssertionError):
        make(["en", "de"], **section)
    assert "has English only; params.yaml: languages has en, de" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"password": "wrong"}, "cannot be decrypted with this password"),
        ({"limit": 9}, "prepare_prompts.limit is 9, but only 8 are left after cleaning; lower it, or set it to null"),
        ({"aligned": 5}, "prepare_prompts.aligned: unknown key; did you mean "),
        ({"kind": "rtp-lx"}, "Input tag 'rtp-lx' found using 'kind' does not match any of the expected tags: 'mini', "),
        ({"path": "other.zip"}, "other.zip: no such file; docs/data.md"),
    ],
)
def test_what_cannot_be_done_is_said(
    make, archive: Path, capsys: pytest.CaptureFixture[str], section: dict[str, Any], message: str
) -> None:
    """Exit status 1 and one line that says what to do, never a traceback; nothing is written."""
    with pytest.raises(AssertionError):
        make(["en", "fr"], **({"kind": "rtp_lx", "path": str(archive), "culture_specific": None} | section))
    said = capsys.readouterr().err
    assert message in said and "Traceback" not in said
    assert not Path("data").exists()


def test_a_subset_has_splits_of_its_own() -> None:
    """The published folders are ptp-LANGUAGE/full and small, wildchat-LANGUAGE/wildchat."""
    section = {"kind": "polyglo", "path": "a", "seed": 1, "limit": None, "min_toxicity": None}
    adapter = TypeAdapter(PreparePrompts)
    assert adapter.validate_python(section | {"subset": "wildchat", "split": "wildchat"}).split == "wildchat"
    for subset, split, wanted in (("wildchat", "full", "wildchat"), ("ptp", "wildchat", "full or small")):
        with pytest.raises(ValueError, match=f"subset {subset} has no split {split}; write split: {wanted}"):
            adapter.validate_python(section | {"subset": subset, "split": split})


def test_repaired_indices_and_artefacts_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 1,029 German rows 69 moved; their prompts end in an ellipsis, which stays unless it is to be removed."""
    german = [rtp_lx_row_0_2(n + (n >= 960), rtp_lx_german(n) + "...") for n in range(1029)]
    english = [rtp_lx_row_0_2(n, rtp_lx_english(n)) for n in range(999)]
    path = rtp_lx_zip(tmp_path / "a.zip", {"EN": english, "DE": german})
    monkeypatch.chdir(tmp_path)
    section = {"kind": "rtp_lx", "path": str(path), "seed": 1, "limit": None, "culture_specific": 0}
    for more, last in (({}, "..."), ({"normalise": True}, "n")):
        run(TypeAdapter(PreparePrompts).validate_python(section | more), None, ["en", "de"])
        counts = json.loads(CLEANING.read_text(encoding="utf-8"))["languages"]
        assert counts["de"]["noticed"]["index_repaired"] == 69
        assert counts["de"]["noticed"]["trailing_ellipsis"] == 1029
        assert "index_repaired" not in counts["en"]["noticed"]
        prompts = pd.read_parquet(PROMPTS).set_index(["language", "prompt_id"])["text"]
        assert len(prompts) == 2 * 999
        assert prompts["de"]["i0000"].endswith(last)
        assert prompts["de"]["i0961"].startswith(rtp_lx_german(961)) and prompts["en"]["i0961"] == rtp_lx_english(961)
