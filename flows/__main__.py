"""Runs a flow once, here and now: `python -m flows FLOW [REQUEST]`, the request as JSON.

With the server of `make ui` running, the run shows there; otherwise Prefect starts a server for as long as it takes.
"""

import argparse
import importlib
import json
import os
import sys
from typing import Any

from pydantic import ValidationError

FLOWS = {
    "study": "bring every stage up to date",
    "reevaluate": "evaluate one more checkpoint against the base model",
    "sweep": "run a grid of parameters as experiments",
    "audit": "verify every digest and export the lineage",
}


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 the flow completed, 1 it failed or was cancelled, 2 wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m flows",
        description="Runs a flow once.",
        epilog="flows:\n" + "\n".join(f"  {name:11} {text}" for name, text in FLOWS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("flow", choices=list(FLOWS), metavar="FLOW", help="one of the flows below")
    parser.add_argument(
        "request", nargs="?", default="{}", metavar="REQUEST", help="""JSON, such as '{"targets": ["report"]}'"""
    )
    chosen = parser.parse_args(arguments)
    os.environ.setdefault("DO_NOT_TRACK", "1")
    # Prefect reads its settings at import, so the address comes first.
    from flows.local_server import running_api  # noqa: PLC0415

    if "PREFECT_API_URL" not in os.environ and (url := running_api()):
        os.environ["PREFECT_API_URL"] = url
    module = importlib.import_module(f"flows.{chosen.flow}")
    try:
        request = module.Request.model_validate(_json(parser, chosen.request))
    except ValidationError as error:
        parser.error(str(error))
    state: Any = getattr(module, chosen.flow)(request, return_state=True)
    # A flow that failed gives its state like any other; the shell must hear of it.
    return 0 if state.is_completed() else 1


def _json(parser: argparse.ArgumentParser, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        parser.error(f"the request is not valid JSON: {error}")


if __name__ == "__main__":
    sys.exit(main())
