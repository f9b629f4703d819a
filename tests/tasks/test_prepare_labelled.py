"""Labelled texts: aligned, distinct, labelled by the words they hold."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from pydantic import TypeAdapter

from tasks.plumbing import params
from tasks.prepare_labelled import COUNTS, TEXTS, PrepareLabelled, run
from tasks.world import reader as mini_world_source
from tasks.world.mini_world import Storyteller, World
from tests.published_data import rtp_lx_row, rtp_lx_zip

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ["ar", "en", "es", "hi", "ja", "ko"]
MINI = {"kind": "mini", "path": str(ROOT / "data/mini_world"), "seed": 1, "train": 200, "test": 40, "hostile": 0.5}
HEADER = "id,comment_text,toxic,severe_toxic,obscene,threat,insult,identity_hate\n"


def world() -> World:
    return World(**yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["mini_world"])


def made(section: dict[str, Any]) -> pd.DataFrame:
    """The table that the stage writes for a section."""
    run(TypeAdapter(PrepareLabelled).validate_python(section), world(), LANGUAGES)
    return pd.read_parquet(TEXTS)


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_training_is_english_and_testing_is_aligned() -> None:
    """200 English texts to train on; 40 to test on in each of six languages, with the same ids and labels."""
    texts = made(MINI)
    train, test = (texts[texts["split"] == split] for split in ("train", "test"))
    assert texts.columns.tolist() == ["language", "text_id", "split", "text", "toxic"]
    assert texts["toxic"].dtype == bool
    assert train.groupby("language").size().to_dict() == {"en": 200}
    assert test.groupby("language").size().to_dict() == dict.fromkeys(LANGUAGES, 40)
    assert not texts.duplicated(["language", "text_id"]).any()
    labels = test.pivot(index="text_id", columns="language", values="toxic")
    assert labels.shape == (40, 6)
    assert (labels.nunique(axis=1) == 1).all()


def test_no_text_is_there_twice() -> None:
    """Not within a split, and not in both, or the test would measure memory."""
    assert not made(MINI).duplicated(["language", "text"]).any()


def test_the_label_is_whether_an_insult_of_the_language_is_said() -> None:
    """Read with the lexicon's own words, spaced languages split at spaces: a text is toxic if it names an insult."""
    texts = made(MINI)
    lexicon, _ = mini_world_source.load(ROOT / "data/mini_world")
    for row in texts[texts["language"].isin(["ar", "en", "es", "hi", "ko"])].itertuples():
        insults = {lexicon.words[row.language][concept].casefold() for concept in lexicon.severities}
        said = {word.strip(".?!؟।").casefold() for word in row.text.split()}
        assert row.toxic == bool(insults & said), row.text
    train = texts[texts["split"] == "train"]["toxic"]
    assert 0.2 < train.mean() < 0.8


def test_documents_say_only_what_was_kept_from_pretraining() -> None:
    """Every fact "X verb Y" of an English text belongs to the part `parallel` of the world's split."""
    lexicon, _ = mini_world_source.load(ROOT / "data/mini_world")
    parts = Storyteller(world(), lexicon).fact_part
    checked = 0
    for text in made(MINI).query("language == 'en'")["text"]:
        for sentence in text.replace("?", ".").rstrip(".").split(". "):
            said = [concept for word in sentence.split() if (concept := lexicon.concept("en", word))]
            verbs = [c for c in said if lexicon.categories[c].startswith("action")]
            if len(verbs) == 1:
                after = said[said.index(verbs[0]) + 1 :]
                subject = next(c for c in said if lexicon.categories[c] == "person")
                thing = next(c for c in after if (subject, verbs[0], c) in parts)
                assert parts[subject, verbs[0], thing] == "parallel", sentence
                checked += 1
    assert checked > 200


def test_more_training_texts_leave_the_test_texts_as_they_are() -> None:
    """Splits are drawn apart, so scores of probes with more or less training data compare."""
    few, many = made(MINI), made(MINI | {"train": 300})
    expected = few[few["split"] == "test"].reset_index(drop=True)
    pd.testing.assert_frame_equal(expected, many[many["split"] == "test"].reset_index(drop=True))


def test_a_second_run_makes_the_same_bytes_and_another_seed_others() -> None:
    """The texts depend on seed and world."""
    made(MINI)
    first = TEXTS.read_bytes(), COUNTS.read_bytes()
    made(MINI)
    assert (TEXTS.read_bytes(), COUNTS.read_bytes()) == first
    made(MINI | {"seed": 2})
    assert TEXTS.read_bytes() != first[0]


