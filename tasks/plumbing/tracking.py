"""Where MLflow writes, and how its store comes to be.

MLflow migrates a fresh SQLite file at first touch; two processes that do so at once corrupt each other, so the first
touch happens under a lock.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator

from tasks.plumbing import project
from tasks.plumbing.execution import EXPERIMENT as EXPERIMENT_VARIABLE
from tasks.plumbing.execution import FLOW_RUN

EXPERIMENT = "polydetox"
LIVE = "polydetox.live"  # tag of runs that a trainer logs to while it trains; the mirror's runs do not have it


def tracking_uri() -> str:
    """The user's MLFLOW_TRACKING_URI, else a SQLite file in the project's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project.root() / 'mlflow.db'}"


def without_password(text: str) -> str:
    """The text with `user:password@` taken out of every address; MLflow's errors quote the whole address."""
    return re.sub(r"(?<=://)[^/\s]*@", "", text)


def connect() -> None:
    """Points MLflow to its store, creating a local one once; raises what MLflow raises if it cannot be reached."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    # By default a server that is down is tried for four minutes, under the lock that other stages wait for.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")  # seconds; for one that answers nothing, not 120
    import mlflow  # noqa: PLC0415  # 1.5 s, and only two stages need it

    with alone("mlflow"):
        mlflow.set_tracking_uri(tracking_uri())
        if mlflow.get_experiment_by_name(EXPERIMENT) is None:
            local = tracking_uri().startswith("sqlite:")
            location = f"file://{project.root() / 'mlruns'}" if local else None
            mlflow.create_experiment(EXPERIMENT, artifact_location=location)
        mlflow.set_experiment(EXPERIMENT)


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """Waits until no other process of the project, an experiment in a copy of it included, is in the block."""
    lock = project.root() / ".scratch" / f"{name}.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def context_tags() -> dict[str, str]:
    """Who asked for what runs now: a DVC experiment, a Prefect flow run. Nothing else of the environment is logged."""
    named = {
        "dvc.exp": os.environ.get(EXPERIMENT_VARIABLE) or os.environ.get("DVC_EXP_NAME"),
        "prefect.flow_run": os.environ.get(FLOW_RUN),
    }
    return {tag: value for tag, value in named.items() if value}


@contextlib.contextmanager
def live_tracking(wanted: bool, name: str) -> Iterator[bool]:
    """An MLflow run that a trainer can log to; yields False, with a line that says why, where there is none.

    A tracker that is down must not cost a training run.
    """
    if not wanted:
        yield False
        return
    try:
        connect()
        import mlflow  # noqa: PLC0415

        # The trainer would add 177 arguments; data/train_dpo/<seed>/run.json has them.
        os.environ["MLFLOW_MAX_LOG_PARAMS"] = "0"
        tags = {LIVE: "true", "dvc.stage": os.environ.get("DVC_STAGE") or name} | context_tags()
        run = mlflow.start_run(run_name=name, tags=tags)
    except Exception as error:  # whatever an unreachable tracker raises
        reason = without_password(f"{type(error).__name__}: {error}")
        print(f"MLflow is not available ({reason}); training goes on without live curves")
        yield False
        return
    with run:
        yield True
        mlflow.flush_async_logging()
