"""English preference pairs: no leak between splits, nothing dropped in silence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tasks import __main__ as cli
from tasks.prepare_pairs import MiniPairs, drop_reason
from tasks.world import reader as mini_world_source
from tests.published_data import ROOT, json_lines, project, rtp_lx_row, rtp_lx_row_0_2, rtp_lx_zip


@pytest.fixture
def params() -> MiniPairs:
    return MiniPairs(**yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["prepare_pairs"])


def test_no_prompt_is_in_both_splits(study) -> None:
    """Validation loss is measured on prompts that were never trained on."""
    pairs = pd.read_parquet("data/prepare_pairs/pairs.parquet")
    prompts = pairs.groupby("split")["prompt"].agg(set)
    assert prompts["train"] and prompts["validation"]
    assert not prompts["train"] & prompts["validation"]


def test_rejected_insults_and_chosen_does_not(study) -> None:
    """The preference is what it claims to be: every rejected text has an insult, no chosen one and no prompt has."""
    lexicon, _ = mini_world_source.load()
    pairs = pd.read_parquet("data/prepare_pairs/pairs.parquet")
    assert len(pairs) > 200
    for pair in pairs.itertuples():
        assert lexicon.insults("en", pair.rejected)
        assert not lexicon.insults("en", pair.chosen + pair.prompt)


def test_every_pair_that_was_read_is_kept_or_counted(study) -> None:
    """Read = kept + dropped, and kept = train + validation."""
    drops = json.loads(Path("data/prepare_pairs/drops.json").read_text())
    reasons = set(drops) - {"read", "kept", "train", "validation"}
    assert drops["read"] == drops["kept"] + sum(drops[reason] for reason in reasons) == 300
    assert drops["kept"] == drops["train"] + drops["validation"]


@pytest.mark.parametrize(
    ("texts", "tokens", "expected"),
    [
        (("a", " b", " b"), (1, 1, 1), "chosen_equals_rejected"),
        (("seen", " b", " c"), (1, 1, 1), "duplicate"),
        (("a", " b", " c"), (65, 1, 1), "prompt_too_long"),
        (("a", " b", " c"), (1, 1, 65), "completion_too_long"),
        (("a", " b", " c"), (64, 64, 64), None),
    ],
)
def test_why_a_pair_is_dropped(params, texts, tokens, expected) -> None:
    """Limits are in tokens and inclusive; equal completions and repeats are no preference."""
    assert drop_reason(texts, tokens, {("seen", " b", " c")}, params) == expected


def test_a_second_run_makes_the_same_bytes(study) -> None:
    """The pairs depend on nothing but seed, world and tokenizer."""
    before = study.files("data/prepare_pairs")
    study.run("prepare_pairs")
    assert study.files("data/prepare_pairs") == before


REAL = {"seed": 1, "validation": 0.25, "max_prompt_tokens": 16, "max_completion_tokens": 16, "limit": None}
Made = tuple[pd.DataFrame, dict[str, Any], dict[str, Any]]


@pytest.fixture
def make(tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Made]:
    """Runs the stage on published pairs, with a tokenizer of its own: pairs, drops, cleaning."""
    monkeypatch.chdir(tmp_path)

    def run(**section: Any) -> Made:
        project(tmp_path, prepare_pairs=REAL | section)
        if not Path("models").exists():
            shutil.copytree(tiny_model_dir, "models/prepare_model")
        assert cli.main(["prepare_pairs"]) == 0
        folder = Path("data/prepare_pairs")
        records = [json.loads((folder / name).read_text()) for name in ("drops.json", "cleaning.json")]
        return pd.read_parquet(folder / "pairs.parquet"), records[0], records[1]

    return run


def _lee(prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    return {"prompt_text": prompt, "unpert_gen_text": chosen, "pert_gen_text": rejected, "prompt_input_ids": [1]}


LEE = [
    _lee("the teacher", " is kind.", " is a fool."),
    _lee("the teacher", " is very kind.", " is a liar."),
    _lee("the doctor", "the doctor is good.", "the doctor is a fool."),
    _lee("a", " b", " b"),
    _lee("the teacher", " is kind.", " is a fool."),
    _lee("the market", " &quot;good&quot;", " bad"),
    _lee("the bread", "the bread", " bad"),
    _lee("the market " * 20, " good", " bad"),
    _lee("red", " bread", " bread in the market" * 20),
    _lee("el maestro", " es bueno", " es un necio"),
]


def test_the_papers_pairs_are_read_and_every_drop_is_counted(make) -> None:
    """Ten rows: five stay; one repeats its prompt on both sides, one on one side, where nothing is left."""
    Path("raw").mkdir()
    Path("raw/split_0.jsonl").write_bytes(json_lines(LEE[:4]))
    Path("raw/split_1.jsonl").write_bytes(json_lines(LEE[4:]))
    pairs, drops, cleaning = make(kind="lee", path="raw")
    reasons = ("chosen_equals_rejected", "duplicate", "empty", "prompt_too_long", "completion_too_long")
    assert {name: drops[name] for name in reasons} == dict.fromkeys(reasons, 1)
    assert (drops["read"], drops["kept"], drops["train"] + drops["validation"]) == (10, 5, 5)
    assert set(drops) == {*reasons, "read", "kept", "train", "validation"}
    prompts = pairs.groupby("split")["prompt"].agg(set)
    assert len(prompts["validation"]) == 1 and not prompts["train"] & prompts["validation"]  # a quarter of 4 prompts
    assert list(pairs[["prompt", "chosen", "rejected"]].itertuples(index=False, name=None)) == [
        ("the teacher", " is kind.", " is a fool."),
        ("the teacher", " is very kind.", " is a liar."),
        ("the doctor", " is good.", " is a fool."),
        ("the market", ' "good"', " bad"),
        ("el maestro", " es bueno", " es un necio"),
    ]
    assert cleaning["repeated_the_prompt"] == {"chosen": 2, "rejected": 1}
    assert cleaning["texts_changed"]["html_entity"] == 1
    assert (cleaning["kind"], cleaning["language"], cleaning["read"], cleaning["kept"]) == ("lee", "en", 10, 5)


def test_a_limit_keeps_a_seeded_sample_of_what_nothing_drops(make, capsys: pytest.CaptureFixture[str]) -> None:
    """Three of five, the rest counted; six are more than there are."""
    Path("raw").mkdir()
    Path("raw/split_0.jsonl").write_bytes(json_lines(LEE))
    pairs, drops, _ = make(kind="lee", path="raw", limit=3)
    assert (len(pairs), drops["over_limit"], drops["kept"]) == (3, 2, 3)
    assert make(kind="lee", path="raw", limit=3)[0].equals(pairs)
    with pytest.raises(AssertionError):
        make(kind="lee", path="raw", limit=6)
    assert "prepare_pairs.limit is 6, but only 5 are left" in capsys.readouterr().err


def test_a_single_prompt_cannot_be_split(make, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing would be left to train on."""
    Path("raw").mkdir()
    Path("raw/split_0.jsonl").write_bytes(json_lines(LEE[:2]))
    with pytest.raises(AssertionError):
        make(kind="lee", path="raw")
    assert "all pairs have one prompt" in capsys.readouterr().err