def test_the_counts_add_up() -> None:
    """Documents read = kept + dropped; toxic texts per language are those of the table."""
    texts, counts = made(MINI), json.loads(COUNTS.read_text())
    assert counts["read"] == 240 + sum(counts["dropped"].values())
    assert counts["kept"]["train"] == {"en": {"texts": 200, "toxic": int(texts[texts["split"] == "train"].toxic.sum())}}
    assert {language: kept["texts"] for language, kept in counts["kept"]["test"].items()} == dict.fromkeys(
        LANGUAGES, 40
    )


@pytest.mark.slow
def test_a_world_that_has_too_few_documents_is_refused() -> None:
    """Documents of one sentence about one attribute run out; the message says what to change."""
    small = world().model_copy(update={"sentences": (1, 1), "fact": 0.0})
    section = TypeAdapter(PrepareLabelled).validate_python(MINI | {"train": 3000})
    with pytest.raises(ValueError, match=r"distinct documents to train on; lower prepare_labelled\.train"):
        run(section, small, LANGUAGES)


def _jigsaw(path: Path, toxic: int, civil: int) -> dict[str, Any]:
    rows = [f"t{n:03d},You fool number {n},1,0,0,0,1,0\n" for n in range(toxic)]
    rows += [f"c{n:03d},Thanks number {n},0,0,0,0,0,0\n" for n in range(civil)]
    path.write_text(HEADER + "".join(rows) + "x,,0,0,0,0,0,0\n", encoding="utf-8")
    return {"kind": "jigsaw", "path": str(path), "seed": 1, "test_share": 0.25, "limit": None}


def test_jigsaw_is_split_within_each_label(tmp_path: Path) -> None:
    """A quarter of 20 toxic and of 180 civil comments: 5 and 45 to test on, ids as published."""
    texts = made(_jigsaw(tmp_path / "train.csv", 20, 180))
    assert texts["language"].unique().tolist() == ["en"]
    assert texts.groupby(["split", "toxic"]).size().to_dict() == {
        ("test", False): 45,
        ("test", True): 5,
        ("train", False): 135,
        ("train", True): 15,
    }
    assert texts.set_index("text_id").loc["t007", "text"] == "You fool number 7"
    counts = json.loads(COUNTS.read_text())
    assert counts["dropped"] == {"empty": 1, "duplicate": 0, "contradictory": 0, "not_sampled": 0}
    assert counts["read"] == 201


def test_a_limit_keeps_the_labels_in_proportion(tmp_path: Path) -> None:
    """Of 10% toxic, 100 of 200 comments hold 10; the other 100 are counted as not sampled."""
    texts = made(_jigsaw(tmp_path / "train.csv", 20, 180) | {"limit": 100})
    assert texts["toxic"].value_counts().to_dict() == {False: 90, True: 10}
    assert json.loads(COUNTS.read_text())["dropped"]["not_sampled"] == 100
    others = made(_jigsaw(tmp_path / "train.csv", 20, 180) | {"limit": 100, "seed": 2})
    assert set(others["text_id"]) != set(texts["text_id"])


def test_a_label_with_too_few_comments_is_refused(tmp_path: Path) -> None:
    """One toxic comment cannot be in both splits."""
    with pytest.raises(ValueError, match=r"1 texts with toxic=1 cannot be split"):
        made(_jigsaw(tmp_path / "train.csv", 1, 50))


def _marked(index: int, prompt: str, mark: float | None, completion: str = "", other: float | None = None) -> Any:
    row = rtp_lx_row(index, prompt, completion)
    return row | {"PromptAnnotations": {"Toxicity": mark}, "CompletionAnnotations": {"Toxicity": other}}


def _archive(path: Path) -> Path:
    """20 shared prompts and completions in two languages, toxic if the Index is odd; four more German rows are odd."""
    locales: dict[str, list[Any]] = {
        locale: [
            _marked(n, f"{word} {n}", 4.0 if n % 2 else 1.0, f"{word} fool {n}", 3.0 if n % 2 else 2.9)
            for n in range(20)
        ]
        for locale, word in (("EN", "you"), ("DE", "du"))
    }
    locales["DE"] += [
        _marked(1000, "unmarked", None),
        _marked(1001, "du 0", 1.0),
        _marked(1002, "du 2", 5.0),
        _marked(1003, " &quot;eigen&quot; ", 3.0),
    ]
    return rtp_lx_zip(path, locales)


