"""Looks into the MLflow mirror without ever making a store, and without telling where it is."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from mlflow import MlflowClient

from tasks.plumbing import tracking
from tasks.plumbing.lineage import LockedStage
from tasks.plumbing.mirrored_runs import KEY, OUT, identity

SAME_KEY = 100  # runs that are looked at; more than one only where a forced execution made something else
UNREACHABLE = "the MLflow mirror cannot be read"


@dataclass(frozen=True)
class MirrorRun:
    """A finished run of the mirror."""

    run_id: str
    name: str
    tags: dict[str, str]
    metrics: dict[str, float]


class MirrorError(RuntimeError):
    """The mirror exists but cannot be read; the message gives the kind of error only, for addresses are secrets."""


class Mirror:
    """An MLflow store that exists; `open_mirror` finds it."""

    def __init__(self, client: "MlflowClient", experiment: str | None) -> None:
        self._client = client
        self._experiment = experiment

    def find(self, stage: LockedStage) -> MirrorRun | None:
        """The finished run with a stage's key and outputs, else the newest with its key; None if there is none."""
        if self._experiment is None:
            return None
        wanted = f"attributes.status = 'FINISHED' and tags.`{KEY}` = '{stage.key}'"
        try:
            runs = self._client.search_runs(
                [self._experiment], wanted, max_results=SAME_KEY, order_by=["attributes.start_time DESC"]
            )
        except Exception as error:  # whatever an unreachable or broken tracker raises
            raise MirrorError(f"{UNREACHABLE} ({type(error).__name__})") from error
        same = identity({KEY: stage.key} | {OUT + path: md5 for path, md5 in stage.outs.items()})
        found = [
            MirrorRun(run.info.run_id, run.info.run_name or "", dict(run.data.tags), dict(run.data.metrics))
            for run in runs
        ]
        return next((run for run in found if identity(run.tags) == same), found[0] if found else None)


def open_mirror(root: Path) -> Mirror | None:
    """The mirror of the project, None if there is no store; MirrorError if there is one that cannot be read."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}"
    if not _exists(root, uri):
        return None
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    # By default a server that is down is tried for four minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")  # seconds
    try:
        from mlflow import MlflowClient  # noqa: PLC0415  # 1.3 s, and most projects that are audited have a store

        client = MlflowClient(tracking_uri=uri)
        experiment = client.get_experiment_by_name(tracking.EXPERIMENT)
    except Exception as error:  # whatever an unreachable or broken tracker raises
        raise MirrorError(f"{UNREACHABLE} ({type(error).__name__})") from error
    return Mirror(client, None if experiment is None else experiment.experiment_id)


def _exists(root: Path, uri: str) -> bool:
    """Whether there is a store to ask: MLflow would make the file or folder that a local address names."""
    parts = urlsplit(uri)
    if parts.scheme.startswith("sqlite"):
        file = root / uri.partition("///")[2].partition("?")[0]
        return file.is_file() and file.stat().st_size > 0
    if parts.scheme in ("", "file"):
        return (root / parts.path).is_dir()
    return True
