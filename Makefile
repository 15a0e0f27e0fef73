PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: run ui test lint format types reference clean

# The main job: the snapshots of all regions, on the embedded server unless REDIS_URL is set.
run: $(INSTALLED)
	$(BIN)/regional-assets inputs load --if-empty
	$(BIN)/regional-assets run

# The Dagster UI on localhost.
ui: $(INSTALLED)
	$(BIN)/regional-assets ui

# Lint, types and tests.
test: .venv/.installed-dev
	$(MAKE) lint types
	$(BIN)/pytest -n auto

lint: .venv/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: .venv/.installed-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: .venv/.installed-dev
	$(BIN)/mypy

# Country names and ICAO prefixes anew from the libraries that know them.
reference: .venv/.installed-dev
	$(BIN)/python scripts/make_reference.py
clean:
	-test ! -x $(BIN)/regional-assets || $(BIN)/regional-assets server stop
	rm -rf .venv .state

.venv/bin/python:
	$(PYTHON) -m venv .venv

$(INSTALLED): pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/.installed-dev: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(INSTALLED)
