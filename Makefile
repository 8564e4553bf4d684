# Everything runs from one virtual environment, made once and again when pyproject.toml changes.
# Needs python3 >= 3.10 and a package registry; nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo test lint bench
help:
	@echo "make demo   install, train two small models on built-in images, enlarge one, compare"
	@echo "make test   install, run the tests"
	@echo "make lint   install, ruff and mypy"
	@echo "make bench  install, also whom srae is measured against; about fifteen minutes on a quiet machine"

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "srae needs Python 3.10 or newer, this is " + sys.version.split()[0] + "; set PYTHON=python3.x")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'  # the first pip that knows --group
	$(BIN)/python -m pip install --quiet --editable . --group test --group lint
	touch $@

demo: $(STAMP)
	$(BIN)/python scripts/demo.py

# One thread: two or more give other bits, and make small tensors slower.  A process a core, four at most: each has
# half a gigabyte of torch; a file's tests stay together, as they share what is slow to make.
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# On every core; the tables go to the screen.
bench: $(STAMP)
	$(BIN)/python -m pip install --quiet --group bench
	$(BIN)/python scripts/benchmark_training.py
	$(BIN)/python scripts/benchmark_upscaling.py
