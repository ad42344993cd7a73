# One command for each habit; `make` alone lists them.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
RUN    := $(BIN)/python
PIP    := $(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
TESTS  ?=
WORKERS ?= auto
TORCH  ?= torch==2.13.0
export PIP_CONSTRAINT := constraints.txt

.DEFAULT_GOAL := help
.PHONY: help lab install test test-slow fmt lint types bench docs shots check lock chromium clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Cycloid needs Python 3.11 or later: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "No venv module: on Debian, apt-get install python3-venv"; exit 1; }

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Cycloid into $(VENV) ..."
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing the tools for tests ..."
	@$(PIP) --editable '.[dev]'
	@touch $@

$(VENV)/.installed-torch: $(VENV)/.installed-dev
	@echo "Installing PyTorch, to compare with (TORCH= goes without) ..."
	@test -z "$(TORCH)" || $(RUN) -m pip install --quiet --disable-pip-version-check $(TORCH) || echo "PyTorch is not to be had here: what needs it is left out."
	@touch $@

$(VENV)/.installed-peers: $(VENV)/.installed-torch
	@echo "Installing the peers for the benchmarks ..."
	@$(PIP) --editable '.[peers]'
	@touch $@

install: $(VENV)/.installed ## install into .venv

lab: $(VENV)/.installed ## open the browser lab
	@$(BIN)/cycloid lab

chromium:
	@command -v chromium >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Debian's chromium for the tests of the lab ..."; \
	    apt-get update -qq && apt-get install -y -qq chromium >/dev/null; \
	  else echo "No chromium: the browser tests are skipped. On Debian or Ubuntu: sudo apt-get install chromium"; fi; }

test: $(VENV)/.installed-torch chromium ## the tests, at most ten minutes on two cores
	@$(RUN) -m pytest -n $(WORKERS) -q -m 'not slow' $(TESTS)

test-slow: $(VENV)/.installed-torch chromium ## the tests that take longer, programs optimised as users run them
	@HYPOTHESIS_PROFILE=thorough XLA_FLAGS=--xla_cpu_multi_thread_eigen=false $(RUN) -m pytest -n $(WORKERS) -q -m slow $(TESTS)

fmt: $(VENV)/.installed-dev ## format the code
	@$(BIN)/ruff format src tests benchmarks docs
	@$(BIN)/ruff check --fix --quiet src tests benchmarks docs

lint: $(VENV)/.installed-dev ## style and layers
	@$(BIN)/ruff format --check src tests benchmarks docs
	@$(BIN)/ruff check src tests benchmarks docs
	@$(BIN)/lint-imports

types: $(VENV)/.installed-dev ## static types, strict on core
	@$(BIN)/pyright

bench: $(VENV)/.installed-peers ## peers side by side; writes docs/benchmarks
	@for file in benchmarks/*/*.py; do echo "== $$file"; $(RUN) $$file || exit 1; done

docs: $(VENV)/.installed-dev ## figures and tables of the docs, from the code
	@for file in docs/make_*.py; do echo "== $$file"; $(RUN) $$file || exit 1; done

shots: $(VENV)/.installed-dev chromium ## pictures of the lab's pages
	@$(RUN) docs/shots.py

check: lint types test ## what must hold before a change lands

lock: $(VENV)/.installed-dev ## write constraints.txt from what is installed
	@$(RUN) -m pip freeze --exclude-editable | grep -viE '^(cycloid|torch)\b| @ ' > constraints.new
	@mv constraints.new constraints.txt

clean: ## remove .venv and caches
	rm -rf $(VENV) .cache .hypothesis .ruff_cache build dist
