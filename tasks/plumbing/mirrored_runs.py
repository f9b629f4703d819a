"""Writes runs to MLflow, each once, and finds those that are there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

from tasks.plumbing import tracking
from tasks.plumbing.mirrored_metrics import Curve

KEY = "polydetox.key"  # tag: LockedStage.key, or that of a study
OUT = "dvc.out."  # prefix of the tags with the digests of what a stage made
PARENT = "mlflow.parentRunId"
_PER_BATCH = {"metrics": 1000, "params": 100}  # MLflow's limits
Identity = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Record:
    """What a run is to say."""

    name: str
    tags: dict[str, str]
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    curves: Curve = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)  # DVC's digest by path
    figures: list[Path] = field(default_factory=list)
    started: int | None = None  # milliseconds since 1970, as MLflow counts; None for now
    ended: int | None = None


@dataclass(frozen=True)
class Found:
    """A run that MLflow has."""

    run_id: str
    tags: dict[str, str]
    finished: bool


def identity(tags: Mapping[str, str]) -> Identity:
    """What two runs of the same result share: the key and the outputs.

    The key alone would do if every device computed the same bits; where a forced execution made another model from the
    same inputs, the runs of both are kept, and each says what it made.
    """
    return frozenset((tag, value) for tag, value in tags.items() if tag == KEY or tag.startswith(OUT))


class Runs:
    """The project's runs in MLflow."""

    def __init__(self, client: "MlflowClient") -> None:
        self.client = client
        experiment = client.get_experiment_by_name(tracking.EXPERIMENT)
        assert experiment is not None  # tracking.connect() made it
        self.experiment_id: str = experiment.experiment_id
        self.mirrored: dict[Identity, Found] = {}
        self.live: list[tuple[int, Found]] = []  # by their start, the newest first
        token = None
        while True:
            page = client.search_runs(
                [self.experiment_id], max_results=1000, order_by=["attributes.start_time DESC"], page_token=token
            )
            for run in page:
                found = Found(run.info.run_id, run.data.tags, run.info.status == "FINISHED")
                if KEY in found.tags:
                    same = self.mirrored.get(identity(found.tags))
                    if same is None or (found.finished and not same.finished):
                        self.mirrored[identity(found.tags)] = found
                elif tracking.LIVE in found.tags:
                    self.live.append((run.info.start_time, found))
            token = page.token
            if not token:
                return

    def has(self, tags: Mapping[str, str]) -> bool:
        """Whether there is a whole run with this identity."""
        found = self.mirrored.get(identity(tags))
        return found is not None and found.finished

    def open(self, record: Record) -> str:
        """Id of the record's run: a new one, or the one whose writing was cut off."""
        from mlflow.entities import RunTag  # noqa: PLC0415  # slow

        cut_off = self.mirrored.get(identity(record.tags))
        if cut_off is not None:
            self.client.log_batch(cut_off.run_id, tags=[RunTag(tag, value) for tag, value in record.tags.items()])
            return cut_off.run_id
        run = self.client.create_run(self.experiment_id, record.started, record.tags, record.name)
        self.mirrored[identity(record.tags)] = Found(run.info.run_id, record.tags, finished=False)
        return str(run.info.run_id)

    def fill(self, run_id: str, record: Record) -> None:
        """Writes everything but the tags, which `open` wrote, and ends the run."""
        from mlflow.entities import Dataset, DatasetInput, Metric, Param  # noqa: PLC0415  # slow

        stamp = record.ended or 0  # not now: a value that is written again is then the same point, not a second one
        metrics = [Metric(name, value, stamp, 0) for name, value in record.metrics.items()]
        metrics += [Metric(name, value, stamp, step) for step, row in record.curves for name, value in row.items()]
        for start in range(0, len(metrics), _PER_BATCH["metrics"]):
            self.client.log_batch(run_id, metrics=metrics[start : start + _PER_BATCH["metrics"]])
        params = [Param(name, value) for name, value in record.params.items()]
        for start in range(0, len(params), _PER_BATCH["params"]):
            self.client.log_batch(run_id, params=params[start : start + _PER_BATCH["params"]])
        if record.inputs:
            datasets = [
                # "http" is the one kind of source that MLflow shows as an address.
                DatasetInput(Dataset(path, digest, "http", json.dumps({"url": f"dvc://{path}"})))
                for path, digest in record.inputs.items()
            ]
            self.client.log_inputs(run_id, datasets)
        for figure in record.figures:
            self.client.log_artifact(run_id, str(figure), "figures")
        self.client.set_terminated(run_id, end_time=record.ended)
        self.mirrored[identity(record.tags)] = Found(run_id, record.tags, finished=True)
