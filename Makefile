# Two commands do everything, set-up included: `make demo` and `make test`.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint types format clean

demo: .venv/installed
	$(BIN)/farzi demo

test: .venv/installed-dev
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-dev
	$(BIN)/basedpyright

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "farzi needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

# --only-binary: nothing is compiled on the user's machine, farzi itself excepted.
.venv/installed: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --only-binary=:all: --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --only-binary=:all: --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv .cache farzi-demo
