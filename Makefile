# `make report` and `make test` are all that a fresh Debian or Ubuntu needs.
# Daily, in the environment (. .venv/bin/activate): snakemake --cores 4

PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || echo 2)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: help report watch reproduce test test-all test-cluster check lint diff tex classes environment lock clean clean-cache

help:  ## what there is
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' Makefile | expand -t 14

report: environment tex  ## the report, from nothing
	$(BIN)/snakemake --cores $(CORES)

watch: environment tex  ## rebuild on every save
	$(BIN)/workings watch --cores $(CORES)

reproduce: environment tex  ## build the last commit three times and compare every byte
	$(BIN)/workings reproduce

test: environment classes check  ## all tests but the slow ones
	$(BIN)/python -m pytest -m "not slow" -n auto --dist loadfile

test-all: environment classes check  ## all tests
	$(BIN)/python -m pytest -n auto --dist loadfile

test-cluster: environment tex  ## on a Slurm of four virtual nodes; as root, with Debian's slurmctld and slurmd
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group cluster
	$(BIN)/python -m pytest tests/cluster

check: environment  ## the code's form
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workings/report.smk workings/scaffold/Snakefile

lint: environment  ## what an editor would stop at in the templates, file:line each
	@$(BIN)/workings lint

diff: environment  ## what changed since BASE, a commit or a saved build folder
	@$(BIN)/workings diff "$(BASE)" || test $$? -eq 1

tex: environment  ## TeX Live and the PDF tools, where they are missing
	@$(BIN)/workings tex

classes: environment  ## what the tests need: every document class and language, LuaLaTeX, a browser
	@$(BIN)/workings tex --all

environment: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' || \
	  { echo "workings: Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "workings: Python's venv is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $(READY)

lock:  ## write requirements.lock anew from pyproject.toml
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check ".[derive]" --group report --group test
	{ echo "# Every package with its version, for Python 3.11 on Linux; made by make lock."; \
	  build/lock/bin/python -m pip freeze --exclude pip --exclude workings | sed "s/+.*//" | sort -f; } > requirements.lock
	rm -rf build/lock

clean:  ## everything generated but the store and the environment
	rm -rf build .snakemake report/report.pdf report/report.html

clean-cache:  ## the store of finished jobs
	rm -rf .cache