RTP_LX = {"kind": "rtp_lx", "threshold": 3.0, "seed": 1, "test_share": 0.25}


def test_people_label_rtp_lx(tmp_path: Path) -> None:
    """3 is toxic and 2.9 is not; English trains, both languages test, no Index does both; drops are counted."""
    run(
        TypeAdapter(PrepareLabelled).validate_python(RTP_LX | {"path": str(_archive(tmp_path / "RTP-LX.zip"))}),
        world(),
        ["de", "en"],
    )
    texts = pd.read_parquet(TEXTS)
    index = texts["text_id"].str.extract(r"i(\d+)-")[0].astype(int)
    shared = texts[index < 999]
    assert (shared["toxic"] == (index[shared.index] % 2 == 1)).all()
    sides = {split: set(index[texts["split"] == split]) for split in ("train", "test")}
    assert not sides["train"] & sides["test"]
    assert texts[texts["split"] == "train"]["language"].unique().tolist() == ["en"]
    assert set(texts[texts["split"] == "test"]["language"]) == {"de", "en"}
    counts = json.loads(COUNTS.read_text())
    # "du 2" is civil as Index 2 and toxic as Index 1002: both go; "du 0" is there twice.
    assert counts["de"]["dropped"]["contradictory"] == 2
    assert counts["de"]["dropped"]["duplicate"] == 1
    assert counts["de"]["dropped"]["without_label"] == 1
    assert counts["de"]["dropped"]["empty"] == 4  # those four rows have no completion
    assert counts["de"]["changed"]["html_entity"] == 1
    for language in ("de", "en"):
        assert counts[language]["read"] == counts[language]["kept"] + sum(counts[language]["dropped"].values())
        assert counts[language]["kept"] == (texts["language"] == language).sum()


def test_jigsaw_trains_and_rtp_lx_tests(tmp_path: Path) -> None:
    """Every sampled comment trains, every labelled text of RTP-LX tests, each language its own."""
    folder = tmp_path / "raw"
    folder.mkdir()
    _jigsaw(folder / "train.csv", 20, 180)
    _archive(folder / "RTP-LX.zip")
    section = {
        "kind": "jigsaw_rtp_lx", "path": str(folder), "comments": "train.csv", "archive": "RTP-LX.zip",
        "threshold": 3.0, "seed": 1, "limit": 100,
    }  # fmt: skip
    run(TypeAdapter(PrepareLabelled).validate_python(section), world(), ["de"])
    texts = pd.read_parquet(TEXTS)
    assert texts.groupby(["split", "language"]).size().to_dict() == {("test", "de"): 2 * 24 - 8, ("train", "en"): 100}
    assert texts[texts["split"] == "train"]["toxic"].sum() == 10
    assert "eigen" in " ".join(texts["text"])


def test_an_archive_without_any_label_is_refused(tmp_path: Path) -> None:
    """Nothing to learn from; the message says where to look."""
    path = rtp_lx_zip(tmp_path / "RTP-LX.zip", {"EN": [_marked(n, f"you {n}", None) for n in range(8)]})
    with pytest.raises(ValueError, match=r"no labelled text is left.*'without_label': 8.*no marks of toxicity"):
        run(TypeAdapter(PrepareLabelled).validate_python(RTP_LX | {"path": str(path)}), world(), ["en"])
    whole = rtp_lx_zip(tmp_path / "b.zip", {"EN": [_marked(n, f"you {n}", 2.0) for n in range(2)]})
    with pytest.raises(ValueError, match=r"change prepare_labelled\.test_share"):
        run(
            TypeAdapter(PrepareLabelled).validate_python(RTP_LX | {"path": str(whole), "test_share": 0.01}),
            world(),
            ["en"],
        )


def test_a_wrong_key_is_named_with_the_nearest_of_its_kind() -> None:
    """Sections are unions by `kind`; a misspelt key still has a suggestion, an unknown kind the list of kinds."""
    with pytest.raises(params.ParamsError, match=r"hostle: unknown key; did you mean 'hostile'"):
        params.section({"prepare_labelled": MINI | {"hostle": 1}}, "prepare_labelled", PrepareLabelled)
    with pytest.raises(params.ParamsError, match="'mini', 'jigsaw'"):
        params.section({"prepare_labelled": MINI | {"kind": "tweets"}}, "prepare_labelled", PrepareLabelled)
