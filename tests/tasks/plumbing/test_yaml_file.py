"""YAML that would be misread is refused, in one line that names file and line."""

from pathlib import Path

import pytest

from tasks.plumbing.yaml_file import YamlError, read_yaml


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: 1\nb: 2\na: 3\n", ":3: 'a' is already given in line 1; keep one of them"),
        (b"a:\n  x: 1\n  y: 2\n  x: 3\n", ":4: 'x' is already given in line 2; keep one of them"),
        (b"a: {x: 1, x: 2}\n", ":1: 'x' is already given in line 1; keep one of them"),
        ("a: 1\n".encode("utf-16"), ": encoded as UTF-16; save it as UTF-8"),
        ("a: 1\n".encode("utf-8-sig"), ": starts with a byte order mark; save it as UTF-8 without BOM"),
        ("a: 1\nb: caf\xe9\n".encode("latin-1"), ":2: byte 0xe9 is not UTF-8; save the file as UTF-8"),
        (
            b"a:\n\tx: 1\n",
            ":2: not valid YAML: found character '\\t' that cannot start any token; indent with spaces, not tabs",
        ),
        (b"a: 1\nb: [1\n", ":3: not valid YAML: expected ',' or ']', but got '<stream end>'"),
    ],
    ids=["section twice", "nested twice", "inline twice", "UTF-16", "BOM", "Latin-1", "tab", "open bracket"],
)
def test_what_would_be_misread_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """The whole message: file, line, cause and what to do."""
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(YamlError) as caught:
        read_yaml(path)
    assert str(caught.value) == f"{path}{said}"


def test_equal_keys_of_different_mappings_are_no_repetition(tmp_path: Path) -> None:
    """Only keys of one mapping count, and 1 and '1' are two keys."""
    path = tmp_path / "params.yaml"
    path.write_text("a: {x: 1}\nb: {x: é}\nc: {1: a, '1': b}\n", encoding="utf-8")
    assert read_yaml(path) == {"a": {"x": 1}, "b": {"x": "é"}, "c": {1: "a", "1": "b"}}
