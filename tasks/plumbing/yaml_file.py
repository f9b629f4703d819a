"""Reads YAML strictly: UTF-8 only, and no key twice."""

from pathlib import Path
from typing import Any

import yaml


class YamlError(ValueError):
    """A file that is not UTF-8, not YAML, or gives a key twice; one line with file, line and what to do."""


class _Strict(yaml.SafeLoader):
    """Refuses a repeated key, of which YAML would silently keep the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                name, line = (key.tag, key.value), key.start_mark.line + 1
                if name in lines:
                    raise YamlError(f"{line}: {key.value!r} is already given in line {lines[name]}; keep one of them")
                lines[name] = line
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """The file's plain values; YamlError says what is wrong with it, OSError that it cannot be read."""
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise YamlError(f"{path}: encoded as UTF-16; save it as UTF-8")
    if content.startswith(b"\xef\xbb\xbf"):
        raise YamlError(f"{path}: starts with a byte order mark; save it as UTF-8 without BOM")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise YamlError(
            f"{path}:{line}: byte {content[error.start]:#04x} is not UTF-8; save the file as UTF-8"
        ) from error
    try:
        return yaml.load(text, Loader=_Strict)  # _Strict is a SafeLoader
    except YamlError as error:
        raise YamlError(f"{path}:{error}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}" if mark else ""
        tab = "; indent with spaces, not tabs" if mark and "'\\t'" in (error.problem or "") else ""
        raise YamlError(f"{path}{place}: not valid YAML: {error.problem or error.context}{tab}") from error
    except yaml.YAMLError as error:
        raise YamlError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
