PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: run ui test programs screenshots lint format types reference clean

# The main job: the snapshots of all regions, on the embedded server unless REDIS_URL is set.
run: $(INSTALLED)
	$(BIN)/regional-assets inputs load --if-empty
	$(BIN)/regional-assets run

# The Dagster UI on localhost.
ui: $(INSTALLED)
	$(BIN)/regional-assets ui

# Lint, types and tests.
test: .venv/.installed-dev programs
	$(MAKE) lint types
	$(BIN)/pytest -n auto

# Some tests want a real Redis server and a browser: Debian's, where they can be installed from
# here.
programs:
	@for program in redis-server chromium; do \
	  command -v $$program >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
	    && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y $$program; } \
	    || echo "No $$program found: the tests that need it are skipped."; \
	done

# The README's pictures, made by the browser test.
screenshots: .venv/.installed-dev programs
	REGIONAL_SCREENSHOTS=docs $(BIN)/pytest regional_assets_tests/test_browser.py

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
