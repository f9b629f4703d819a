"""Runs one stage: `python -m tasks STAGE [ITEM]`. This is what dvc.yaml's commands call."""

import argparse
import importlib
import os
import sys
import time
import typing
import warnings
from pathlib import Path
from types import ModuleType

import yaml

from tasks.plumbing import params
from tasks.plumbing.files import ArtefactError

PIPELINE = Path("dvc.yaml")


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 the stage cannot run (its message says why), 2 wrong usage."""
    stages = descriptions()
    parser = argparse.ArgumentParser(
        prog="python -m tasks",
        description="Runs one stage of the study. `dvc repro` runs all that are not up to date, in order.",
        epilog="stages:\n" + "\n".join(f"  {name:20} {text}" for name, text in stages.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage", choices=list(stages), metavar="STAGE", help="one of the stages below")
    parser.add_argument(
        "item", nargs="?", metavar="ITEM", help="the seed of train_dpo, or the policy of a stage per policy"
    )
    chosen = parser.parse_args(arguments)
    # Nothing of the study may ask the network for models or tell anybody about itself.
    os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1", TOKENIZERS_PARALLELISM="true")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")
    started = time.monotonic()
    try:
        module = importlib.import_module(f"tasks.{chosen.stage}")
        summary = module.run(**stage_arguments(module, chosen.item))
    except (params.ParamsError, ArtefactError, ValueError) as error:
        print(f"{chosen.stage}: {error}", file=sys.stderr)
        return 1
    print(f"{chosen.stage}{'@' + chosen.item if chosen.item else ''}: {summary} ({time.monotonic() - started:.0f} s)")
    return 0


def descriptions() -> dict[str, str]:
    """Stages in the order of dvc.yaml, with their one-line descriptions."""
    loaded = yaml.safe_load(PIPELINE.read_text(encoding="utf-8"))
    return {name: (stage.get("do") or stage)["desc"] for name, stage in loaded["stages"].items()}


def stage_arguments(module: ModuleType, item: str | None) -> dict[str, typing.Any]:
    """What a stage's `run` asks for: each parameter is a section of params.yaml, of the annotated type."""
    wanted = {
        name: kind for name, kind in typing.get_type_hints(module.run, include_extras=True).items() if name != "return"
    }
    raw = params.read()
    unknown = sorted(set(raw) - known_sections())
    if unknown:
        raise params.ParamsError(params.unknown_section(unknown[0], sorted(known_sections())))
    given: dict[str, typing.Any] = {}
    for name, kind in wanted.items():
        if name == "item":
            if item is None:
                raise params.ParamsError(f"{module.__name__.removeprefix('tasks.')} needs an item; see dvc.yaml")
            given[name] = item
        else:
            given[name] = params.section(raw, name, kind)
    params.check_policies(raw)
    if "policies" in given and "item" in given and item not in given["policies"]:
        raise params.ParamsError(f"no policy {item!r} in params.yaml: policies; it has {', '.join(given['policies'])}")
    return given


def known_sections() -> set[str]:
    """Sections that params.yaml may have: one per stage, and those that several share."""
    return {*descriptions(), "languages", "policies", "mini_world", "runtime"}


if __name__ == "__main__":
    # What libraries will change one day is for the tests to see, not for somebody who runs a study.
    warnings.simplefilter("ignore", FutureWarning)
    sys.exit(main())
