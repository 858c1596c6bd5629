# `make demo` shows what it does, `make test` shows that it works. Both install into .venv and need nothing but Python 3.11.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
WORKERS ?= auto
COMPILE = $(BIN)/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help demo test check docs lock bench soak clean

help:
	@echo "make demo    install, then play docs/demo.md in .demo/"
	@echo "make test    install with the test tools, then run the tests"
	@echo "make check   style, types, layers, generated documentation"
	@echo "make docs    generate docs/reference and docs/architecture.md"
	@echo "make lock    write requirements/*.txt anew"
	@echo "make bench   run the benchmarks"
	@echo "make soak    run the slow proofs"
	@echo "make clean   remove what these made"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: $(PYTHON) is not Python 3.11 or newer"; echo "  hint: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "error: $(PYTHON) cannot make a virtual environment"; echo "  hint: apt-get install python3-venv"; exit 1; }

$(VENV)/plain.stamp: pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) …"
	@$(PIP) --editable .
	@touch $@

$(VENV)/dev.stamp: pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV), with the test tools …"
	@$(PIP) --editable '.[dev]'
	@touch $(VENV)/plain.stamp $@

demo: $(VENV)/plain.stamp
	@rm -rf .demo && mkdir .demo
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python scripts/transcript.py play docs/demo.md --in .demo
	@echo
	@echo "the vault is in .demo/vault; to try these commands yourself:"
	@echo "  . $(BIN)/activate && export ATOMIC_AGENTS_ROOT=$(CURDIR)/.demo/vault"

test: $(VENV)/dev.stamp
	@$(BIN)/python -m pytest -n $(WORKERS) -m "not soak" -q

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/generate_docs.py --check

docs: $(VENV)/dev.stamp
	$(BIN)/python scripts/generate_docs.py

lock: $(VENV)/dev.stamp
	$(PIP) uv
	$(COMPILE) --output-file requirements/base.txt
	$(COMPILE) --extra dev --output-file requirements/dev.txt

bench: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks

soak: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m "soak or hypothesis" --hypothesis-profile=soak

clean:
	rm -rf $(VENV) .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
