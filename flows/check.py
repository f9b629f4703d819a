"""Checks parameters before anything runs on them."""

import subprocess
import sys
from pathlib import Path

from flows import children
from flows.overrides import OverrideError


def check_params(folder: Path) -> None:
    """OverrideError unless every stage accepts its section of the folder's params.yaml.

    A process of its own asks the stages: their types are theirs, and flows import no stage.
    """
    command = [sys.executable, "-m", "tasks", "--check"]
    done = subprocess.run(command, cwd=folder, env=children.environment(), capture_output=True, text=True)
    if done.returncode:
        raise OverrideError(children.redact(done.stderr.strip()))
