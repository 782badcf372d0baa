# Everything a newcomer needs: `make demo` and `make test`. Requires Python 3.11 or newer, make and
# a C compiler; all else is installed, pinned by constraints.txt, into .venv.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
KERNEL ?= kernels/matmul_bias_relu.mlir
BENCH ?= tests/bench/throughput.py tests/bench/quality.py
PYTEST_WORKERS ?= 2
PIP_INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check \
	--constraint constraints.txt

# One stamp a set of packages: a set-up that is up to date costs nothing.
RUN_STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed-test

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo test lint types docs proto bench clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

demo: $(RUN_STAMP)  ## set up, then tune KERNEL
	@$(BIN)/costmodel tune $(KERNEL)

test: lint types  ## set up, then lint, types and every test
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder

lint: $(TEST_STAMP)  ## check style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(TEST_STAMP)  ## check types, strictly
	@$(BIN)/mypy

docs: $(RUN_STAMP)  ## write the command reference into README.md
	@$(BIN)/python -m costmodel.cli.reference README.md

proto: $(TEST_STAMP)  ## write the Python code of service/oracle.proto
	@$(BIN)/python service/generate.py

bench: $(RUN_STAMP)  ## run the benchmarks (takes long)
	@status=0; for script in $(BENCH); do $(BIN)/python $$script || status=1; done; exit $$status

clean:  ## remove the virtual environment and everything generated
	rm -rf $(VENV) build dist *.egg-info costmodel-out
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache test-artifacts

$(RUN_STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Installing into $(VENV); this takes a minute or two the first time" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) setuptools
	@$(PIP_INSTALL) --no-build-isolation --editable .
	@touch $@

$(TEST_STAMP): $(RUN_STAMP)
	@$(PIP_INSTALL) --no-build-isolation --editable '.[test]'
	@touch $@
