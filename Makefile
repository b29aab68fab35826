# make all    the whole comparison: environment from the lock file, then the workflow to results/report.html
# make test   the offline tests in the same environment
# make site   the documentation, into site/index.html
# make package   wheel and source archive, into dist/
SHELL := /bin/bash
.DEFAULT_GOAL := all
.PHONY: all smoke test quick test-all test-servers lint site package lock clean check

CORES ?= 8
VERSIONS := 3.13 3.12 3.11
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
# The machine's own python3 where it will do, else the newest of ours that it has.
PYTHON ?= $(or $(firstword $(shell for p in python3 $(VERSIONS:%=python%); do \
  $$p -c '$(SUPPORTED)' 2>/dev/null && command -v $$p; done)),$(shell command -v python3))
# All of them, one a version, those of pyenv too.
PYTHONS = $(shell for v in $(VERSIONS); do for p in python$$v $(HOME)/.pyenv/versions/$$v.*/bin/python; do \
  $$p -c '$(SUPPORTED)' 2>/dev/null && echo $$p && break; done; done)
LOCK = envs/requirements-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])').lock
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

# What needs no torch, on a further Python: torch's wheel for it may take gigabytes.
# make quick PYTHON=/path/to/python3.13 VENV=.venv-3.13
QUICK := $(patsubst %,tests/unit/test_%.py,ground products config runtime providers) \
  $(addprefix tests/unit/,sensors splits statistics)
quick: check
	$(PYTHON) -m venv --clear $(VENV)
	grep -v '^torch' $(LOCK) > $(VENV)/requirements.txt
	$(BIN)/pip install --quiet --no-deps --requirement $(VENV)/requirements.txt
	$(BIN)/pip install --quiet --no-deps --editable .
	$(BIN)/pytest --numprocesses=2 --dist=loadgroup $(QUICK)

test-all: $(READY)
	$(BIN)/pytest --numprocesses=2 --dist=loadgroup -m ""

# A real SLURM of two nodes (Debian, as root; installs slurm-wlm and munge): started and stopped by the tests.
test-servers: $(READY)
	$(BIN)/pytest -n 0 -m servers tests/servers

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/snakemake --lint

# Without a network; broken links and warnings are errors. Shows the run in results, if it is finished.
site: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "site/index.html"

# Needs a package index, as the environment does.
package: $(READY)
	.ci/package

# One line for what usually goes wrong, before anything is downloaded.
check:
	@test -n "$(PYTHON)" || { echo "anyband: no Python found: install Python 3.11, 3.12 or 3.13, or name one with PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c '$(SUPPORTED)' || { echo "anyband: $(PYTHON) is $$($(PYTHON) -V 2>&1), but 3.11, 3.12 or 3.13 is needed: install one, or name it with PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "anyband: $(PYTHON) has no venv module: install the package python3-venv" >&2; exit 1; }
	@free=$$(df -Pk . | awk 'NR==2 {print int($$4/1048576)}'); test "$$free" -ge $(NEEDED_GB) || { echo "anyband: $$free GB free here, $(NEEDED_GB) GB are needed: free some disk space" >&2; exit 1; }

$(READY): $(wildcard envs/requirements-*.lock) pyproject.toml
	@$(MAKE) --no-print-directory check
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --requirement $(LOCK)
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

# A lock for every Python that the machine has, from what pip would install.
lock:
	for python in $(PYTHONS); do \
	  version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])') && \
	  $$python -m venv --clear $(VENV)-lock && \
	  $(VENV)-lock/bin/pip install --quiet --dry-run --report $(VENV)-lock/report.json ".[cluster,dev,docs]" && \
	  $$python tools/lock.py $(VENV)-lock/report.json > envs/requirements-$$version.lock || exit 1; \
	done
	rm -rf $(VENV)-lock

clean:
	rm -rf results .snakemake site dist
