"""A place for finished shards and checkpoints of a stage that may be killed.

It lies under .scratch/, named by a key of everything the stage's result depends on, so that work done with other
parameters, inputs or code can never be resumed.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

SCRATCH = Path(".scratch")


CODE = Path(__file__).parents[1]


@contextmanager
def scratch(stage: str, item: str, params: BaseModel, inputs: Iterable[Path]) -> Iterator[Path]:
    """The stage's scratch folder, kept when the block fails, removed when it succeeds."""
    folder = SCRATCH / f"{stage}-{item}-{key(stage, params, inputs)}"
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder)


def key(stage: str, params: BaseModel, inputs: Iterable[Path]) -> str:
    """Digest of parameters, input files and code: the stage's own, and all definitions and engines."""
    digest = hashlib.sha256(json.dumps(params.model_dump(mode="json"), sort_keys=True).encode())
    code = [CODE / f"{stage}.py", *(CODE / "science").glob("*.py"), *(CODE / "engines").glob("*.py")]
    for path in sorted(_files(inputs)) + sorted(code):
        digest.update(str(path.name).encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield from (file for file in path.rglob("*") if file.is_file()) if path.is_dir() else (path,)
