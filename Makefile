# Daily work with this repository: `make` alone says what there is. All of it runs in .venv-test.
.DEFAULT_GOAL := help
.PHONY: help check fast test faults bench demo lock hooks

BIN := .venv-test/bin
READY := $(BIN)/broadcaster
# Older than 3.11.3, as Debian 12 has it: later ones leave out async-timeout, which redis needs there.
LOCK_PYTHON ?= /usr/bin/python3

help: ## list these targets
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' Makefile | expand -t 10

$(READY): requirements.lock
	python3 -m venv .venv-test
	$(BIN)/pip install -q -r requirements.lock
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

check: $(READY) ## lint, format, types and imports, as CI does
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fast: $(READY) ## quick tests: no browser, PostgreSQL, faults or packaging, nothing slow
	$(BIN)/python -m pytest -q -m "not browser and not postgres and not faults and not packaging and not slow"

test: $(READY) ## all tests; those whose programs are not installed skip
	$(BIN)/python -m pytest -q

faults: $(READY) ## the fault suite; FAULT_SCHEDULES, FAULT_LEASE and FAULT_SEED reach it
	$(BIN)/python -m pytest -q tests/faults

bench: $(READY) ## the figures of the README with their goals, in minutes
	PYTHONPATH=tests:. $(BIN)/python tests/benchmarks/figures.py --quick

demo: $(READY) ## the sample city on http://127.0.0.1:8000/simulasi
	$(BIN)/broadcaster demo

lock: ## write requirements.lock from pyproject.toml, keeping what is pinned
	@$(LOCK_PYTHON) -c 'import sys; sys.exit("make lock needs Python 3.11.0 to 3.11.2: LOCK_PYTHON=..." if not (3, 11) <= sys.version_info < (3, 11, 3) else 0)'
	rm -rf build/lock
	$(LOCK_PYTHON) -m venv build/lock
	build/lock/bin/pip install -q pip-tools
	build/lock/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-annotate --no-header \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	  --extra postgres --extra test -o requirements.lock pyproject.toml

hooks: $(READY) ## run the checks before each commit (needs the program pre-commit)
	pre-commit install
