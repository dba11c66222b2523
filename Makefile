# Needs Python 3.11 or newer and make; everything else goes into .venv.
#
#   make restore PHOTO=photo.jpg   restore a picture (the tool alone: no PyTorch)
#   make test                      run the tests
#   make check                     linters, type checker, import contracts, tests
#   make benchmark                 measure quality and speed again

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PHOTO  ?= $(firstword $(wildcard examples/*.jpg))

# Stamps: the set-up is repeated when the project's dependencies change, and only then.
TOOL     := $(VENV)/.tool
WORKSHOP := $(VENV)/.workshop

.DELETE_ON_ERROR:
.PHONY: help restore test lint check benchmark clean

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

restore: $(TOOL)
	@test -n "$(PHOTO)" || { echo "which picture? make restore PHOTO=photo.jpg" >&2; exit 2; }
	$(BIN)/driftrec restore --overwrite "$(PHOTO)"

test: $(WORKSHOP)
	$(BIN)/python -m pytest

lint: $(WORKSHOP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

check: lint test

# The order matters: estimates (archive.py paper, gpus.py) are computed from what was measured before them.
benchmark: $(WORKSHOP)
	$(BIN)/python benchmarks/results.py
	$(BIN)/python benchmarks/speed.py --install
	$(BIN)/python benchmarks/jpeg.py photos graphics live1 luma traces
	$(BIN)/python benchmarks/files.py kinds metadata fuzz
	$(BIN)/python benchmarks/serve.py load uploads
	$(BIN)/python benchmarks/archive.py throughput paper
	$(BIN)/python benchmarks/gpus.py memory training restoring
	$(BIN)/python benchmarks/ncsnpp.py --keep docs/measured/paper_speed.jsonl
	$(BIN)/python benchmarks/publish.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# pip learned `--group` in 25.1; older Pythons bring an older pip.
$(VENV)/.pip:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@touch $@

$(TOOL): $(VENV)/.pip pyproject.toml constraints.txt
	$(PIP) -e .
	@touch $@

# The workshop contains the tool: its set-up stamps both.
$(WORKSHOP): $(VENV)/.pip pyproject.toml constraints.txt
	$(PIP) -e ".[train,evaluate,hub,web,ray]" --group test --group lint
	@touch $(TOOL) $@
