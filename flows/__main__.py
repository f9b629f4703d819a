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

from flows.forms import REQUESTS, problem
from flows.local_server import running_api
from tasks.plumbing import project

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
    try:
        request = REQUESTS[chosen.flow].model_validate(json.loads(chosen.request))
        wrong = problem(project.root(), request)
    except json.JSONDecodeError as error:
        wrong = f"the request is not valid JSON: {error}"
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'request'}: {one['msg']}" for one in error.errors())
    if wrong:
        print(f"python -m flows {chosen.flow}: {wrong}", file=sys.stderr)
        return 2
    if "PREFECT_API_URL" not in os.environ and (url := running_api()):
        os.environ["PREFECT_API_URL"] = url
    # Prefect takes seconds to load and reads its settings at import, so it comes after the checks and the address.
    module = importlib.import_module(f"flows.{chosen.flow}")
    state: Any = getattr(module, chosen.flow)(request, return_state=True)
    # A flow that failed gives its state like any other; the shell must hear of it.
    return 0 if state.is_completed() else 1


if __name__ == "__main__":
    sys.exit(main())
