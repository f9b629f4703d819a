"""The audit as a flow: verify every digest, export the lineage, keep the result where people look."""

from datetime import UTC, datetime
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.forms import AuditRequest as Request
from tasks.audit import crate
from tasks.audit.verify import Verification
from tasks.audit.verify import verify as verify_project
from tasks.plumbing import ledger, project

SHOWN = 100  # mismatches in the table; their number is in the message


DEFAULT = Request()


@task(cache_policy=NO_CACHE, persist_result=False)
def verify() -> Verification:
    """Re-hashes everything that dvc.lock names."""
    return verify_project(project.root())


@task(cache_policy=NO_CACHE, persist_result=False)
def export() -> str:
    """Writes the RO-Crate; its path relative to the project."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = project.root() / ledger.FOLDER / "crates" / f"polydetox-{stamp}.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    return crate.export(project.root(), target).relative_to(project.root()).as_posix()


@flow(name="audit", persist_result=False)
def audit(request: Request = DEFAULT) -> State[Any]:
    """Checks that every file, parameter, command and mirrored number is what dvc.lock and git say; fails if not."""
    found = verify()
    rows = [
        {"kind": one.kind, "where": one.where, "expected": one.expected, "found": one.found, "advice": one.advice}
        for one in found.mismatches
    ]
    lines = [f"**{len(rows)} mismatches** in {found.checked} checks", *(f"- {note}" for note in found.notes)]
    for row in rows[:SHOWN]:
        get_run_logger().error(f"{row['where']}: expected {row['expected']}, found {row['found']}; {row['advice']}")
    if rows:
        create_table_artifact(key="audit-mismatches", table=rows[:SHOWN], description="What is not as recorded")
    if request.export:
        lines.append(f"- RO-Crate: `{export()}`")
    create_markdown_artifact(key="audit", markdown="\n".join(lines), description="Result of the audit")
    if rows:
        return Failed(message=f"{len(rows)} mismatches; see the artifact audit-mismatches")
    return Completed(message=f"{found.checked} checks, no mismatch")
