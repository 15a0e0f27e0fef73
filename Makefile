PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: run ui test redis-server lint format types reference clean

# The main job: the snapshots of all regions, on the embedded server unless REDIS_URL is set.
run: $(INSTALLED)
	$(BIN)/regional-assets inputs load --if-empty
	$(BIN)/regional-assets run

# The Dagster UI on localhost.
ui: $(INSTALLED)
	$(BIN)/regional-assets ui

# Lint, types and tests.
test: .venv/.installed-dev redis-server
	$(MAKE) lint types
	$(BIN)/pytest -n auto

# The store's tests run on a real Redis, too: Debian's, where it can be installed from here.
redis-server:
	@command -v redis-server >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
	  && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y redis-server; } \
	  || echo "No redis-server found: install it to run the store's tests on a real Redis, too."

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
	@echo "Installing into .venv; this takes a minute or two ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/.installed-dev: pyproject.toml | .venv/bin/python
	@echo "Installing into .venv; this takes a minute or two ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(INSTALLED)
