"""The smallest section of params.yaml that works, for a message that says what is missing."""

from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from annotated_types import Ge, Gt
from pydantic import BaseModel

_EXAMPLES = {bool: False, str: "en", Path: "PATH"}
_OF_PATTERN = {"^[0-9a-f]{40}$": "0" * 40, r"^[\w.-]+/[\w.-]+$": "OWNER/NAME"}


def smallest_section(name: str, kind: Any, given: Any) -> str:
    """Text to paste below a message: the required keys, those that were given with their values."""
    if not isinstance(given, dict):
        return ""
    text = yaml.safe_dump({name: _filled(kind, given)}, sort_keys=False, allow_unicode=True, width=100)
    return "\nThe smallest section that works (put in your own values):\n" + text.rstrip()


def _filled(kind: Any, given: Any) -> Any:
    """What was given, and an example for each required key that was not."""
    model = _model(kind, given)
    if model is None or not isinstance(given, dict):
        return given
    filled = {}
    for name, field in model.model_fields.items():
        if name in given:
            filled[name] = _filled(field.annotation, given[name])
        elif field.is_required():
            filled[name] = _example(field.annotation, field.metadata)
    return filled


def _model(kind: Any, given: Any) -> type[BaseModel] | None:
    """The model that values belong to; of a union the one whose literal they have."""
    if get_origin(kind) is Annotated:
        return _model(get_args(kind)[0], given)
    if get_origin(kind) in (Union, UnionType):
        models = [found for member in get_args(kind) if (found := _model(member, given))]
        return next((model for model in models if _chosen(model, given)), None)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _chosen(model: type[BaseModel], given: Any) -> bool:
    tags = {
        name: get_args(f.annotation) for name, f in model.model_fields.items() if get_origin(f.annotation) is Literal
    }
    return isinstance(given, dict) and all(given[name] in values for name, values in tags.items() if name in given)


def _example(kind: Any, metadata: list[Any]) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _example(inner[0], [*metadata, *inner[1:]])
    if origin is Literal:
        return inner[0]
    if origin in (Union, UnionType):
        return None if NoneType in inner else _example(inner[0], metadata)
    if origin in (list, tuple):
        return [_example(inner[0], [])]
    if origin is dict:
        return {}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _filled(kind, {})
    if kind is str and (pattern := next((p for one in metadata if (p := getattr(one, "pattern", None))), None)):
        return _OF_PATTERN.get(pattern, "VALUE")
    if kind in (int, float):
        return kind(_number(kind, metadata))
    return _EXAMPLES.get(kind, "VALUE")


def _number(kind: Any, metadata: list[Any]) -> Any:
    """A number above the lower bound; .5 where a float lies above 0."""
    for one in metadata:
        if isinstance(one, Ge):
            return one.ge
        if isinstance(one, Gt):
            above: Any = one.gt
            return 0.5 if kind is float and above == 0 else above + 1
    return 1
