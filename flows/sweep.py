"""A grid over parameters and seeds, each point a DVC experiment."""

import itertools
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import BaseModel, ConfigDict, Field

from flows import overrides
from flows.exhibits import headline_of_experiment
from flows.study import Request as StudyRequest
from flows.study import study
from tasks.plumbing import project


class Request(BaseModel):
    """The grid."""

    model_config = ConfigDict(extra="forbid")

    grid: dict[str, list[Any]] = Field(
        default_factory=lambda: {"train_dpo.recipe.beta": [0.05, 0.1, 0.5]},
        description="Values to try by parameter; every combination is run. Other parameters are those of params.yaml.",
    )
    seeds: list[int] = Field(
        default_factory=list,
        description="Seeds of train_dpo, each its own experiment; none: the seeds of params.yaml together.",
    )
    targets: list[str] = Field(default_factory=list, description="Stages to bring up to date; none: all.")
    name: str = Field(
        default="sweep", pattern=r"^[A-Za-z0-9._-]+$", description="First part of the names of the experiments."
    )


DEFAULT = Request()


def points(request: Request) -> list[list[str]]:
    """Overrides of every point of the grid, the last parameter changing fastest.

    Raises:
        OverrideError: for a parameter without values.
    """
    axes = [[f"{key}={overrides.render(value)}" for value in values] for key, values in request.grid.items()]
    if request.seeds:
        axes.append([f"train_dpo.seeds=[{seed}]" for seed in request.seeds])
    for key, axis in zip([*request.grid, "seeds"], axes, strict=False):
        if not axis:
            raise overrides.OverrideError(f"grid: {key} has no values")
    if not axes:
        raise overrides.OverrideError("grid: no parameter and no seed to vary")
    return [list(point) for point in itertools.product(*axes)]


@flow(name="sweep", persist_result=False)
def sweep(request: Request = DEFAULT) -> State[Any]:
    """Runs the study at every point of a grid, each as a DVC experiment; one that fails does not end the others.

    `dvc exp show` and MLflow compare them; the artifact has their headline numbers side by side.
    """
    logger = get_run_logger()
    rows, failed = [], []
    grid = points(request)
    for number, point in enumerate(grid, 1):
        name = f"{request.name}-{overrides.name_of(point)}"
        logger.info(f"{number} of {len(grid)}: {', '.join(point)}")
        state = study(StudyRequest(overrides=point, targets=request.targets, experiment=name), return_state=True)
        if not state.is_completed():
            failed.append(name)
        row = dict(overrides.parse(one) for one in point)
        rows.append({"experiment": name, **row, "state": state.name} | headline_of_experiment(project.root(), name))
        create_table_artifact(key="sweep", table=rows, description="Points of the grid, as far as they are")
    if failed:
        return Failed(message=f"{len(failed)} of {len(grid)} failed: {', '.join(failed)}; the others are kept")
    return Completed(message=f"{len(grid)} experiments; `dvc exp show` compares them")
