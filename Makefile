PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: run ui test test-faults test-deployment programs screenshots lint format types reference golden docs constraints bench clean

# The main job: the snapshots of all regions, on the embedded server unless REDIS_URL is set. Into a
# server that REDIS_URL names no samples are loaded: where it has no feeds this stops and says so.
run: $(INSTALLED)
	$(BIN)/regional-assets inputs load --if-empty
	$(BIN)/regional-assets run

# The Dagster UI on localhost.
ui: $(INSTALLED)
	$(BIN)/regional-assets ui

# Lint, types and tests. In CI, coverage is measured, too, which roughly doubles the time of the
# tests; they fail below the floor in pyproject.toml.
test: .venv/.installed-dev programs
	$(MAKE) lint types
	$(BIN)/pytest -n auto $(if $(CI),--cov)

# The tests of what can go wrong in their long form, a quarter of an hour: 200 killed runs, every
# byte of a reply, inputs of 50 MB. At the end they print what they measured.
test-faults: .venv/.installed-dev programs
	REGIONAL_FAULTS=long $(BIN)/pytest -n auto -rP regional_assets_tests/faults

# The shapes of docs/deployment.md, each with real servers; `make test` runs them, too.
test-deployment: .venv/.installed-dev programs
	$(BIN)/pytest -n auto -rs regional_assets_tests/deployment

# Some tests want real servers and a browser: Debian's, where they can be installed from here.
# PostgreSQL keeps its programs out of PATH.
programs:
	@for program in redis-server chromium postgresql; do \
	  command -v $$program >/dev/null || ls /usr/lib/$$program/*/bin/initdb >/dev/null 2>&1 \
	    || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
	    && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y $$program; } \
	    || echo "No $$program found: the tests that need it are skipped."; \
	done

# The figures of docs/benchmarks.md: some nine minutes, on a machine that does nothing else.
bench: .venv/.installed-dev
	$(BIN)/python -m benchmarks

# The pictures of the docs, made by the browser tests.
screenshots: .venv/.installed-dev programs
	REGIONAL_SCREENSHOTS=docs $(BIN)/pytest regional_assets_tests/defs/test_browser.py \
	  regional_assets_tests/board

lint: .venv/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

format: .venv/.installed-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: .venv/.installed-dev
	$(BIN)/mypy

# Country names and ICAO prefixes anew from the libraries that know them, and the outlines of the
# world map, which npm fetches. The tests then also compare the tables with the libraries.
reference: .venv/.installed-dev
	$(BIN)/uv pip install --quiet --python $(BIN)/python --group reference
	$(BIN)/python scripts/make_reference.py
	$(BIN)/python -m scripts.make_outlines

# What the built-in model gives on the sample world; read the difference before you commit it.
golden: .venv/.installed-dev
	$(BIN)/python -m regional_assets_tests.support.sample_record

# docs/reference.md from the code.
docs: .venv/.installed-dev
	$(BIN)/python -m scripts.make_docs_reference

clean:
	-test ! -x $(BIN)/regional-assets || $(BIN)/regional-assets server stop
	rm -rf .venv .state

.venv/bin/python:
	$(PYTHON) -m venv .venv

# What is installed is pinned with hashes; the project itself is built by what was installed so.
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
define install
	@echo "Installing into .venv; this takes a minute or two ..."
	$(PIP) install --require-hashes --requirement $<
	$(PIP) install --no-deps --no-build-isolation --editable .
endef

$(INSTALLED): constraints/run.txt pyproject.toml | .venv/bin/python
	$(install)
	touch $@

.venv/.installed-dev: constraints/dev.txt pyproject.toml | .venv/bin/python
	$(install)
	touch $@ $(INSTALLED)

# The newest versions that pyproject.toml admits, for all supported Pythons; what runs is what was
# tested.
constraints: .venv/.installed-dev
	$(COMPILE) --upgrade --extra dev --output-file constraints/dev.txt
	$(COMPILE) --upgrade --extra embedded --constraint constraints/dev.txt --output-file constraints/run.txt

COMPILE := UV_CUSTOM_COMPILE_COMMAND="make constraints" $(BIN)/uv pip compile pyproject.toml \
  --group build --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
  --no-strip-extras --no-emit-index-url --no-emit-find-links --quiet
