# Everything a person or CI types. Python 3.11+, pip and make are all a machine needs first; what needs a Debian
# package is installed by `make services`, which `make test` calls.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
READY := .venv/.ready
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test check unit soak bench lock services record clean help
.DEFAULT_GOAL := help

help:            ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): requirements/dev.txt requirements/bootstrap.txt pyproject.toml
	@echo "Building the environment in .venv …"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install -q --require-hashes -r requirements/bootstrap.txt
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $(READY)

# By the environment, so that the password does not stand in the list of processes.
run: export OPSCONSOLE_AIRFLOW_USERNAME = $(AIRFLOW_USERNAME)
run: export OPSCONSOLE_AIRFLOW_PASSWORD = $(AIRFLOW_PASSWORD)
run: $(READY)    ## the console with a real local Airflow; or AIRFLOW_URL=… [AIRFLOW_USERNAME=… AIRFLOW_PASSWORD=…] to watch yours
ifdef AIRFLOW_URL
	@exec $(BIN)/opsconsole serve --airflow "$(AIRFLOW_URL)"
else
	@exec $(BIN)/opsconsole demo
endif

check: $(READY)  ## style, types, layers, unit tests: seconds
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/pytest -q tests/unit tests/docs

unit: $(READY)   ## unit tests only
	@$(BIN)/pytest -q tests/unit

services:        ## what the tests need from Debian: PostgreSQL, Chromium, Prometheus, docker-compose
	@sh tests/support/services.sh

# Much of a long test is waiting, so files of tests run beside each other, whole ones in the order given: the longest first.
WORKERS ?= 3
BESIDE := -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: $(READY) services  ## everything that must pass
	@$(MAKE) --no-print-directory check
	@$(BIN)/pytest $(BESIDE) tests/e2e tests/contract tests/rules -m "not soak" --durations=10

soak: $(READY) services  ## what takes longer: every fault, every version, more crashes
	@$(BIN)/pytest $(BESIDE) tests/e2e tests/contract -m soak --durations=10

bench: $(READY)  ## the benchmarks, each printing its ratio or limit
	@for bench in benchmarks/[a-z]*.py; do echo "== $$bench"; $(BIN)/python $$bench || exit 1; done

record: $(READY) ## capture Airflow's payloads anew into tests/data
	@$(BIN)/python -m tests.support.record

lock: $(READY)   ## pin every dependency anew, with hashes and without addresses
	@cd requirements && for set in bootstrap airflow-3.3.2 airflow-2.11.2; do \
	  ../$(UV) pip compile -q --universal --no-emit-index-url --no-header --no-annotate --generate-hashes --python-version 3.11 $$set.in -o $$set.txt; done
	@$(UV) pip compile -q --universal --no-emit-index-url --no-header --generate-hashes --python-version 3.11 pyproject.toml -o requirements/console.txt
	@$(UV) pip compile -q --universal --no-emit-index-url --no-header --generate-hashes --python-version 3.11 pyproject.toml --extra demo --extra dev -o requirements/dev.txt

clean:           ## remove the environment
	@rm -rf .venv
