"""Studies unlike the shipped one, made from the shrunken one: the measures hold, and the report says what is there."""

import hashlib
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tasks import __main__ as cli
from tasks.plumbing.files import write_csv
from tests.scorer_models import save_guard

POLICIES = ("base", "dpo-1", "dpo-2")
LEARNING = Path("data/prepare_model/learning.csv")
PROMPTS = Path("data/prepare_prompts/prompts.parquet")
PER_PROMPT = ("score_toxicity/{}/scores", "score_fluency/{}/perplexity", "score_diversity/{}/diversity",
              "identify_language/{}/languages", "generate/{}/continuations")  # fmt: skip


def change(**sections: dict[str, Any]) -> None:
    """Replaces sections of params.yaml."""
    loaded = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8")) | sections
    Path("params.yaml").write_text(yaml.safe_dump(loaded, sort_keys=False), encoding="utf-8")


def section(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))[name]
    return loaded


def report() -> str:
    """Makes the report and returns what a reader sees, in one line."""
    assert cli.main(["report"]) == 0
    page = Path("data/report/report.html").read_text(encoding="utf-8")
    page = re.sub(r"<pre>.*?</pre>|<style>.*?</style>|<script>.*?</script>|<svg.*?</svg>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"</?span[^>]*>", "", page)).split())


def figures() -> set[str]:
    return {path.stem for path in Path("data/report/figures").glob("*.png")}


def from_elsewhere(shares: dict[str, float]) -> None:
    """A model of the hub with these published shares: nothing else of learning.csv is known."""
    hub = {"kind": "hub", "path": "presets/x.yaml", "id": "somebody/model", "revision": 40 * "a", "dtype": "auto"}
    rest = {"attention": None, "device_map": None, "prompt_format": "plain", "corpus_share": shares}
    change(prepare_model=hub | rest)
    columns = pd.read_csv(LEARNING).columns
    frame = pd.DataFrame({"language": list(shares), "corpus_share": list(shares.values())}, columns=columns)
    write_csv(LEARNING, frame)


def test_a_real_model_of_which_nothing_is_known(copied_study) -> None:
    """No shares, other parallel text, other pairs and prompts, another judge: no word of the mini world is left."""
    from_elsewhere({})
    change(
        prepare_pairs={"kind": "lee", "path": "data/raw/pairs"},
        prepare_prompts={"kind": "rtp_lx", "path": "data/raw/RTP-LX.zip"},
        prepare_parallel={"kind": "ntrex", "path": "data/raw/ntrex", "limit": None, "seed": None},
        prepare_labelled={"kind": "rtp_lx", "path": "data/raw/RTP-LX.zip"},
        score_fluency={"judge": "causal_lm", "model": "tests/judge", "revision": 40 * "b"},
    )
    copied_study.run("measure_transfer")
    predictors = pd.read_csv("metrics/measure_transfer/predictors.csv")
    partial = predictors[predictors["method"] == "pearson_given_log_corpus_share"]
    assert (partial["n"] == 0).all() and partial["note"].eq("no corpus share is known").all()
    assert predictors.loc[predictors["measure"] == "log_corpus_share", "estimate"].isna().all()
    assert predictors.loc[(predictors["measure"] == "p_at_1") & (predictors["method"] == "pearson"), "n"].eq(5).all()
    text = report()
    assert "relation with best-layer P@1 given the corpus share cannot be computed (no corpus share is known)" in text
    assert not re.search(r"mini world|pidgin|civil|the floor|entropy|its own insults", text)
    assert "own perplexity on the parallel sentences" in text and "quartiles under tests/judge" in text
    assert "perplexity (under tests/judge; there of mT5-XL" in text and "the prompts (kind" not in text
    assert "How well the base model knows each language was not measured" in text and "share of corpus" not in text
    assert "dashed line at chance; it does not show what a layer" not in text  # how many candidates, nobody says
    assert "learning" not in figures() and {"languages", "correlations", "layers"} <= figures()


def test_shares_of_some_languages_control_for_these(copied_study) -> None:
    """Of the five others four have a share: the partial correlation is over four, and says so."""
    shares = {"ar": 0.01, "de": 0.1, "es": 0.2, "zh": 0.02, "en": 0.5, "fr": 0.3}
    from_elsewhere(shares)
    copied_study.run("measure_transfer")
    rows = pd.read_csv("metrics/measure_transfer/predictors.csv")
    partial = rows[rows["method"] == "pearson_given_log_corpus_share"]
    assert (partial["n"] == 4).all()
    assert partial["note"].str.startswith("the corpus share is known in 4 of 5 languages").all()
    control = rows[(rows["measure"] == "log_corpus_share") & (rows["method"] == "pearson")].iloc[0]
    assert control["n"] == 4 and -1 <= control["estimate"] <= 1
    text = report()
    assert "the corpus share is known in 4 of 5 languages" in text and ", n = 4" in text
    assert "es Spanish 20.00%" in text


@pytest.mark.parametrize(
    ("recipe", "name", "absent"),
    [
        ({"method": "sft"}, "supervised tuning", {"training-margin", "training-rewards", "training-accuracy"}),
        ({"method": "kto", "loss": "kto", "beta": 0.1}, "KTO", {"training-accuracy"}),
    ],
)
def test_another_method_is_called_by_its_name(
    copied_study, recipe: dict[str, Any], name: str, absent: set[str]
) -> None:
    """Curves without rewards, or without their accuracy, leave out the figures of these; nothing says DPO."""
    common = {
        key: value for key, value in section("train_dpo")["recipe"].items() if key not in {"loss", "method", "beta"}
    }
    change(train_dpo={"seeds": [1, 2], "recipe": common | recipe})
    for path in Path("data/train_dpo").glob("*/curves.csv"):
        curves = pd.read_csv(path)
        gone = [column for column in curves if any(figure.removeprefix("training-")[:6] in column for figure in absent)]
        gone = [column for column in gone if "loss" not in column]
        write_csv(path, curves.assign(**dict.fromkeys(gone)))
    text = report()
    assert f"was tuned with {name} on English preference pairs" in text and f"the method ({name}; there DPO)" in text
    assert f"Loss of {name} on the English validation pairs" in text
    assert "log-likelihood ratio" not in text and "DPO" not in text.replace("there DPO", "")
    assert not absent & figures() and "training-loss" in figures()


def test_prompts_that_all_languages_share(copied_study, capsys: pytest.CaptureFixture[str]) -> None:
    """Without prompts of a language's own nothing is said of such; without any other there is nothing to measure."""
    prompts = pd.read_parquet(PROMPTS)
    own = prompts[prompts["culture_specific"]][["language", "prompt_id"]].assign(own=True)
    prompts[~prompts["culture_specific"]].to_parquet(PROMPTS)
    for pattern in PER_PROMPT:
        for policy in POLICIES:
            path = Path("data") / f"{pattern.format(policy)}.parquet"
            rows = pd.read_parquet(path).merge(own, on=["language", "prompt_id"], how="left")
            rows[rows["own"].isna()].drop(columns="own").to_parquet(path)
    copied_study.run("measure_transfer")
    assert set(pd.read_csv("metrics/measure_transfer/languages.csv")["subset"]) == {"aligned"}
    text = report()
    assert "prompts that exist in one language only" not in text
    assert "ar Arabic 8 0 100.0%" in text
    prompts[~prompts["culture_specific"]].assign(culture_specific=True).to_parquet(PROMPTS)
    assert cli.main(["measure_transfer"]) == 1
    assert f"{PROMPTS}: every prompt is culture-specific" in capsys.readouterr().err


def test_languages_that_the_identifier_does_not_know(copied_study) -> None:
    """The identifier may know one language of the study, or none: no share is invented, and the figure has gaps."""
    change(identify_language=section("identify_language") | {"kind": "lingua", "candidates": "all", "confidence": 0.5})
    for known in (["en"], []):
        for policy in POLICIES:
            path = Path(f"data/identify_language/{policy}/languages.parquet")
            rows = pd.read_parquet(path)
            unknown = ~rows["language"].isin(known)
            rows.loc[unknown, ["consistent", "identified"]] = pd.NA
            rows.to_parquet(path)
        copied_study.run("measure_transfer")
        text = report()
        if known:
            assert "Continuations in the prompt’s language are rarest in English" in text
        else:
            assert "No continuation has an identified language." in text


def test_scorers_of_other_kinds(copied_study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard that knows two languages and an archive beside the lexicon: cards, validity, agreement, and gaps."""
    monkeypatch.setenv("POLYDETOX_SCORES", str(tmp_path / "scores"))
    from tasks.models.pinned import folder_digest  # noqa: PLC0415  # imports the hub's client

    model = save_guard(tmp_path / "guard")
    guard = {"kind": "guard", "model": str(model), "revision": folder_digest(model), "languages": ["en", "de"]}
    texts = pd.concat(pd.read_parquet(f"data/generate/{policy}/continuations.parquet") for policy in POLICIES)
    labelled = pd.read_parquet("data/prepare_labelled/texts.parquet")
    everything = pd.concat([texts[["language", "text"]], labelled[["language", "text"]]]).drop_duplicates()
    path = tmp_path / "archive.parquet"
    everything.assign(score=[len(text) % 7 / 7 for text in everything["text"]]).to_parquet(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    replay = {"kind": "replay", "path": str(path), "sha256": digest, "id": "tests/length", "revision": "2026-11"}
    replay |= {"label": "LENGTH", "measures": "length", "languages": ["ar", "de", "en", "es", "ja", "zh"]}
    scorers = section("score_toxicity")
    change(score_toxicity=scorers | {"scorers": scorers["scorers"] | {"guard": guard, "length": replay}})
    for stage in (*(["score_toxicity", policy] for policy in POLICIES), ["score_labelled"], ["compare_scorers"]):
        assert cli.main(stage) == 0
    text = report()
    assert "length tests/length 2026-11 length" in text and "unsafe content" in text
    assert "guard is shown to be valid" in text and "of 2 languages that have labels" in text
    assert "lexicon and length rank samples with Spearman’s ρ from" in text
    assert "guard, ja Japanese 0 0 40 no scored text" in text
    assert "lexicon and guard, ja Japanese 0 – " in text
    assert "validity" in figures()
    # Now EMT is the archive's, which is not valid anywhere, while the lexicon is everywhere.
    change(score_toxicity=section("score_toxicity") | {"primary": "length"})
    text = report()
    assert "length, whose scores these are, is not shown to be valid in" in text and "ja Japanese ‡" in text
