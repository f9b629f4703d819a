"""A grid over parameters and seeds, each point a DVC experiment."""

from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows import overrides
from flows.exhibits import headline_of_experiment
from flows.forms import StudyRequest, points, problem
from flows.forms import SweepRequest as Request
from flows.study import study
from tasks.plumbing import project

DEFAULT = Request()


@flow(name="sweep", persist_result=False)
def sweep(request: Request = DEFAULT) -> State[Any]:
    """Runs the study at every point of a grid, each as a DVC experiment; one that fails does not end the others.

    `dvc exp show` and MLflow compare them; the artifact has their headline numbers side by side.
    """
    if wrong := problem(project.root(), request):
        return Failed(message=wrong)
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
