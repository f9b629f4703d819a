"""Which task runner carries the stages: threads of this process, or a Dask or Ray cluster.

A setting of whoever starts the flow (environment variables POLYDETOX_RUNNER and POLYDETOX_WORKERS), not a parameter of
the study: it changes no result.
"""

import os
from typing import Any

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

VARIABLE, WORKERS = "POLYDETOX_RUNNER", "POLYDETOX_WORKERS"


def task_runner() -> TaskRunner[Any]:
    """The runner that the environment names: threads (default), dask, ray.

    POLYDETOX_WORKERS is the number of stages that run at once; by default as many as there are cores, two at least.
    POLYDETOX_DASK_ADDRESS and RAY_ADDRESS name a cluster that exists; without them one is started on this machine. Its
    workers must see the project's folder at the same path.

    Raises:
        ValueError: for another name.
        ModuleNotFoundError: if the extra is not installed; the message says which.
    """
    chosen = os.environ.get(VARIABLE, "threads")
    if chosen == "threads":
        # A task that waits for its parents holds a thread, so their number is not what bounds the work.
        return ThreadPoolTaskRunner()
    if chosen == "dask":
        try:
            from prefect_dask import DaskTaskRunner  # noqa: PLC0415  # an extra
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("POLYDETOX_RUNNER=dask needs `pip install 'polydetox[dask]'`") from error
        if address := os.environ.get("POLYDETOX_DASK_ADDRESS"):
            return DaskTaskRunner(address=address)
        return DaskTaskRunner(
            cluster_kwargs={"n_workers": workers(), "threads_per_worker": 1, "dashboard_address": None}
        )
    if chosen == "ray":
        try:
            from prefect_ray import RayTaskRunner  # noqa: PLC0415  # an extra
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("POLYDETOX_RUNNER=ray needs `pip install 'polydetox[ray]'`") from error
        if address := os.environ.get("RAY_ADDRESS"):
            on_cluster: TaskRunner[Any] = RayTaskRunner(address=address)
            return on_cluster
        # Ray tells its makers about every cluster unless told not to.
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        here: TaskRunner[Any] = RayTaskRunner(init_kwargs={"num_cpus": workers(), "include_dashboard": False})
        return here
    raise ValueError(f"{VARIABLE}={chosen!r}: expected threads, dask or ray")


def workers() -> int:
    """Stages that run at once; ValueError if the environment names no such number."""
    wanted = os.environ.get(WORKERS) or str(max(2, os.cpu_count() or 1))
    if not (wanted.isdecimal() and int(wanted) > 0):
        raise ValueError(f"{WORKERS}={wanted!r}: expected how many stages may run at once, 1 or more")
    return int(wanted)
