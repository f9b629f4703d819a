"""Progress bars that a terminal shows and a log file does not."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def visible() -> bool:
    """Whether anybody watches: stderr is a terminal."""
    return sys.stderr.isatty()


def progress(items: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:
    """The same items, with a bar while they are consumed."""
    return tqdm(items, desc=description, total=total, disable=not visible(), leave=False)
