"""The short answer to `polydetox why`: what made a result, and the few things that it hangs on."""

from collections import Counter, defaultdict

from tasks.audit.account import Chain
from tasks.audit.tree import executed, plain, recorded, short

MOST_LINES = 25
SHOWN = 3  # alterations, sources, notes and values in full; the rest is counted


def summary(chain: Chain, value: str) -> list[str]:
    """At most MOST_LINES lines; items of a stage, such as policies and seeds, share one."""
    lines = [f"{chain.target} = {value}", recorded(chain)]
    altered = [f"altered since: {one.path}: {one.expected}, now {one.found}" for one in chain.altered]
    lines += _few(altered) + _few([f"note: {note}" for note in chain.notes])
    for name in chain.made_by[:1]:
        stage = chain.stage(name)
        more = f" and {len(chain.made_by) - 1} more stages" if len(chain.made_by) > 1 else ""
        lines.append(f"made by {name}{more}: {stage.command}")
        if stage.executions:
            lines.append(f"  {executed(stage.executions[-1])}")
        if stage.found_fresh:
            lines.append(f"  found up to date since by {stage.found_fresh} flow runs, last {stage.last_found_fresh}")
        if stage.params:
            lines.append("  params: " + _listed([f"{key}={plain(one)}" for key, one in stage.params.items()], 6))
    if not chain.made_by:
        return [*lines, "no stage makes it: a source of the study, which changes when somebody edits it"]
    lines.append("it changes with any of these:")
    lines += [f"  source {one.path} {short(one.md5)}: if its files are edited" for one in chain.sources[:SHOWN]]
    if len(chain.sources) > SHOWN:
        lines.append(f"  and {len(chain.sources) - SHOWN} more sources")
    if chain.base_model:
        model = chain.base_model
        origin = " ".join(part for part in (model.id, model.revision and f"revision {model.revision}") if part)
        lines.append(f"  base model: {model.kind}{f' {origin}' if origin else ''}: with another {model.stage} section")
    scorers = sorted(
        {f"{one.scorer['id']} {one.scorer.get('revision', '')}".strip() for one in chain.stages if one.scorer}
    )
    lines += [f"  scorer {scorer}: with another scorer or revision" for scorer in scorers[:SHOWN]]
    keys = {key for stage in chain.stages for key in stage.params}
    sections = Counter(key.partition(".")[0] for key in keys)
    lines.append("  params.yaml: " + _listed([f"{name} ({count})" for name, count in sections.items()], 16))
    lines.append("  code: " + _listed(sorted({one.path for stage in chain.stages for one in stage.code}), 16))
    items = defaultdict(list)
    for stage in chain.stages:
        name, _, item = stage.name.partition("@")
        items[name].append(item)
    stages = [f"{name}@{{{','.join(of)}}}" if any(of) else name for name, of in items.items()]
    lines.append(f"  {len(chain.stages)} stages: " + _listed(stages, 16))
    return [*lines, "--full lists every stage with its parameters, code and inputs; `polydetox diff` says what changed"]


def _few(lines: list[str]) -> list[str]:
    return lines[:SHOWN] + ([f"and {len(lines) - SHOWN} more; --full lists them"] if len(lines) > SHOWN else [])


def _listed(names: list[str], most: int) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
