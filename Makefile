# Samaki. `make demo` and `make test` do all set-up themselves; Python 3.11+ is the only thing they expect to find.
# Nothing here depends on the path of the project: it may hold spaces.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

# A Python 3.11+ to build .venv with, e.g. `make demo PYTHON=/opt/python3.12/bin/python3`; by default the first found.
PYTHON ?=
# Test processes side by side; each has a database schema of its own.
WORKERS ?= 2
# More arguments for pytest, e.g. `make test ARGS="-k ledger"`.
ARGS ?=

PY := .venv/bin/python
READY := .venv/.samaki-ready

.PHONY: help setup demo test check fmt faults bench up down status lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## build .venv from requirements.lock (the other targets do it by themselves)

demo: $(READY) ## run one month of cash transfer from nothing, then stop everything
	@$(PY) -m deploy.local.cli demo $(ARGS)

up: $(READY) ## start the platform and leave it running
	@$(PY) -m deploy.local.cli up $(ARGS)

down: $(READY) ## stop the platform
	@$(PY) -m deploy.local.cli down

status: $(READY) ## what runs where
	@$(PY) -m deploy.local.cli status

test: $(READY) ## all tests
	$(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(READY) ## what CI checks: format, lint, types, import contracts, event contracts
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -c "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
	$(PY) -m shared.contracts --check

fmt: $(READY) ## format, and fix what lint can fix
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

faults: $(READY) ## the long form of the kill -9 tests
	SAMAKI_FAULT_ROUNDS=$${SAMAKI_FAULT_ROUNDS:-20} $(PY) -m pytest tests/faults $(ARGS)

bench: $(READY) ## throughput and latency against raw rates of the same run
	$(PY) -m tests.bench $(ARGS)

COMPILE := $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-annotate --no-header

lock: $(READY) ## compile the lock files again from pyproject.toml and the *.in files
	$(COMPILE) --extra dev -o requirements.lock pyproject.toml
	$(COMPILE) -c requirements.lock -o requirements-runtime.lock pyproject.toml
	$(COMPILE) -c requirements.lock --no-deps -o deploy/gateway/requirements.lock deploy/gateway/requirements.in
	$(COMPILE) -c requirements.lock --no-deps -o deploy/docker/simulators.lock deploy/docker/simulators.in

clean: ## remove .venv and caches (data of `samaki up` stays: `samaki reset` deletes it)
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# The stamp is written last, so an interrupted set-up starts again; a newer lock file renews it.
$(READY): requirements.lock
	@set -e; \
	python=""; \
	for candidate in "$(PYTHON)" python3.12 python3.13 python3.11 python3 python3.14 python; do \
	  [ -n "$$candidate" ] || continue; \
	  if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    python="$$candidate"; break; \
	  fi; \
	  if [ "$$candidate" = "$(PYTHON)" ]; then \
	    echo "PYTHON=$$candidate is not a Python 3.11+ with venv and ensurepip." >&2; exit 1; \
	  fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Samaki needs Python 3.11 or newer with the venv module (Debian: apt install python3-venv)." >&2; \
	  echo "Install it, or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi; \
	echo "set-up: .venv with $$("$$python" --version), $$(grep -c '==' requirements.lock) locked packages (a minute or two)"; \
	rm -f "$@"; \
	"$$python" -m venv .venv; \
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; \
	$(PY) deploy/local/install_command.py; \
	touch "$@"
