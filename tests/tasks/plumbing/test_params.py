"""What is wrong with params.yaml is said by name, value and what would be right."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from tasks.plumbing.params import ParamsError, Runtime, check_policies, read, section, unknown_section


class Inner(BaseModel, frozen=True, extra="forbid"):
    width: int = Field(gt=0)
    heads: int = 2


class Mini(BaseModel, frozen=True, extra="forbid"):
    kind: Literal["mini"]
    documents: int = 3
    inner: Inner | None = None


class Hub(BaseModel, frozen=True, extra="forbid"):
    kind: Literal["hub"]
    repository: str = "x"


class Stage(BaseModel, frozen=True, extra="forbid"):
    seed: int = 1
    inner: Inner | None = None
    several: list[Inner] = []
    named: dict[str, Inner] = {}
    source: Annotated[Mini | Hub, Field(discriminator="kind")] | None = None
    sources: list[Annotated[Mini | Hub, Field(discriminator="kind")]] = []


MINI: dict[str, Any] = {"kind": "mini"}


def _message(value: Any, kind: Any = Stage) -> str:
    with pytest.raises(ParamsError) as caught:
        section({"stage": value}, "stage", kind, Path("p.yaml"))
    return str(caught.value)


def test_a_valid_section_becomes_its_type() -> None:
    """Nested values, lists, dicts and both kinds of source are taken over; what is left out has its default."""
    raw = {
        "seed": 4,
        "inner": {"width": 8},
        "several": [{"width": 1, "heads": 1}],
        "named": {"a": {"width": 2}},
        "source": {"kind": "hub", "repository": "y"},
        "sources": [{"kind": "mini", "documents": 5}],
    }
    stage = section({"stage": raw, "other": 1}, "stage", Stage)
    assert stage == Stage(
        seed=4,
        inner=Inner(width=8, heads=2),
        several=[Inner(width=1, heads=1)],
        named={"a": Inner(width=2)},
        source=Hub(kind="hub", repository="y"),
        sources=[Mini(kind="mini", documents=5)],
    )
    assert section({"languages": ["en", "de"]}, "languages", list[str]) == ["en", "de"]


@pytest.mark.parametrize(
    ("value", "kind", "location", "near", "valid"),
    [
        ({"sed": 1}, Stage, "stage.sed", "seed", "inner, named, seed, several, source, sources"),
        ({"inner": {"width": 1, "widht": 2}}, Stage, "stage.inner.widht", "width", "heads, width"),
        ({"several": [{"width": 1}, {"width": 1, "haed": 2}]}, Stage, "stage.several.1.haed", "heads", "heads, width"),
        ({"named": {"a": {"width": 1, "head": 2}}}, Stage, "stage.named.a.head", "heads", "heads, width"),
        (MINI | {"document": 1}, Mini | Hub, "stage.document", "documents", "documents, inner, kind"),
        (MINI | {"inner": {"width": 1, "with": 1}}, Mini, "stage.inner.with", "width", "heads, width"),
        ({"source": MINI | {"docs": 1}}, Stage, "stage.source.docs", "documents", "documents, inner, kind"),
        ({"sources": [MINI | {"docs": 1}]}, Stage, "stage.sources.0.docs", "documents", "documents, inner, kind"),
        (
            {"source": MINI | {"inner": {"width": 1, "hed": 1}}},
            Stage,
            "stage.source.inner.hed",
            "heads",
            "heads, width",
        ),
        (
            MINI | {"docs": 1},
            Annotated[Mini | Hub, Field(discriminator="kind")],
            "stage.docs",
            "documents",
            "documents, inner, kind",
        ),
        ([{"width": 1, "haeds": 2}], list[Inner], "stage.0.haeds", "heads", "heads, width"),
        ({"a": {"width": 1, "haeds": 2}}, dict[str, Inner], "stage.a.haeds", "heads", "heads, width"),
    ],
    ids=[
        "top", "nested", "list", "dict", "union", "optional", "tagged union", "list of tagged unions",
        "below a tagged union", "tagged union on top", "list on top", "dict on top",
    ],
)  # fmt: skip
def test_an_unknown_key_names_the_nearest_valid_one(
    value: Any, kind: Any, location: str, near: str, valid: str
) -> None:
    """The message has the file, the whole path of the key, the likeliest meaning and the keys that are valid there.

    Of a union the keys of the chosen member suffice; more may be listed.
    """
    message = _message(value, kind)
    assert message.startswith("p.yaml: ")
    start = message.index(f"{location}: unknown key")
    said = message[start:].split(";", 2)
    assert said[1].strip().startswith(f"did you mean {near!r}? valid keys: ")
    listed = said[1].partition("valid keys: ")[2].split(", ")
    assert set(valid.split(", ")) <= set(listed)


def test_a_key_of_another_member_is_not_suggested() -> None:
    """`documents` is a key of mini; of a hub it is unknown, and what hubs have is told instead."""
    message = _message({"kind": "hub", "documents": 1}, Annotated[Mini | Hub, Field(discriminator="kind")])
    assert message.startswith("p.yaml: stage.documents: unknown key; did you mean ")
    assert message.endswith("valid keys: kind, repository")
    assert "'documents'?" not in message


def test_a_wrong_value_is_shown() -> None:
    """The path of the key, what it should be, and what was found."""
    assert "p.yaml: stage.seed: " in _message({"seed": "many"})
    assert "integer" in _message({"seed": "many"})
    assert "(found 'many')" in _message({"seed": "many"})
    assert "stage.several.1.width: " in _message({"several": [{"width": 1}, {"width": -3}]})
    assert "greater than 0 (found -3)" in _message({"several": [{"width": 1}, {"width": -3}]})
    assert "stage.inner.width: Field required" in _message({"inner": {}})
    assert "'hubs'" in _message({"source": {"kind": "hubs"}})


def test_every_problem_is_named_at_once() -> None:
    """Two mistakes are two parts of one message, so that one edit mends both."""
    message = _message({"seed": "many", "innner": {}})
    assert "stage.seed: " in message
    assert "stage.innner: unknown key; did you mean 'inner'?" in message


def test_a_missing_section_is_named() -> None:
    """The message has the file and the section."""
    with pytest.raises(ParamsError, match=r"p\.yaml: section 'stage' is missing"):
        section({"stages": {}}, "stage", Stage, Path("p.yaml"))


def test_an_unknown_section_names_the_nearest_stage() -> None:
    """As for keys: the likeliest meaning, and all that are valid."""
    message = unknown_section("generat", ["embed_parallel", "generate", "runtime"], Path("p.yaml"))
    assert message.startswith("p.yaml: generat: unknown section; did you mean 'generate'?")
    assert message.endswith("embed_parallel, generate, runtime")


def test_params_cannot_be_changed() -> None:
    """A stage cannot alter what it was given."""
    runtime = section(
        {
            "runtime": {
                "device": "cpu",
                "generate_batch": 1,
                "score_batch": 1,
                "embed_batch": 1,
                "track_training": False,
            }
        },
        "runtime",
        Runtime,
    )
    with pytest.raises(ValueError, match="frozen"):
        runtime.device = "cuda"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"no such file; run from the project's root"),
        ("a: [1", r"not valid YAML"),
        ("- a\n- b\n", r"expected sections .* found list"),
        ("", r"expected sections .* found NoneType"),
    ],
    ids=["missing", "broken", "list", "empty"],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: str | None, message: str) -> None:
    """Missing, broken, of the wrong shape, or empty: the message has its path and what is wrong."""
    path = tmp_path / "params.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ParamsError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_read_gives_plain_values(tmp_path: Path) -> None:
    """Sections as YAML has them, in UTF-8."""
    path = tmp_path / "params.yaml"
    path.write_text("a: {b: 1e-3, c: [é, 2]}\n", encoding="utf-8")
    assert read(path) == {"a": {"b": "1e-3", "c": ["é", 2]}}  # YAML 1.1: 1e-3 has no dot, so it is a string


SEEDS = {"train_dpo": {"seeds": [1, 22]}}
POLICIES = {"base": "models/prepare_model", "dpo-1": "models/train_dpo/1", "dpo-22": "models/train_dpo/22"}


def test_policies_that_match_the_seeds_pass() -> None:
    """The base model and one policy per seed, in any order."""
    check_policies({**SEEDS, "policies": dict(reversed(POLICIES.items()))})


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ({k: v for k, v in POLICIES.items() if k != "dpo-22"}, "dpo-22 should read 'dpo-22: models/train_dpo/22'"),
        ({k: v for k, v in POLICIES.items() if k != "base"}, "base should read 'base: models/prepare_model'"),
        (POLICIES | {"dpo-1": "models/train_dpo/2"}, "dpo-1 should read 'dpo-1: models/train_dpo/1'"),
        (POLICIES | {"dpo-3": "models/train_dpo/3"}, r"dpo-3 has no seed in train_dpo\.seeds"),
    ],
    ids=["missing", "no base", "crossed", "surplus"],
)
def test_policies_that_miss_the_seeds_are_refused(policies: dict[str, str], message: str) -> None:
    """The message says which line is wrong and how it should read."""
    with pytest.raises(ParamsError, match=message):
        check_policies({**SEEDS, "policies": policies})
