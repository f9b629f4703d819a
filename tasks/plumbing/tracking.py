"""Where MLflow writes, and how its store comes to be.

MLflow migrates a fresh SQLite file at first touch; two processes that do so at once corrupt each other, so the first
touch happens under a lock.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

EXPERIMENT = "polydetox"


def root() -> Path:
    """The project's root: DVC names it to its stages, also from the temporary copy that an experiment runs in."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def tracking_uri() -> str:
    """The user's MLFLOW_TRACKING_URI, else a SQLite file in the project's root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root() / 'mlflow.db'}"


def connect() -> None:
    """Points MLflow to its store, creating a local one once; raises what MLflow raises if it cannot be reached."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    # By default a server that is down is tried for four minutes, under the lock that other stages wait for.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    import mlflow  # noqa: PLC0415  # 1.5 s, and only two stages need it

    lock = root() / ".scratch" / "mlflow.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        mlflow.set_tracking_uri(tracking_uri())
        if mlflow.get_experiment_by_name(EXPERIMENT) is None:
            local = tracking_uri().startswith("sqlite:")
            mlflow.create_experiment(EXPERIMENT, artifact_location=f"file://{root() / 'mlruns'}" if local else None)
        mlflow.set_experiment(EXPERIMENT)


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
        run = mlflow.start_run(run_name=name, tags={"polydetox.live": "true"})
    except Exception as error:  # whatever an unreachable tracker raises
        print(f"MLflow is not available ({type(error).__name__}: {error}); training goes on without live curves")
        yield False
        return
    with run:
        yield True
        mlflow.flush_async_logging()