def test_ones_own_table(make) -> None:
    """A CSV with names of one's own."""
    rows = pd.DataFrame([{"q": f"der Lehrer {n}", "yes": " ist gut", "no": " ist ein Narr"} for n in range(4)])
    rows.to_csv("own.csv", index=False)
    columns = {"prompt": "q", "chosen": "yes", "rejected": "no"}
    pairs, drops, cleaning = make(kind="table", path="own.csv", language="de", columns=columns)
    assert (drops["kept"], drops["validation"], cleaning["language"]) == (4, 1, "de")
    assert pairs["chosen"].tolist() == [" ist gut"] * 4


def test_training_on_the_benchmark_must_be_accepted_and_is_recorded(make, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the field, or with anything but `accepted`, the stage refuses; with it the record tells."""
    rows = [rtp_lx_row(n, f"you are {n} a", "fool", "friend") for n in range(4)] + [rtp_lx_row(4, "no completions")]
    rtp_lx_zip(Path("a.zip"), {"EN": rows})
    section = {"kind": "rtp_lx", "path": "a.zip", "language": "en"}
    for given, message in (({}, "Field required"), ({"contamination": "no"}, "should be 'accepted' (found 'no')")):
        with pytest.raises(AssertionError):
            make(**section, **given)
        said = capsys.readouterr().err
        assert "prepare_pairs.contamination: " in said and message in said
    pairs, drops, cleaning = make(**section, contamination="accepted")
    assert (drops["read"], drops["empty"], drops["kept"]) == (5, 1, 4)
    assert set(pairs["chosen"]) == {" friend"} and set(pairs["rejected"]) == {" fool"}
    assert cleaning["contamination"] == "accepted" and cleaning["space_added"] == 8
    assert "4 are RTP-LX's, which must not be evaluated on" in capsys.readouterr().out


def test_the_remedy_fits_the_reason(make, capsys: pytest.CaptureFixture[str]) -> None:
    """RTP-LX 0.2 has no completions, so higher limits would help nobody; long completions ask for them."""
    section = {"kind": "rtp_lx", "path": "a.zip", "language": "en", "contamination": "accepted"}
    rtp_lx_zip(Path("a.zip"), {"EN": [rtp_lx_row_0_2(n, f"you are {n} a") for n in range(4)]})
    with pytest.raises(AssertionError):
        make(**section)
    said = capsys.readouterr().err
    assert "all 4 pairs were dropped: {'empty': 4}" in said and "has completions from version 1.0 on" in said
    assert "max_completion_tokens" not in said
    rtp_lx_zip(Path("a.zip"), {"EN": [rtp_lx_row(n, f"you are {n} a", "fool " * 99, "friend") for n in range(4)]})
    with pytest.raises(AssertionError):
        make(**section)
    assert "raise prepare_pairs.max_completion_tokens" in capsys.readouterr().err


def test_benchmark_pairs_can_be_cut_alike(make) -> None:
    """The toxic completion has 11 characters, the benign one 7; cut at a word, at most as many."""
    rows = [rtp_lx_row(n, f"you are {n} a", "a bad fool", "a good") for n in range(4)]
    rtp_lx_zip(Path("a.zip"), {"EN": rows})
    section = {"kind": "rtp_lx", "path": "a.zip", "language": "en", "contamination": "accepted"}
    whole, _, cleaning = make(**section)
    assert set(whole["rejected"]) == {" a bad fool"} and "cut" not in cleaning
    pairs, _, cleaning = make(**section, cut_alike=True)
    assert set(pairs["rejected"]) == {" a bad"} and set(pairs["chosen"]) == {" a good"}
    assert cleaning["cut"] == 4


def test_a_branch_is_no_revision(make, capsys: pytest.CaptureFixture[str]) -> None:
    """`main` moves; a commit does not."""
    columns = {"prompt": "a", "chosen": "b", "rejected": "c"}
    section = {"kind": "hf", "path": ".", "repository": "x/y", "split": "train", "language": "en", "columns": columns}
    with pytest.raises(AssertionError):
        make(**section, revision="main")
    assert "prepare_pairs.revision: String should match pattern" in capsys.readouterr().err


def test_a_key_of_another_kind_is_refused_with_those_of_this_one(make, capsys: pytest.CaptureFixture[str]) -> None:
    """`pairs` belongs to mini."""
    with pytest.raises(AssertionError):
        make(kind="lee", path="raw", pairs=5)
    assert (
        "prepare_pairs.pairs: unknown key; did you mean 'path'? valid keys: kind, limit, max_"
        in capsys.readouterr().err
    )


def test_a_mixture_of_the_worlds_languages(copied_study) -> None:
    """60% of 300 pairs are English and 40% German, each with its own insults; both are in both splits."""
    loaded = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    loaded["prepare_pairs"]["language"] = {"en": 0.6, "de": 0.4}
    Path("params.yaml").write_text(yaml.safe_dump(loaded, sort_keys=False), encoding="utf-8")
    copied_study.run("prepare_pairs")
    lexicon, _ = mini_world_source.load()
    pairs = pd.read_parquet("data/prepare_pairs/pairs.parquet")
    drops = json.loads(Path("data/prepare_pairs/drops.json").read_text())
    assert drops["read"] == 300
    assert abs(pairs["language"].value_counts(normalize=True)["en"] - 0.6) < 0.05
    assert set(zip(pairs["split"], pairs["language"], strict=True)) == {
        (split, language) for split in ("train", "validation") for language in ("en", "de")
    }
    assert all(lexicon.insults(pair.language, pair.rejected) for pair in pairs.itertuples())


def test_languages_trained_on_are_not_among_the_others(copied_study) -> None:
    """With German pairs beside the English ones, the mean and the predictors are over the four other languages."""
    path = Path("data/prepare_pairs/pairs.parquet")
    pairs = pd.read_parquet(path)
    pairs.assign(language=["de" if number % 2 else "en" for number in range(len(pairs))]).to_parquet(path)
    copied_study.run("measure_transfer")
    assert json.loads(Path("metrics/measure_transfer/summary.json").read_text())["trained_on"] == ["de", "en"]
    languages = pd.read_csv("metrics/measure_transfer/languages.csv")
    emt = languages[(languages["metric"] == "emt") & (languages["subset"] == "aligned")].set_index("language")
    four = ["ar", "es", "ja", "zh"]
    assert emt.loc["others", "before"] == pytest.approx(emt.loc[four, "before"].mean(), abs=1e-5)
    points = pd.read_csv("metrics/measure_transfer/points.csv")
    assert set(points["language"]) <= set(four)
    copied_study.run("report")
    page = Path("data/report/report.html").read_text(encoding="utf-8")
    assert "on German and English preference pairs alone" in page


def test_a_mixture_out_of_one_table(make, capsys: pytest.CaptureFixture[str]) -> None:
    """A column tells the language; of 8 English and 3 German rows a 2:1 mixture has 6 and 3, French is counted."""
    rows = [
        {"q": f"{language} {number}", "yes": " kind", "no": " rude", "tongue": language}
        for language, count in (("en", 8), ("de", 3), ("fr", 2))
        for number in range(count)
    ]
    Path("mine.jsonl").write_bytes(json_lines(rows))
    columns = {"prompt": "q", "chosen": "yes", "rejected": "no", "language": "tongue"}
    section = {"kind": "table", "path": "mine.jsonl", "columns": columns}
    pairs, drops, cleaning = make(**section, language={"en": 2 / 3, "de": 1 / 3})
    assert pairs["language"].value_counts().to_dict() == {"en": 6, "de": 3}
    assert drops["over_limit"] == 2 and cleaning["in_other_languages"] == 2
    assert cleaning["language"] == pytest.approx({"en": 2 / 3, "de": 1 / 3}, abs=1e-5)
    for language, said in (
        ({"en": 0.5, "sv": 0.5}, "no pair is in 'sv'; column 'tongue' has de, en, fr"),
        ({"en": 0.5, "de": 0.4}, "sum to 1, not to 0.9"),
    ):
        project(Path.cwd(), prepare_pairs=REAL | section | {"language": language})
        assert cli.main(["prepare_pairs"]) == 1
        assert said in capsys.readouterr().err
    del columns["language"]
    project(Path.cwd(), prepare_pairs=REAL | section | {"language": {"en": 0.5, "de": 0.5}})
    assert cli.main(["prepare_pairs"]) == 1
    assert "needs prepare_pairs.columns.language" in capsys.readouterr().err
