"""Runs one stage: `python -m tasks STAGE [ITEM]`. This is what dvc.yaml's commands call.

Around the stage, for whoever starts it: one model stage at a time per device, a time limit, a note of what ran.
"""

import argparse
import contextlib
import importlib
import logging
import os
import sys
import time
import traceback
import typing
import warnings
from pathlib import Path
from types import ModuleType

import yaml

from tasks.plumbing import device_lock, lineage, params
from tasks.plumbing.execution import noted
from tasks.plumbing.files import ArtefactError
from tasks.plumbing.progress import visible
from tasks.plumbing.time_limit import time_limit

PIPELINE = Path("dvc.yaml")
CRASHED = 70  # EX_SOFTWARE of sysexits.h
THREADS_VARIABLE = "POLYDETOX_CPU_THREADS"  # read by tasks/models/torch_setup.py, which must not be imported here
# Stages that read models from elsewhere, and the section that names those.
_MODELS_NAMED_IN = {
    "prepare_model": "prepare_model",
    "score_toxicity": "score_toxicity",
    "score_labelled": "score_toxicity",
    "score_interventions": "score_toxicity",
    "score_fluency": "score_fluency",
}


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 the stage cannot run as things are (its message says why), 2 wrong usage, 70 crashed.

    124, from the time limit, ends the process itself.
    """
    stages = descriptions()
    parser = argparse.ArgumentParser(
        prog="python -m tasks",
        description="Runs one stage of the study. `dvc repro` runs all that are not up to date, in order.",
        epilog="stages:\n" + "\n".join(f"  {name:20} {text}" for name, text in stages.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage", choices=list(stages), metavar="STAGE", nargs="?", help="one of the stages below")
    parser.add_argument(
        "item", nargs="?", metavar="ITEM", help="the seed of train_dpo, or the policy of a stage per policy"
    )
    parser.add_argument("--check", action="store_true", help="only check params.yaml, for every stage")
    chosen = parser.parse_args(arguments)
    if not chosen.check and chosen.stage is None:
        parser.error("name a stage, or --check")
    # Nothing of the study tells anybody about itself, and only models that params.yaml names are asked for.
    if not _may_ask_hub(chosen.stage):
        os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.update(HF_HUB_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1", TOKENIZERS_PARALLELISM="true")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    # A thread that waits for another sleeps: beside other work, threads that spin cost 2 to 7 times the wall time.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Where it is installed, it complains to everybody of a kernel for 4 bits on a CPU, which nothing here uses.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    if not visible():
        os.environ.setdefault("TQDM_DISABLE", "1")
    if chosen.check:
        return _check(stages)
    name = chosen.stage + (f"@{chosen.item}" if chosen.item else "")
    try:
        print(f"{name}: {_run(chosen.stage, chosen.item, name)}")
    except (params.ParamsError, ArtefactError, ValueError) as error:
        print(f"{chosen.stage}: {error}", file=sys.stderr)
        return 1
    except Exception:
        traceback.print_exc()
        return CRASHED
    return 0


def _may_ask_hub(stage: str | None) -> bool:
    """Whether the stage's section names a model of the hub; a user's own HF_HUB_OFFLINE=1 stands all the same."""
    section = _MODELS_NAMED_IN.get(stage or "")
    try:
        return _names_hub_model(params.read().get(section)) if section else False
    except params.ParamsError:  # reported where the stage is run
        return False


def _names_hub_model(values: object) -> bool:
    if not isinstance(values, dict):
        return False
    named = values.get("kind") == "hub" or ("revision" in values and not Path(str(values.get("model", "."))).is_dir())
    return named or any(map(_names_hub_model, values.values()))


def _check(stages: dict[str, str]) -> int:
    """Whether every stage would accept its sections; each that would not is named."""
    problems: dict[str, None] = {}
    for stage in stages:
        try:
            stage_arguments(importlib.import_module(f"tasks.{stage}"), "base", check_item=False)
        except (params.ParamsError, ValueError) as error:
            problems[str(error)] = None
    print("\n".join(problems), end="\n" if problems else "", file=sys.stderr)
    return 1 if problems else 0


def _run(stage: str, item: str | None, name: str) -> str:
    meta = lineage.execution_meta(stage)
    runtime = params.section(params.read(), "runtime", params.Runtime)
    os.environ[THREADS_VARIABLE] = str(runtime.cpu_threads)
    with contextlib.ExitStack() as around:
        if meta.get("gpu"):
            device = device_lock.device_name(runtime.device)
            count = device_lock.slots(device, runtime.model_dump())
            around.enter_context(device_lock.held(device, count, lambda said: print(f"{name}: {said}", flush=True)))
        started = time.monotonic()
        if "minutes" in meta:
            around.enter_context(time_limit(60 * meta["minutes"], name))
        if "DVC_STAGE" in os.environ:  # what DVC does not run, dvc.lock does not record
            around.enter_context(noted(name))
        module = importlib.import_module(f"tasks.{stage}")
        summary = module.run(**stage_arguments(module, item))
    return f"{summary} ({time.monotonic() - started:.0f} s)"


def descriptions() -> dict[str, str]:
    """Stages in the order of dvc.yaml, with their one-line descriptions."""
    loaded = yaml.safe_load(PIPELINE.read_text(encoding="utf-8"))
    return {name: (stage.get("do") or stage)["desc"] for name, stage in loaded["stages"].items()}


def stage_arguments(module: ModuleType, item: str | None, check_item: bool = True) -> dict[str, typing.Any]:
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
    if check_item and "policies" in given and "item" in given and item not in given["policies"]:
        raise params.ParamsError(f"no policy {item!r} in params.yaml: policies; it has {', '.join(given['policies'])}")
    return given


def known_sections() -> set[str]:
    """Sections that params.yaml may have: one per stage, and those that several share."""
    return {*descriptions(), "languages", "policies", "mini_world", "runtime"}


if __name__ == "__main__":
    # What libraries will change one day is for the tests to see, not for somebody who runs a study.
    warnings.simplefilter("ignore", FutureWarning)
    sys.exit(main())
