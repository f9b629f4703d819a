"""The command `polydetox`: asks a study where its results come from. Also `python -m tasks.audit`.

Exit status: 0 all is as recorded, 1 something is not, 2 what was asked for does not exist.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from tasks.audit.snapshot import BrokenStudyError, NotFoundError
from tasks.plumbing.lineage import PIPELINE

PIPE_WIDTH = 10_000  # characters


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; the module's docstring gives the exit status."""
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")
    options = _parser().parse_args(arguments)
    command: Callable[[Path, argparse.Namespace], int] = options.command
    try:
        return command(_root(), options)
    except (NotFoundError, BrokenStudyError) as error:
        print(f"polydetox: {error}", file=sys.stderr)
        return 2 if isinstance(error, NotFoundError) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="polydetox", description="Asks a study where its results come from.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    why = commands.add_parser("why", help="what a result was made from, back to data, code, params and model")
    why.add_argument(
        "target", help="FILE, FOLDER, FILE.json:KEY.KEY, or TABLE.csv:COLUMN=VALUE,COLUMN=VALUE:COLUMN (also .parquet)"
    )
    why.add_argument("--rev", help="a git revision or experiment instead of the workspace")
    why.add_argument(
        "--full", action="store_true", help="print every stage of the chain with its parameters, code and inputs"
    )
    why.add_argument("--json", action="store_true", help="print the document of tasks/audit/account.py")
    why.add_argument(
        "--html", type=Path, metavar="FILE", help="also write a page with the graph, which needs no network"
    )
    why.set_defaults(command=_why)

    verify = commands.add_parser("verify", help="read everything again and compare it with the record")
    verify.add_argument("--json", action="store_true", help="print the document of tasks/audit/findings.py")
    verify.set_defaults(command=_verify)

    diff = commands.add_parser(
        "diff", help="which results differ between two revisions, and the inputs that explain it"
    )
    diff.add_argument("rev1", nargs="?", default="HEAD", help="commit, branch, tag or experiment (default: HEAD)")
    diff.add_argument("rev2", nargs="?", default="workspace", help="the same, or workspace (default)")
    diff.add_argument("--json", action="store_true", help="print the document of tasks/audit/difference.py")
    diff.set_defaults(command=_diff)

    crate = commands.add_parser("crate", help="export the study as a Workflow Run RO-Crate")
    crate.add_argument("target", type=Path, help="a folder that does not exist yet, or a file that ends in .zip")
    crate.set_defaults(command=_crate)
    return parser


def _root() -> Path:
    """The project around the current folder."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / PIPELINE).is_file():
            return folder
    raise NotFoundError(f"{PIPELINE}: not here nor in a folder above; run inside a project")


def _why(root: Path, options: argparse.Namespace) -> int:
    from tasks.audit.chain import chain  # noqa: PLC0415  # each command loads only what it needs
    from tasks.audit.page import render  # noqa: PLC0415
    from tasks.audit.summary import summary  # noqa: PLC0415
    from tasks.audit.tree import shown, tree  # noqa: PLC0415

    found = chain(root, options.target, options.rev)
    if options.html:
        options.html.write_text(render(found), encoding="utf-8")
    if options.json:
        _print_json(found.model_dump(mode="json"))
    elif options.full:
        print(f"{found.target} = {shown(found)}")
        _console().print(tree(found, full=True))
    else:
        for line in summary(found, shown(found)):
            _console().print(line, markup=False, highlight=False, soft_wrap=True)
    return 1 if found.altered else 0


def _verify(root: Path, options: argparse.Namespace) -> int:
    from tasks.audit.verify import verify  # noqa: PLC0415

    found = verify(root)
    if options.json:
        _print_json(found.model_dump(mode="json"))
    else:
        for line in found.lines():
            _console().print(line, markup=False, highlight=False, soft_wrap=True)
    return 1 if found.mismatches else 0


def _diff(root: Path, options: argparse.Namespace) -> int:
    from tasks.audit.difference import difference, lines  # noqa: PLC0415

    found = difference(root, options.rev1, options.rev2)
    if options.json:
        _print_json(found.model_dump(mode="json"))
    else:
        for line in lines(found):
            _console().print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def _crate(root: Path, options: argparse.Namespace) -> int:
    from tasks.audit.crate import export  # noqa: PLC0415

    print(export(root, options.target))
    return 0


def _console() -> Console:
    """As wide as the terminal; a pipe cuts nothing off."""
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)


def _print_json(document: object) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
