# A machine with python3 (3.11 to 3.13), git and make is enough. The first target sets up $(VENV) from
# the hash-pinned locks; each target adds only the packages it needs, and nothing is installed twice.
#   make test PYTHON=python3.12 VENV=.venv-3.12      another Python beside the first
#   make reproduce ARGS="--seeds 5"                  arguments for the command behind a target

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= auto
ARGS ?=

BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

# Present, with the process that installs, while something is being installed. What an interrupted
# install leaves is not to be trusted, so the next `make` begins $(VENV) anew.
UNFINISHED := $(VENV)/.unfinished
INTERRUPTED := $(wildcard $(UNFINISHED))

ifdef UV
PIP = $(UV) pip install --quiet --python $(BIN)/python
else
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
endif

# $(call install,ARGUMENTS OF PIP,WHAT IT IS): the recipe of a stamp. An error that pip reports (no
# network, a wrong hash) leaves a sound environment; a signal leaves $(UNFINISHED) behind. Without
# bytecode every import costs double; compiled here it uses all cores and skips the packages' own tests.
define install
@echo '$(VENV): installing $(2)'
@echo $$$$ >$(UNFINISHED); trap 'exit 130' INT TERM; \
  $(PIP) $(1) || { status=$$?; [ $$status -ge 128 ] || rm $(UNFINISHED); exit $$status; }; \
  $(BIN)/python -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib; \
  rm $(UNFINISHED) && touch $@
endef

LOCKED = --require-hashes --only-binary :all: --requirement

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help reproduce tune experiments test test-all test-mujoco test-gymnax gymnax-tests test-tracking tracking-tests test-cluster cluster-tests docs docs-tests build lint bench lock clean afresh

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

reproduce: $(VENV)/.project ## run the paper's experiment and draw its figures
	@$(BIN)/mgsc reproduce $(ARGS)

# One suite after another; stopped, the same command goes on where it was.
tune: $(VENV)/.project $(VENV)/.gymnasium ## tune every suite into results/sweeps (stopped, it goes on; ARGS=--overwrite)
	@set -e; suites=$$($(BIN)/python -c 'from mgsc.experiments.design.suites import SUITES; print(*SUITES)'); \
	for suite in $$suites; do \
	  $(BIN)/mgsc tune $$suite --resume --out results/sweeps/$$suite.json $(ARGS); \
	done
	@echo "to commit them: cp results/sweeps/*.json src/mgsc/experiments/tuning/sweeps/"

experiments: $(VENV)/.project $(VENV)/.gymnasium ## run every study into results/studies (stopped, it goes on; ARGS=--overwrite)
	@set -e; studies=$$($(BIN)/python -c 'from mgsc.experiments.studies.table import STUDIES; print(*STUDIES)'); \
	for study in $$studies; do \
	  $(BIN)/mgsc study run $$study --resume --out results/studies $(ARGS); \
	done
	@echo "to commit them: cp results/studies/*.json src/mgsc/experiments/studies/summaries/"

test: $(VENV)/.project $(VENV)/.test ## the tests, without the slow ones
	@$(BIN)/pytest --numprocesses $(WORKERS) --maxprocesses 8 --dist loadfile $(ARGS)

test-all: $(VENV)/.project $(VENV)/.test ## all tests
	@$(BIN)/pytest --numprocesses $(WORKERS) --maxprocesses 8 --dist loadfile -m "not cluster" $(ARGS)

test-mujoco: $(VENV)/.project $(VENV)/.test $(VENV)/.mujoco ## the tests with MuJoCo
	@$(BIN)/pytest tests/environments/test_control.py -m "slow or not slow" $(ARGS)

test-gymnax: ## the tests with gymnax, which needs older packages, in $(VENV)-gymnax
	@$(MAKE) --no-print-directory VENV=$(VENV)-gymnax gymnax-tests

gymnax-tests: $(VENV)/.project $(VENV)/.gymnax
	@$(BIN)/pytest tests/environments/test_gymnax.py tests/environments/test_from_gymnax.py $(ARGS)

test-tracking: ## the tests of what TensorBoard and W&B are given, with their readers, in $(VENV)-tracking
	@$(MAKE) --no-print-directory VENV=$(VENV)-tracking tracking-tests

tracking-tests: $(VENV)/.project $(VENV)/.tracking
	@$(BIN)/pytest tests/experiments/test_tracking.py $(ARGS)

test-cluster: ## the executors on a real SLURM (Debian's slurm-wlm and munge, as root) and a real Ray, in $(VENV)-cluster
	@$(MAKE) --no-print-directory VENV=$(VENV)-cluster cluster-tests

cluster-tests: $(VENV)/.project $(VENV)/.cluster
	@$(BIN)/pytest -m cluster tests/cluster $(ARGS)

lint: $(VENV)/.project $(VENV)/.lint ## style, format, types, and which part imports which
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache --no-logo

# Anew each time: the pages hold what the code says, and Sphinx looks at the pages' files only.
docs: $(VENV)/.project $(VENV)/.docs ## build the documentation's pages, to be read without a network
	@$(BIN)/python -m sphinx -q -E -W --keep-going -n -b html docs build/docs $(ARGS)
	@echo "the first page: build/docs/index.html"

