"""The study as a flow: every stage of dvc.yaml up to date, in parallel where the graph allows."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows import exhibits, experiment, overrides
from flows.check import check_params
from flows.forms import StudyRequest as Request
from flows.forms import problem
from flows.graph import read_graph
from flows.runners import task_runner
from flows.stages import bring_up_to_date
from tasks.plumbing import project

DEFAULT = Request()


@flow(name="study", task_runner=task_runner(), persist_result=False)
def study(request: Request = DEFAULT) -> State[Any]:
    """Brings the study up to date: runs the stages whose code, parameters or inputs changed, and those below them.

    A stage that is fresh ends as Cached. What fails keeps only the stages below it from running; the next run goes on
    with what is missing. Cancelling leaves the project usable.
    """
    root = project.root()
    if wrong := problem(root, request):
        return Failed(message=wrong)
    wanted = None if request.device == "as in params.yaml" else request.device
    name = ""
    with ExitStack() as around:
        folder = root
        if request.overrides:
            name = request.experiment or overrides.name_of(request.overrides)
            folder = around.enter_context(experiment.project_copy(root, name, get_run_logger().info))
            overrides.apply(folder / "params.yaml", request.overrides)
            check_params(folder)
        outcomes = carry_out(folder, request.targets, force=request.force, device=wanted, name=name)
        if name and not failures(outcomes):
            experiment.keep(folder, name)
            get_run_logger().info(f"kept as DVC experiment {name}: `dvc exp show`, `dvc exp apply {name}`")
    return verdict(outcomes)


def carry_out(
    folder: Path, targets: list[str], *, force: bool = False, device: str | None = None, name: str = ""
) -> dict[str, str]:
    """Brings a project or its copy up to date and shows the result; outcome per stage."""
    nodes = read_graph(folder, targets, get_run_logger().info)
    outcomes = bring_up_to_date(folder, nodes, force=force, device=device, experiment=name or None)
    if not failures(outcomes):
        exhibits.show(folder, outcomes, name)
    return outcomes


def verdict(outcomes: dict[str, str]) -> State[Any]:
    """The flow's own final state."""
    counts = {state: list(outcomes.values()).count(state) for state in dict.fromkeys(outcomes.values())}
    message = ", ".join(f"{count} {state}" for state, count in counts.items())
    if bad := failures(outcomes):
        return Failed(message=f"{message}: {', '.join(bad)}; see their logs. The next run goes on with what is missing")
    return Completed(message=message, name="Cached" if set(outcomes.values()) == {"Cached"} else "Completed")


def failures(outcomes: dict[str, str]) -> list[str]:
    """Stages that are not up to date."""
    return [name for name, state in outcomes.items() if state not in ("Cached", "Restored", "Executed")]
