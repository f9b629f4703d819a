"""Progress bars that a terminal or a flow shows and a log file does not."""

import os
import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")

# Set to 1 by whoever reads the bars from a pipe.
VARIABLE = "POLYDETOX_PROGRESS"


def visible() -> bool:
    """Whether anybody watches: stderr is a terminal, or the environment says so."""
    return sys.stderr.isatty() or os.environ.get(VARIABLE) == "1"


def progress(items: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:
    """The same items, with a bar while they are consumed."""
    return tqdm(items, desc=description, total=total, disable=not visible(), leave=False)