docs-tests: $(VENV)/.project $(VENV)/.docs $(VENV)/.test ## build the pages and look at them in a browser
	@$(BIN)/pytest tests/docs -m "slow or not slow" $(ARGS)

# Each is tried where nothing of the checkout can be found: in an environment of its own, in another folder.
CLEAN = build/clean

build: $(VENV)/.project ## build wheel and source archive into dist/, and try each in a clean environment
	@rm -rf dist $(CLEAN) && $(BIN)/python -m hatchling build -t sdist -t wheel -d dist
	@$(PYTHON) -m venv $(CLEAN) && $(CLEAN)/bin/python -m pip install --quiet --disable-pip-version-check $(LOCKED) requirements.lock
	@set -e; for made in dist/*.whl dist/*.tar.gz; do \
	  $(CLEAN)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall $$made; \
	  cp tests/smoke.py $(CLEAN)/smoke.py; \
	  (cd $(CLEAN) && env -u PYTHONPATH JAX_PLATFORMS=cpu MPLBACKEND=agg bin/python smoke.py); \
	  echo "$$made"; \
	done
	@rm -rf $(CLEAN)

bench: $(VENV)/.project $(VENV)/.bench ## measure speed, beside NumPy and numba
	@$(BIN)/mgsc bench $(ARGS)

clean: ## remove the environment and all caches; results stay
	rm -rf $(VENV) $(VENV)-gymnax $(VENV)-tracking $(VENV)-cluster .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- the environment ----------------------------------------------------------------------------

$(VENV)/.created: $(if $(INTERRUPTED),afresh)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || { \
	  echo "error: mgsc needs Python 3.11, 3.12 or 3.13, and \`$(PYTHON) --version\` says" \
	    "\"$$($(PYTHON) --version 2>&1)\": name another, as in 'make $(MAKECMDGOALS) PYTHON=python3.12'" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "error: $(PYTHON) has no venv module: install it (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 2; }
	@mkdir -p $(VENV) && echo $$$$ >$(UNFINISHED) && $(PYTHON) -m venv $(VENV) && rm $(UNFINISHED) && touch $@

afresh:
	@! kill -0 "$$(cat $(UNFINISHED))" 2>/dev/null || { \
	  echo "error: process $$(cat $(UNFINISHED)) is setting up $(VENV); let it finish, or 'make clean'" >&2; exit 2; }
	@echo "$(VENV): the last install was interrupted; beginning anew"
	@rm -rf $(VENV)

$(VENV)/.packages: requirements.lock $(VENV)/.created
	$(call install,$(LOCKED) $<,what running needs (once; about 200 MB))

$(VENV)/.project: pyproject.toml $(VENV)/.packages
	$(call install,--no-deps --no-build-isolation --editable .,mgsc)

$(VENV)/.%: requirements-%.lock $(VENV)/.packages
	$(call install,$(LOCKED) $<,what $(MAKECMDGOALS) needs beside it (once))

# ---- for maintainers ----------------------------------------------------------------------------

# One set of versions for all supported Pythons, so that results agree; the smaller locks follow the
# first. No header, no notes: a lock names packages and hashes, never a host.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
  --generate-hashes --no-header --no-annotate $(ARGS)

KNOWN = -c requirements.lock -c requirements-test.lock -c requirements-docs.lock
TRACKING = -c requirements-tracking.lock

lock: ## pin dependencies anew (maintainers; needs uv; ARGS=--upgrade for newer versions)
	@command -v uv >/dev/null || { echo "error: 'make lock' needs uv on the PATH; no other target does" >&2; exit 2; }
	$(COMPILE) pyproject.toml --extra experiments --group build -o requirements.lock
	$(COMPILE) pyproject.toml --extra bench -c requirements.lock -o requirements-bench.lock
	$(COMPILE) pyproject.toml --extra gymnasium -c requirements.lock -o requirements-gymnasium.lock
	$(COMPILE) pyproject.toml --extra mujoco -c requirements.lock -c requirements-gymnasium.lock -o requirements-mujoco.lock
	$(COMPILE) --group test -c requirements.lock -o requirements-test.lock
	$(COMPILE) --group lint -c requirements.lock -o requirements-lint.lock
	$(COMPILE) --group gymnax -c requirements.lock -o requirements-gymnax.lock
	$(COMPILE) --group docs -c requirements.lock -o requirements-docs.lock
	$(COMPILE) pyproject.toml --extra tensorboard $(KNOWN) -o requirements-tensorboard.lock
	$(COMPILE) pyproject.toml --extra wandb $(KNOWN) -o requirements-wandb.lock
	$(COMPILE) pyproject.toml --extra tensorboard --extra wandb --group tracking $(KNOWN) -o requirements-tracking.lock
	$(COMPILE) pyproject.toml --extra slurm $(KNOWN) $(TRACKING) -o requirements-slurm.lock
	$(COMPILE) pyproject.toml --extra ray $(KNOWN) $(TRACKING) -o requirements-ray.lock
	$(COMPILE) pyproject.toml --extra slurm --extra ray --group cluster $(KNOWN) $(TRACKING) -o requirements-cluster.lock
