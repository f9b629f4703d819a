"""Loads params.yaml into typed, frozen values and says clearly what is wrong with it."""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError

PARAMS = Path("params.yaml")
# Set by whoever starts a study on another device than params.yaml says, which no result depends on.
DEVICE_VARIABLE = "POLYDETOX_DEVICE"


def _distinct(names: list[str]) -> list[str]:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} appears twice")
    return names


Languages = Annotated[list[str], Field(min_length=1), AfterValidator(_distinct)]


class ParamsError(ValueError):
    """A key or value of params.yaml that cannot be used; the message names it and what to do."""


class Runtime(BaseModel, frozen=True, extra="forbid"):
    """How to run, never what to compute: no stage tracks this section, and tests show that results do not change."""

    device: Literal["auto", "cpu", "cuda"] = Field(description="auto takes a GPU where torch sees one")
    generate_batch: int = Field(gt=0, description="continuations sampled at once, in sequences")
    score_batch: int = Field(gt=0, description="texts whose likelihood is computed at once, in sequences")
    embed_batch: int = Field(gt=0, description="sentences embedded at once, in sequences")
    cpu_threads: int = Field(
        default=2,
        ge=1,
        description="threads of a model stage on a CPU; another number adds in another order, so last digits change, "
        "and with them now and then a sampled token; the ledger notes it with each execution",
    )
    cpu_stages: int | None = Field(
        default=None,
        ge=1,
        description="model stages of this project that run at once on a CPU; null: one per cpu_threads cores",
    )
    track_training: bool = Field(description="show train_dpo's curves in MLflow while it trains")
    vllm_python: str = Field(
        default="environments/vllm/.venv/bin/python", description="python of the environment that has vLLM"
    )
    vllm_memory: float = Field(default=0.9, gt=0, le=1, description="share of a GPU's memory that vLLM may take")
    accelerate_config: str | None = Field(
        default=None,
        description="train_dpo in the processes of this accelerate configuration: a file, or a name that TRL brings "
        "along (multi_gpu, fsdp2, zero2, ...); null: in one process",
    )


def read(path: Path = PARAMS) -> dict[str, Any]:
    """The whole file as plain values, with the device that the environment names."""
    if not path.exists():
        raise ParamsError(f"{path}: no such file; run from the project's root")
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ParamsError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(loaded, dict):
        raise ParamsError(f"{path}: expected sections (name: values), found {type(loaded).__name__}")
    if (device := os.environ.get(DEVICE_VARIABLE)) and isinstance(loaded.get("runtime"), dict):
        loaded["runtime"]["device"] = device
    return loaded


def unknown_section(name: str, valid: list[str], path: Path = PARAMS) -> str:
    """Message for a section that no stage reads."""
    near = difflib.get_close_matches(name, valid, n=1, cutoff=0.0)[0]
    return f"{path}: {name}: unknown section; did you mean {near!r}? valid sections: {', '.join(valid)}"


def expected_policies(seeds: list[int]) -> dict[str, str]:
    """The base model and one DPO policy per seed."""
    return {"base": "models/prepare_model"} | {f"dpo-{seed}": f"models/train_dpo/{seed}" for seed in seeds}


def check_policies(raw: dict[str, Any], path: Path = PARAMS) -> None:
    """ParamsError unless `policies` lists the base model and one DPO policy per seed: DVC cannot derive the list.

    Checkpoints from elsewhere may stand beside them, as models/NAME.
    """
    seeds = raw.get("train_dpo", {}).get("seeds", [])
    if not isinstance(seeds, list):
        raise ParamsError(f"{path}: train_dpo.seeds: expected a list, such as [1, 2], found {seeds!r}")
    expected = expected_policies(seeds)
    found = raw.get("policies", {})
    for name in sorted(set(expected) | set(found)):
        if name not in expected and str(found[name]) == f"models/{name}":
            continue
        if expected.get(name) != found.get(name):
            wanted = f"should read '{name}: {expected[name]}'" if name in expected else "has no seed in train_dpo.seeds"
            raise ParamsError(f"{path}: policies: {name} {wanted}")


def section(raw: dict[str, Any], name: str, kind: Any, path: Path = PARAMS) -> Any:
    """One section as its type; ParamsError names every bad key with its nearest valid one."""
    if name not in raw:
        raise ParamsError(f"{path}: section {name!r} is missing")
    try:
        return TypeAdapter(kind).validate_python(raw[name])
    except ValidationError as error:
        lines = [_explain(name, kind, problem) for problem in error.errors()]
        raise ParamsError(f"{path}: " + "; ".join(lines)) from error


def _explain(name: str, kind: Any, problem: Any) -> str:
    keys, _ = _below(kind, problem["loc"])
    location = ".".join([name, *keys])
    if problem["type"] != "extra_forbidden":
        return f"{location}: {problem['msg']} (found {problem['input']!r})"
    *parents, key = problem["loc"]
    valid = sorted(_below(kind, parents)[1].model_fields)
    near = difflib.get_close_matches(str(key), valid, n=1, cutoff=0.0)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{location}: unknown key; {hint}valid keys: {', '.join(valid)}"


def _below(kind: Any, parts: Sequence[Any]) -> tuple[list[str], Any]:
    """Keys of the file among the parts of a location, and the type at its end.

    At a union pydantic puts the tag, or the name, of the member that it tried into the location: no key of the file.
    """
    if get_origin(kind) is Annotated:
        return _below(get_args(kind)[0], parts)
    members = [member for member in get_args(kind) if member is not NoneType]
    union = get_origin(kind) in (Union, UnionType)
    if union and len(members) == 1:
        return _below(members[0], parts)
    if not parts:
        return [], kind
    if union:
        tried = [member for member in members if parts[0] in {*_tags(member), getattr(member, "__name__", None)}]
        return _below((tried or members)[0], parts[1:])
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(parts[0])
        inner = field.annotation if field else Any
    else:
        inner = (members or [Any])[-1]
    keys, end = _below(inner, parts[1:])
    return [str(parts[0]), *keys], end


def _tags(member: Any) -> set[Any]:
    """Values of the literal fields of a member of a union, by one of which it is told from the others."""
    if not (isinstance(member, type) and issubclass(member, BaseModel)):
        return set()
    fields = [field.annotation for field in member.model_fields.values()]
    return {tag for annotation in fields if get_origin(annotation) is Literal for tag in get_args(annotation)}
