"""Finds the Prefect server that `make ui` runs for this project."""

import json
import urllib.error
import urllib.request
from pathlib import Path

NOTE = Path(".prefect") / "ui.json"


def running_api(note: Path = NOTE) -> str | None:
    """Address of its API, None if none answers."""
    if not note.exists():
        return None
    url = str(json.loads(note.read_text(encoding="utf-8"))["api"])
    return url if answers(url) else None


def answers(api: str) -> bool:
    """Whether a Prefect server is ready at this address."""
    try:
        with urllib.request.urlopen(f"{api}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False
