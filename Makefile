PYTHON ?= python3
BENCH ?= --write
SOAK ?= --seconds 600
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
MAJORS := $(VENV)/majors
NODE := tests/node/node_modules
NODE_OLDER := tests/node/older/node_modules
VERCEL := clients/vercel-ai/node_modules

# The processes that tests start would each compile insitu anew, where this is set.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  %-10s %s\n", $$1, $$2 }'

.PHONY: venv
venv: $(VENV)/.ready ## Make .venv with insitu, its packages for data and its tools (the other targets do this by themselves)

$(VENV)/.data-ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "insitu needs Python 3.11 or newer; \`$(PYTHON)\` is $$($(PYTHON) --version 2>/dev/null || echo missing)." >&2; \
		echo "Name another with: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
# Debian keeps ensurepip apart from Python; the pip that is there can then fill the new environment.
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv $(VENV); \
	elif $(PYTHON) -m pip --version >/dev/null 2>&1; then \
		$(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python --quiet install pip; \
	else \
		echo "\`$(PYTHON)\` has neither ensurepip nor pip, so no virtual environment can be made." >&2; \
		echo "On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; fi
	@echo "Filling $(VENV): a minute or two, once"
	@$(PIP) install 'pip>=25.1'
	@$(PIP) install --editable '.[data]'
	@touch $@

$(VENV)/.ready: $(VENV)/.data-ready
	@$(PIP) install --group dev
	@touch $@

$(VENV)/.bench-ready: $(VENV)/.ready
	@$(PIP) install --editable '.[bench]'
	@touch $@

$(MAJORS)/.ready: $(VENV)/.ready
	@rm -rf $(MAJORS)
	@$(PIP) install --target $(MAJORS) --no-warn-conflicts --group majors
	@touch $@

.PHONY: majors node
majors: $(MAJORS)/.ready
node: $(NODE)/.ready $(NODE_OLDER)/.ready $(VERCEL)/.ready

%/node_modules/.ready: %/package.json %/package-lock.json
	@if command -v npm >/dev/null; then npm ci --prefix $* --silent --no-audit --no-fund && touch $@; fi || true
	@test -e $@ || echo "The tests on Node are skipped: npm is missing, or could not install $*"

.PHONY: demo
demo: $(VENV)/.data-ready ## Serve, upload a real CSV, analyse and plot it in one session; leaves demo-output/
	@$(BIN)/python examples/demo.py

.PHONY: test
# Neighbours stay together, so that they share servers; one worker more than CPUs, because tests wait, too.
test: $(VENV)/.ready majors node ## Run the tests: three at a time, then those that need the machine to themselves
	$(BIN)/pytest -n 3 --dist worksteal -m 'not serial and not model'
	$(BIN)/pytest -m serial

.PHONY: clients
clients: $(VENV)/.ready majors node ## Try what each client can do, and write what was seen into the table of clients
	$(BIN)/pytest -n 0 -m shows --conformance docs/clients.json tests/dialects tests/integrations
	$(BIN)/pytest -n 0 --conformance docs/clients.json tests/test_majors.py
	@$(BIN)/python -m scripts.document

.PHONY: test-model
test-model: $(VENV)/.ready ## Ask a real model arithmetic, which it does in the sandbox; builds llama.cpp first, for about 8 minutes, once
	@$(BIN)/python -m scripts.llama
	$(BIN)/pytest -m model tests/model

.PHONY: check
check: $(VENV)/.ready ## Check format, lint, types, layers and spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

.PHONY: bench
bench: $(VENV)/.bench-ready ## Measure insitu beside its peers: a table, JSON and the chart of the README
	@$(BIN)/python -m benchmarks $(BENCH)

.PHONY: fuzz
fuzz: $(VENV)/.ready ## Try frames of guests, names of files and requests that a fuzzer makes up, for FUZZ_SECONDS, by default 600
	FUZZ_SECONDS=$${FUZZ_SECONDS:-600} $(BIN)/pytest tests/fuzz

.PHONY: soak
soak: $(VENV)/.ready ## Load a real server with all that goes well and wrong for 10 minutes, while its processes are killed at random
	@$(BIN)/python -m benchmarks.soak $(SOAK)

.PHONY: docs
docs: $(VENV)/.ready ## Write the parts of docs/ that are made from the code: settings, limits, commands, error codes
	@$(BIN)/python -m scripts.document

.PHONY: format
format: $(VENV)/.ready ## Format the code and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: clean
clean: ## Remove what the other targets made, .venv too
	rm -rf $(VENV) $(NODE) $(NODE_OLDER) $(VERCEL) clients/vercel-ai/build clients/vercel-ai/dist .cache build dist demo-output .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
