# Two commands from a bare clone: `make demo` (no torch) and `make test` (torch too, its CPU build).
# Both make .venv once and are quick afterwards; stamps in .make/ say what is set up.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PHOTOS ?= .make/digits
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.NOTPARALLEL:
.PHONY: demo test lint wheel pytest docs clean

demo: .make/core.stamp
	$(BIN)/python scripts/demo.py "$(PHOTOS)"

test: lint wheel pytest

lint: .make/dev.stamp
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/write_docs.py --check

wheel: .make/dev.stamp
	$(BIN)/python scripts/wheel_test.py

pytest: .make/dev.stamp
	$(BIN)/python scripts/run_tests.py

docs: .make/core.stamp
	$(BIN)/python scripts/write_docs.py

clean:
	rm -rf .venv .make .coverage* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.make/venv.stamp:
	@test -n "$(PYTHON)" || { echo "fovea needs Python 3.11 or newer; none was found. Install it, or: make PYTHON=/path/to/python3"; exit 1; }
	mkdir -p .make
	$(PYTHON) -m venv $(VENV)
	touch $@

.make/core.stamp: .make/venv.stamp pyproject.toml constraints.txt
	$(PIP) install --quiet --constraint constraints.txt --editable .
	touch $@

.make/dev.stamp: .make/core.stamp scripts/install_dev.py
	$(BIN)/python scripts/install_dev.py
	touch $@
