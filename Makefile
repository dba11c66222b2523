# Requires Python 3.11 or newer and make; everything else is installed into .venv.
#
#   make restore PHOTO=photo.jpg   restore a picture (installs the tool without PyTorch)
#   make test                      run the tests
#   make lint                      run all linters, the type checker and the import contracts
#   make check                     run lint and test; both must pass before a change is merged
#   make check-lowest              test the tool with the oldest versions of its dependencies
#   make coverage                  run the tests and list the lines not covered
#   make docs                      build the documentation as a site in build/site, and test what it says
#   make benchmark                 measure quality and speed again
#   make release                   write the files for other programs to build/release
#   make web-app                   build the page that needs no server, in build/web-app (needs Node 20 and npm)
#   make lock                      write locked/ again, after a change of dependencies (UPGRADE=1: with the newest ones)

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PHOTO  ?= $(firstword $(wildcard examples/*.jpg))
LOWEST := build/lowest
# No dependencies beyond the list, and every file's hash is checked.
LOCKED := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r

# Stamp files: the set-up is repeated only when the dependencies change.
TOOL     := $(VENV)/.tool
DEVELOPMENT := $(VENV)/.development
DOCS := $(VENV)/.docs

.DELETE_ON_ERROR:
.PHONY: help restore test lint check check-lowest coverage docs benchmark release web-app lock clean

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

restore: $(TOOL)
	@test -n "$(PHOTO)" || { echo "which picture? make restore PHOTO=photo.jpg" >&2; exit 2; }
	$(BIN)/driftrec restore --overwrite "$(PHOTO)"

# Three files at a time: some tests wait most of the time; more would use up the memory of small machines.
test: $(DEVELOPMENT)
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile

# Every linter runs, even if an earlier one failed.
lint: $(DEVELOPMENT)
	@failed=0; \
	for command in "ruff check" "ruff format --check" "pyright --pythonpath $(BIN)/python" lint-imports; do \
	    echo "$(BIN)/$$command"; $(BIN)/$$command || failed=1; \
	done; \
	exit $$failed

check: $(DEVELOPMENT)
	@failed=0; $(MAKE) --no-print-directory lint || failed=1; $(MAKE) --no-print-directory test || failed=1; exit $$failed

# Tests the tool with the lowest versions that pyproject.toml allows, without PyTorch and the tests of training.
# Old versions may warn about deprecations in newer versions of their own dependencies.
check-lowest: $(LOWEST)/.made
	$(LOWEST)/bin/driftrec --help > /dev/null
	$(LOWEST)/bin/driftrec restore --help > /dev/null
	$(LOWEST)/bin/python -m pytest -W ignore::DeprecationWarning --deselect tests/test_cli.py::test_training_and_export_by_command \
	    $(addprefix tests/test_,$(addsuffix .py,atomic batch cells cli decoding device extras files grids hub jpeg jpeg_file options picture queue refusals restorer \
	        sampling serve symmetry terminal tiling))

$(LOWEST)/.made: pyproject.toml constraints.txt
	rm -rf $(LOWEST)
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct -e ".[web,hub]" "scipy>=1.13"
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python -c constraints.txt httpx hypothesis pytest
	@touch $@

coverage: $(DEVELOPMENT)
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered

# MkDocs checks all links and the order of the pages; the tests run the commands and the Python of the pages.
docs: $(DOCS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	$(BIN)/python -m pytest tests/test_docs.py tests/test_examples.py tests/test_site.py

# The order matters: the estimates (archive.py paper, gpus.py) use the measurements before them.
benchmark: $(DEVELOPMENT)
	$(BIN)/python benchmarks/graphics_pictures.py
	$(BIN)/python benchmarks/results.py
	$(BIN)/python benchmarks/chains.py
	$(BIN)/python benchmarks/decisions.py
	$(BIN)/python benchmarks/loader.py
	$(BIN)/python benchmarks/speed.py --install
	$(BIN)/python benchmarks/shares.py
	$(BIN)/python benchmarks/installed.py
	$(BIN)/python benchmarks/standalone.py
	$(BIN)/python benchmarks/jpeg.py photos graphics live1 luma cells
	$(BIN)/python benchmarks/history.py traces copies webp histories
	$(BIN)/python benchmarks/resized.py resized parts
	$(BIN)/python benchmarks/files.py kinds metadata fuzz
	$(BIN)/python benchmarks/serve.py load uploads
	$(BIN)/python benchmarks/web_app.py download results memory
	$(BIN)/python benchmarks/archive.py throughput paper
	$(BIN)/python benchmarks/gpus.py memory training restoring
	$(BIN)/python benchmarks/ncsnpp.py --keep docs/measured/paper_speed.jsonl
	$(BIN)/python benchmarks/tasks.py
	$(BIN)/python benchmarks/publish.py

release: $(DEVELOPMENT)
	$(BIN)/python integrations/release.py build/release

web-app: $(DEVELOPMENT)
	$(BIN)/python integrations/static_page.py build/web-app

# For all platforms and all Python versions that the project supports.  The site is built in the development environment,
# so docs.txt keeps to the versions of development.txt.
COMPILE := build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes -c constraints.txt \
    --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) pyproject.toml
lock:
	$(PYTHON) -m venv build/uv
	build/uv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(subst pyproject.toml,,$(COMPILE)) --group build -o locked/build.txt
	$(COMPILE) --extra web -o locked/container.txt
	$(COMPILE) --extra train --extra evaluate --extra hub --extra web --extra ray --extra graphics --group test --group lint \
	    --override locked/without-torch.txt --no-emit-package torch -o locked/development.txt
	$(subst pyproject.toml,,$(COMPILE)) -c locked/development.txt --group docs -o locked/docs.txt

clean:
	rm -rf $(VENV) build dist web-app/node_modules .coverage* .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# `--group` needs pip 25.1; older Pythons come with an older pip.
$(VENV)/.pip:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@touch $@

$(TOOL): $(VENV)/.pip pyproject.toml constraints.txt
	$(PIP) -e .
	@touch $@

# The development environment includes the tool, so its set-up touches both stamps.  PyTorch is pinned by its version only.
$(DEVELOPMENT): $(VENV)/.pip pyproject.toml constraints.txt locked/development.txt
	$(LOCKED) locked/development.txt
	$(PIP) torch
	$(PIP) --no-deps --no-build-isolation -e .
	$(BIN)/python -m pip check
	@touch $(TOOL) $@

$(DOCS): $(DEVELOPMENT) locked/docs.txt
	$(LOCKED) locked/docs.txt
	$(BIN)/python -m pip check
	@touch $@
