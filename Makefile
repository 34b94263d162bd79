# A newcomer's two commands are `make audit` and `make test`; both build .venv if it is not there.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
ARGS ?=

.PHONY: audit test test-slow lint clean
.DEFAULT_GOAL := audit

audit: $(VENV)/.ready
	@$(BIN)/copycost audit $(ARGS)

test: $(VENV)/.ready
	$(BIN)/python -m pytest $(ARGS)

test-slow: $(VENV)/.ready
	$(BIN)/python -m pytest -m slow --durations=12 $(ARGS)

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.ready: pyproject.toml constraints.txt
	@echo "Building $(VENV): some minutes, once." >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet -c constraints.txt torch
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV)
