"""A chain as a tree for the terminal."""

from collections import Counter
from typing import Any

from rich.markup import escape
from rich.tree import Tree

from tasks.audit.account import Chain, Code, Commit, Execution, Stage

SHORT = 8  # hexadecimal digits of a digest: enough to tell a study's files apart, short enough to read
INLINE = 100  # characters of a value on one line


def tree(chain: Chain, full: bool = False) -> Tree:
    """The chain from the target down to its sources; each stage is told once, and named where it comes again.

    Parameters and code are listed for the stage that made the target, and counted for the others unless `full`.
    """
    root = Tree(f"[bold]{escape(chain.path)}[/]")
    root.add(escape(recorded(chain)))
    for one in chain.altered:
        root.add(f"[bold red]altered since:[/] {escape(one.path)}: {escape(one.expected)}, now {escape(one.found)}")
    for note in chain.notes:
        root.add(f"[yellow]note:[/] {escape(note)}")
    told: set[str] = set()
    for name in chain.made_by:
        _tell(root, chain, name, told, full, first=True)
    if not chain.made_by:
        root.add("no stage makes it: a source of the study")
    if chain.base_model:
        model = chain.base_model
        origin = " ".join(part for part in (model.id, model.revision and f"revision {model.revision}") if part)
        root.add(escape(f"base model: {model.kind}, made by {model.stage}" + (f" from {origin}" if origin else "")))
    for source in chain.sources:
        branch = root.add(f"source [cyan]{escape(source.path)}[/] {short(source.md5)}")
        for file, md5 in (source.files or {}).items():
            branch.add(f"{escape(file)} {short(md5)}")
        for origin in source.recorded:
            branch.add(escape(origin))
    return root


def shown(chain: Chain) -> str:
    """The value, or what else there is to say of the target."""
    if chain.value is None:
        return f"md5 {chain.md5}" if chain.md5 else "not recorded by itself"
    return plain(chain.value)


def plain(value: Any) -> str:
    """A value on one line."""
    text = str(value)
    return text if len(text) <= INLINE else text[: INLINE - 3] + "..."


def short(md5: str) -> str:
    """The beginning of a digest."""
    return md5[:SHORT]


def recorded(chain: Chain) -> str:
    """Since which commit these bytes are on record."""
    where = f" as of {chain.rev}" if chain.rev else ""
    return f"recorded{where} since {commit(chain.committed)}" if chain.committed else f"not committed yet{where}"


def commit(one: Commit) -> str:
    """A commit on one line."""
    return f"{one.id[:SHORT]} ({one.date[:10]}: {one.subject})"


def executed(one: Execution) -> str:
    """An execution on one line."""
    by = f" by flow run {one.flow_run}" if one.flow_run else ""
    url = f" {one.flow_run_url}" if one.flow_run_url else ""
    experiment = f" in experiment {one.experiment}" if one.experiment else ""
    return f"executed {one.started} in {one.seconds:g} s on {one.device}{by}{url}{experiment}"


def history_lines(stage: Stage) -> list[str]:
    """When a stage ran, and who found it up to date since."""
    lines = [executed(one) for one in stage.executions]
    if stage.found_fresh:
        lines.append(f"found up to date since by {stage.found_fresh} flow runs, last {stage.last_found_fresh}")
    if stage.mirror_run:
        lines.append(f"MLflow run {stage.mirror_run.name} {stage.mirror_run.id}")
    return lines


def counted(stage: Stage) -> str:
    """What a stage depends on beside its inputs, and how it last ran, on one line."""
    sections = Counter(key.partition(".")[0] for key in stage.params)
    parts = ["params " + ", ".join(f"{name} ({count})" for name, count in sections.items())] if sections else []
    if stage.code:
        parts.append(f"{sum(len(one.files or [one]) for one in stage.code)} code files")
    if stage.executions:
        parts.append(executed(stage.executions[-1]))
    return "; ".join(parts)


def _package(code: Code) -> str:
    return f" ({', '.join(code.files)})" if code.files else ""


def _tell(parent: Tree, chain: Chain, name: str, told: set[str], full: bool, first: bool = False) -> None:
    if name in told:
        parent.add(f"[dim]stage {escape(name)}, see above[/]")
        return
    told.add(name)
    stage = chain.stage(name)
    branch = parent.add(f"stage [bold blue]{escape(name)}[/]: {escape(stage.command)}")
    if full or first:
        if stage.params:
            branch.add("params: " + escape(", ".join(f"{key}={plain(value)}" for key, value in stage.params.items())))
        if stage.code:
            branch.add(
                "code: " + escape(", ".join(f"{one.path} {short(one.md5)}{_package(one)}" for one in stage.code))
            )
        for line in history_lines(stage):
            branch.add(f"[dim]{escape(line)}[/]")
    elif line := counted(stage):
        branch.add(f"[dim]{escape(line)}[/]")
    if stage.scorer:
        branch.add(escape(f"scorer: {stage.scorer['id']} revision {stage.scorer.get('revision', 'unknown')}"))
    for read in stage.inputs:
        kind = "input" if read.made_by else "source"
        below = branch.add(f"{kind} [cyan]{escape(read.path)}[/] {short(read.md5)}")
        for maker in read.made_by:
            _tell(below, chain, maker, told, full)
