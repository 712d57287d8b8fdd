# make lab: open the notebooks.  make test: check everything.  make help: the rest.

PYTHON ?= python3
VENV ?= .venv
PORT ?= 8888
# More words for JupyterLab and Voila, e.g. make lab LABFLAGS=--no-browser
LABFLAGS ?=
VOILAFLAGS ?=
# More words for pip, pytest and the benchmarks
PIPFLAGS ?=
PYTESTFLAGS ?=
BENCHFLAGS ?=
LESSONS ?=
# Test processes that run at once
WORKERS ?= 2

PY := $(VENV)/bin/python
# Jupyter insists on being told that it may run as root, as it does in a container
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
NBVAL := --nbval --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg --nbval-cell-timeout 60

# The python3 kernel that the notebooks name is this environment's, whatever is registered elsewhere
export JUPYTER_PREFER_ENV_PATH = 1
# A backend named outside would reach the kernels and their inline figures would be lost
unexport MPLBACKEND

# An installation that fails half-way must not leave a stamp
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help lab voila test browser bench notebooks site format clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

# .lab/ holds settings for the room: no questions about news, no look for updates.
lab: $(VENV)/installed  ## open the notebooks in JupyterLab (first time: sets up .venv; PYTHON=, PORT=, LABFLAGS=)
	$(PY) -c "import cnnlab as cl; cl.data.load('glyphs', resolution=64); cl.Explorer('efficientnet')"
	$(PY) -m jupyterlab $(AS_ROOT) --port=$(PORT) --ServerApp.root_dir=notebooks \
		--LabApp.app_settings_dir=$(CURDIR)/.lab --LabApp.default_url=/lab/tree/00_start_here.ipynb $(LABFLAGS)

voila: $(VENV)/installed-test  ## the first notebook as a page without code (PORT=, VOILAFLAGS=)
	$(PY) -m voila --port=$(PORT) --token --VoilaConfiguration.extension_denylist=jupyterlab-jupytext \
		notebooks/00_start_here.ipynb $(VOILAFLAGS)

# One pytest run over tests, doctests and notebooks, so that one closing line sums up all of it. A notebook's cells share
# a kernel and must stay in one process: that is what loadscope does.
test: $(VENV)/installed-test  ## format, lint, types, tests, doctests and notebooks (PYTESTFLAGS=, WORKERS=)
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	@test -x $(VENV)/bin/oxlint || { echo "$(VENV) has no oxlint, which checks the JavaScript: pip install oxlint" >&2; exit 1; }
	$(VENV)/bin/oxlint --deny-warnings cnnlab/show
	$(PY) -m mypy
	OMP_NUM_THREADS=1 $(PY) -m pytest $(NBVAL) -n $(WORKERS) --dist loadscope --ignore=tests/browser \
		tests cnnlab notebooks $(PYTESTFLAGS)

browser: $(VENV)/installed-test  ## the Explorer and the notebooks in a real Chromium (tests/browser)
	$(PY) -m pytest tests/browser $(PYTESTFLAGS)

bench: $(VENV)/installed-test  ## print the figures to reach as ratios (BENCHFLAGS=)
	$(PY) -m benchmarks $(BENCHFLAGS)

# A lesson's number: make notebooks LESSONS="03 07"
notebooks: $(VENV)/installed-test  ## derive the lessons from notebooks/source and execute them (LESSONS=)
	$(PY) -m notebooks.build $(LESSONS)

site: $(VENV)/installed-test  ## the lessons as web pages in build/site, Explorers included
	$(PY) -m notebooks.build.site

format: $(VENV)/installed-test  ## put code and notebooks into the one format
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

clean:  ## remove caches and build products (the environment stays: it is slow to make)
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -path './$(VENV)' -prune -o -type d \( -name __pycache__ -o -name .ipynb_checkpoints \) -exec rm -rf {} +

# The stamps go stale when pyproject.toml changes; then pip adds what is missing.
$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "cnnlab needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install $(PIPFLAGS) --editable .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(PY) -m pip install $(PIPFLAGS) --editable '.[test]'
	touch $@
