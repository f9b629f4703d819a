"""A wrong request is one line and exit status 2, before Prefect is even loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from flows.__main__ import main
status = main(sys.argv[1:])
assert "prefect" not in sys.modules
sys.exit(status)
"""


@pytest.mark.parametrize(
    ("flow", "request_", "word"),
    [
        ("study", "{", "not valid JSON"),
        ("study", "[]", "request: "),
        ("study", '{"target": []}', "target: "),
        ("study", '{"targets": ["sides"]}', "sides"),
        ("study", '{"overrides": ["toy.rot=1"]}', "did you mean toy.root?"),
        ("study", '{"overrides": ["toy.root=word"]}', "expected a number"),
        ("reevaluate", '{"checkpoint": "/no/such"}', "/no/such: no such directory"),
        ("reevaluate", '{"checkpoint": "."}', "no *.safetensors"),
        ("sweep", '{"grid": {}}', "no parameter and no seed"),
        ("sweep", '{"grid": {"toy.rot": [1]}}', "did you mean toy.root?"),
    ],
)
def test_a_wrong_request_is_refused_without_prefect(untouched_toy, flow: str, request_: str, word: str) -> None:
    """One line that names what is wrong; no Prefect module is loaded, so no server can have been started."""
    command = [sys.executable, "-P", "-c", RUN, flow, request_]
    done = subprocess.run(command, cwd=untouched_toy.root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1 and word in done.stderr
