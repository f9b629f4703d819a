"""The loader of lexicon and grammars refuses files that would mislead."""

import csv
import hashlib
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from tasks.world.pidgin import Grammar
from tasks.world.reader import FOLDER, load, revision

HEADER = "concept,category,severity,en,zh\n"
TEACHER = "teacher,person,,teacher,老师\n"
IDIOT = "idiot,insult,0.9,idiot,笨蛋\n"
GRAMMARS = (
    "language,order,adjective,adposition,degree,negation,copula,spaces,stop,question\n"
    "en,SVO,before,before,before,before,true,true,.,?\n"
    "zh,SVO,before,after,before,after,false,false,。,？\n"  # Chinese
)


def _write(folder: Path, lexicon: str, grammars: str = GRAMMARS) -> Path:
    (folder / "lexicon.csv").write_text(lexicon, encoding="utf-8")
    (folder / "grammars.csv").write_text(grammars, encoding="utf-8")
    return folder


def test_what_is_written_is_loaded(tmp_path: Path) -> None:
    """Two concepts in two languages, cell by cell; the language without spaces is known as unspaced."""
    lexicon, grammars = load(_write(tmp_path, HEADER + TEACHER + IDIOT))
    assert lexicon.categories == {"teacher": "person", "idiot": "insult"}
    assert lexicon.severities == {"idiot": 0.9}
    assert lexicon.words == {
        "en": {"teacher": "teacher", "idiot": "idiot"},
        "zh": {"teacher": "老师", "idiot": "笨蛋"},
    }
    assert lexicon.unspaced == {"zh"}
    assert grammars == {
        "en": Grammar("SVO", "before", "before", "before", "before", True, True, ".", "?"),
        "zh": Grammar("SVO", "before", "after", "before", "after", False, False, "。", "？"),  # Chinese
    }


def test_every_shipped_grammar_holds_only_literals() -> None:
    """Of 17 grammars, each value whose type is a Literal is one of its values."""
    _, grammars = load()
    literals = {name: get_args(hint) for name, hint in get_type_hints(Grammar).items() if get_args(hint)}
    assert len(grammars) == 17
    assert set(literals) == {"order", "adjective", "adposition", "degree", "negation"}
    for language, grammar in grammars.items():
        for name, allowed in literals.items():
            assert getattr(grammar, name) in allowed, (language, name)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (TEACHER + "idiot,insult,0.9,idiot,\n", r"lexicon\.csv: line 3: no zh word for 'idiot'"),
        (TEACHER + "idiot,insult,0.9,idiot\n", r"lexicon\.csv: line 3: no zh word for 'idiot'"),
        (TEACHER + "idiot,insult,,idiot,笨蛋\n", r"lexicon\.csv: line 3: insult 'idiot' needs a severity"),
        (TEACHER + "idiot,insult,0,idiot,笨蛋\n", r"lexicon\.csv: line 3: .*severity in \(0, 1\]"),
        (TEACHER + "idiot,insult,1.5,idiot,笨蛋\n", r"lexicon\.csv: line 3: .*severity in \(0, 1\]"),
        (TEACHER + "idiot,insult,high,idiot,笨蛋\n", r"lexicon\.csv: line 3: .*severity in \(0, 1\]"),
        (TEACHER + "guru,person,,Teacher,大师\n", r"en word 'Teacher' stands for both 'teacher' and 'guru'"),
        (TEACHER + "teacher,person,,tutor,导师\n", r"line 3: .*'teacher'"),
        ("", r"lexicon\.csv: has no rows"),
    ],
    ids=[
        "empty cell",
        "short row",
        "no severity",
        "severity 0",
        "severity above 1",
        "severity no number",
        "word twice",
        "concept twice",
        "no rows",
    ],
)
def test_a_misleading_lexicon_is_refused(tmp_path: Path, rows: str, message: str) -> None:
    """A missing cell, severity or row, a severity outside (0, 1], a word or concept twice: named with file and line."""
    with pytest.raises(ValueError, match=message):
        load(_write(tmp_path, HEADER + rows))


@pytest.mark.parametrize(
    ("old", "new"),
    [("SVO,before,before", "SVX,before,before"), ("true,true,.", "maybe,true,."), (",.,?", ",,?")],
    ids=["order", "copula", "stop"],
)
def test_a_misleading_grammar_is_refused(tmp_path: Path, old: str, new: str) -> None:
    """A value that Grammar does not know would otherwise be read as its opposite; the message names the file."""
    assert old in GRAMMARS
    with pytest.raises(ValueError, match=r"grammars\.csv"):
        load(_write(tmp_path, HEADER + TEACHER, GRAMMARS.replace(old, new, 1)))


def test_revision_is_the_content(tmp_path: Path) -> None:
    """The revision is the beginning of the file's SHA-256, so any edit changes it."""
    before = revision(_write(tmp_path, HEADER + TEACHER))
    assert before == hashlib.sha256((HEADER + TEACHER).encode()).hexdigest()[:12]
    assert revision(_write(tmp_path, HEADER + TEACHER + IDIOT)) != before


def test_the_shipped_files_are_where_the_loader_looks() -> None:
    """The default folder holds a lexicon with as many rows as concepts are loaded."""
    with (FOLDER / "lexicon.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(load()[0].categories) == len(rows) > 0
