# make all    the whole comparison: environment from the lock file, then the workflow to results/report.html
# make test   the offline tests in the same environment
SHELL := /bin/bash
.DEFAULT_GOAL := all
.PHONY: all smoke test test-all lint lock clean check

CORES ?= 8
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# 8 GB: the packages take 2 GB, a CUDA build of torch 5 GB more, the results less than 1 GB.
NEEDED_GB := 8

all: $(READY)
	$(BIN)/snakemake --cores $(CORES) all

smoke: $(READY)
	$(BIN)/snakemake --cores $(CORES) all --configfile workflow/presets/smoke.yaml

# Two processes even on one core: many tests wait. A file's tests, and those that share a run, stay in one process.
test: $(READY)
	$(BIN)/pytest --numprocesses=2 --dist=loadgroup

test-all: $(READY)
	$(BIN)/pytest --numprocesses=2 --dist=loadgroup -m ""

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint

# One line for what usually goes wrong, before anything is downloaded.
check:
	@test -n "$(PYTHON)" || { echo "anyband: no Python found: install Python 3.11, or name one with PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "anyband: $(PYTHON) is $$($(PYTHON) -V 2>&1), but 3.11 is needed: install it, or name one with PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "anyband: $(PYTHON) has no venv module: install the package python3.11-venv" >&2; exit 1; }
	@free=$$(df -Pk . | awk 'NR==2 {print int($$4/1048576)}'); test "$$free" -ge $(NEEDED_GB) || { echo "anyband: $$free GB free here, $(NEEDED_GB) GB are needed: free some disk space" >&2; exit 1; }

$(READY): envs/requirements.lock pyproject.toml
	@$(MAKE) --no-print-directory check
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --requirement envs/requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

# Resolve pyproject.toml anew in a throw-away environment; a local build of torch loses its suffix.
lock:
	$(PYTHON) -m venv --clear $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet ".[cluster,dev]"
	{ echo '# Every package of the default environment, for Python 3.11. Made by `make lock` from pyproject.toml.'; \
	  $(VENV)-lock/bin/pip freeze --exclude anyband | sed 's/+cpu$$//'; } > envs/requirements.lock
	rm -rf $(VENV)-lock

clean:
	rm -rf results .snakemake
