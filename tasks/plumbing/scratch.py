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
# Packages that compute nothing that a stage keeps in scratch.
NO_RESULT = {"plumbing", "audit", "reporting"}


@contextmanager
def scratch(stage: str, item: str, params: BaseModel, inputs: Iterable[Path]) -> Iterator[Path]:
    """The stage's scratch folder, kept when the block fails, removed when it succeeds."""
    folder = SCRATCH / f"{stage}-{item}-{key(stage, params, inputs)}"
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder)


def key(stage: str, params: BaseModel, inputs: Iterable[Path]) -> str:
    """Digest of parameters, input files and code: the stage's own module, and every package that computes results."""
    digest = hashlib.sha256(json.dumps(params.model_dump(mode="json"), sort_keys=True).encode())
    packages = [path for path in CODE.glob("*/*.py") if path.parent.name not in NO_RESULT]
    code = [CODE / f"{stage}.py", *packages]
    for path in sorted(_files(inputs)) + sorted(code):
        digest.update(str(path.name).encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield from (file for file in path.rglob("*") if file.is_file()) if path.is_dir() else (path,)
