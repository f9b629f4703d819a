# `make` alone lists what there is.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# Nobody is told that this runs, and nothing is fetched while it does.
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export MLFLOW_DISABLE_TELEMETRY := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: help setup setup-test setup-vllm repro study flow ui verify test test-fast lint type lock mirror mlflow clean
HOST ?= 127.0.0.1
PORT ?= 4200

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: .venv/installed ## create .venv and install what requirements.lock pins

.venv/installed: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python tools/offline_plots.py
	touch $@

setup-test: .venv/installed-test ## add what tests and linters need

.venv/installed-test: .venv/installed requirements-test.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.lock
	touch $@

setup-vllm: ## make the environment of generate.engine: vllm (docs/generation.md); needs an NVIDIA GPU's driver
	$(PYTHON) -m venv environments/vllm/.venv
	environments/vllm/.venv/bin/python -m pip install --disable-pip-version-check -r environments/vllm/requirements.txt

repro: setup ## run the whole study, or what is not up to date of it, and show the result
	$(BIN)/dvc repro
	@$(BIN)/python -m tasks.plumbing.headline

DATA ?= paper
study: setup ## put presets/MODEL.yaml and presets/data/DATA.yaml into params.yaml, then run the study (MODEL=bloom-1b7)
	$(BIN)/python tools/preset.py "$(MODEL)" "data/$(DATA)" --revision "$(REVISION)"
	$(BIN)/dvc repro
	@$(BIN)/python -m tasks.plumbing.headline

flow: setup ## run the study once as a Prefect flow; with `make ui` running, it shows there
	$(BIN)/python -m flows study

ui: setup ## start Prefect's server and worker on this machine, with everything to schedule (HOST, PORT)
	$(BIN)/python -m flows.ui --host $(HOST) --port $(PORT)

verify: setup ## check that every file and number is what dvc.lock and git say
	$(BIN)/polydetox verify

# A worker per core; those with a Prefect server stay on one.
WORKERS ?= logical
PYTEST = OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest --numprocesses $(WORKERS) --maxprocesses 8 --dist loadgroup

test: setup-test ## run the tests, the shrunken study from end to end among them
	$(PYTEST)

test-fast: setup-test ## run the tests that need no study, server or many processes: two minutes
	$(PYTEST) -m "not gpu and not network and not slow"

lint: setup-test ## check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: setup-test ## check types
	$(BIN)/mypy

lock: setup ## write requirements.lock anew from pyproject.toml's bounds (then review the diff)
	$(BIN)/python tools/lock.py

mirror: setup ## fill MLflow again from dvc.lock and the metric files
	$(BIN)/python -m tasks mirror_mlflow

mlflow: setup ## look at the runs in a browser, on this machine only
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server --host 127.0.0.1 --port 5000 --backend-store-uri sqlite:///mlflow.db

clean: ## remove scratch and caches of tools; never data, models or results
	rm -rf .scratch .pytest_cache .mypy_cache .ruff_cache .hypothesis
