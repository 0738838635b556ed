# Every target makes the virtual environment it needs. Only Python 3.11 or newer and make have to be there.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
WORKERS ?= logical
# The tests and the files of a room, which is a folder or one file.
R_TESTS = $(if $(R),$(wildcard tests/$(R) tests/test_$(R).py))
R_FILES = $(wildcard gateway/$(R) gateway/$(R).py plugins/$(R))
PARALLEL := -n $(WORKERS) --dist worksteal --durations 15 --durations-min 1
SEARCH := --hypothesis-profile search --timeout 900
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# What the image is installed with: what is listed in dist/sbom.json.
EXTRAS = $(shell sed -n 's/^ARG EXTRAS=//p' Dockerfile)

.PHONY: help run send test fast room test-slow faults fuzz test-all check format coverage bench release clean

help:
	@echo 'make run       start the gateway with config.example.yaml (make send in a second terminal)'
	@echo 'make send      play the vendor: five signed callbacks to the running gateway'
	@echo 'make test      the test suite, in two workers for each processor (WORKERS=1: fewer)'
	@echo 'make fast      what needs no child process, no PostgreSQL and no long walk: under a minute'
	@echo 'make room R=dispatch   the tests and the types of one room'
	@echo 'make check     format, lint, strict types'
	@echo 'make test-slow also what takes long, and a random search; make test-all: on every Python from 3.11 that is here'
	@echo 'make faults    kills, full disks, power cuts, failing databases and networks: 100 kills, 100,000 callbacks; 20 minutes (SEED=2).'
	@echo '               SHORT=1: the short forms alone, six worlds at once, because most of them wait (WORLDS=3: fewer)'
	@echo 'make fuzz      the random search alone, and INPUTS=1000000 hostile callbacks (SEED=0) through the whole gateway, some'
	@echo '               twenty minutes, and what coverage leads to where atheris installs (GUIDED_SECONDS=60);'
	@echo '               what is found becomes an @example of the test, or a case of gateway/testing/corpus.py'
	@echo 'make release   the wheel, the source archive, and a list of what their image has (CycloneDX) in dist/'
	@echo 'make coverage  the suite with branch coverage, child processes too (R=dispatch: one folder of tests)'
	@echo 'make bench     the benchmarks (QUICK=1: CPU time against the stored baseline,'
	@echo '               PEERS=1: beside Alertmanager and hookspool, STORE=postgresql: beside SQLite, GATEWAYS=1: one, two and four'
	@echo '               on one PostgreSQL, RETENTION=1000000: what an accept waits while so many old events are deleted,'
	@echo '               STORED=1: beside a million waiting deliveries, and encrypted; BROKERS=1: to the brokers of this machine)'

run: $(VENV)/.run
	$(BIN)/gateway --config config.example.yaml serve

send: $(VENV)/.run
	$(BIN)/gateway --config config.example.yaml send --source live

test: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m 'not slow' $(PARALLEL)

fast: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m 'not slow and not wide and not process and not postgres' --hypothesis-profile quick $(PARALLEL)

room: $(VENV)/.dev
	$(if $(R_TESTS),,$(error make room R=… names a room, or a folder of tests: $(sort $(patsubst tests/%/,%,$(wildcard tests/*/)) $(patsubst tests/test_%.py,%,$(wildcard tests/test_*.py)))))
	$(BIN)/python -m pytest -q -m 'not slow' --durations 5 --durations-min 1 $(R_TESTS)
	$(if $(R_FILES),$(BIN)/python -m mypy $(R_FILES))

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -q $(PARALLEL) $(SEARCH)
	$(BIN)/python -m pytest -q -m 'not slow and not wide' --encrypted --hypothesis-profile quick $(PARALLEL) \
	  $(addprefix tests/,store store_admin dispatch intake recordings reconcile cli)
	$(BIN)/python -m pytest -q -m 'postgres and not slow' --reduced $(or $(SEED),1) --timeout 300 \
	  --hypothesis-profile quick $(PARALLEL) $(addprefix tests/,store store_admin) --ignore tests/store/test_plans.py

faults: $(VENV)/.dev
	$(BIN)/python -m pytest -q --seed $(or $(SEED),1) \
	  $(if $(SHORT),-n $(or $(WORLDS),6) --dist worksteal --durations 10,-rP --whole --kills $(or $(KILLS),100)) tests/faults

fuzz: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m hypothesis $(PARALLEL) $(SEARCH)
	$(BIN)/python -m tests.fuzz $(or $(INPUTS),1000000) --seed $(or $(SEED),0)
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(PIP) --only-binary :all: atheris 2>/dev/null || true # has wheels for some
	$(BIN)/python -m tests.fuzz.guided -max_total_time=$(or $(GUIDED_SECONDS),60)

test-all:
	bash .ci/test-all

check: $(VENV)/.dev
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

format: $(VENV)/.dev
	$(BIN)/python -m ruff format .
	$(BIN)/python -m ruff check --fix .

coverage: $(VENV)/.dev
	@test -z '$(R)' -o -d 'tests/$(R)' || { echo 'make coverage R=… names a folder of tests' >&2; exit 1; }
	$(BIN)/python -m pytest -q -m 'not slow' $(if $(R),$(or $(addprefix --cov=,$(wildcard gateway/$(R) plugins/$(R))),--cov),--cov) --cov-report=term --timeout 300 -o faulthandler_timeout=320 $(PARALLEL) $(addprefix tests/,$(R))

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks$(if $(QUICK),.quick)$(if $(STORE),.ways --store '$(STORE)')$(if $(GATEWAYS),.gateways)$(if $(RETENTION),.retention --events $(RETENTION))$(if $(STORED),.stored)$(if $(BROKERS),.brokers)$(if $(PEERS), --peers)

release: $(VENV)/.dev
	rm -rf dist && $(BIN)/python -m build --no-isolation --outdir dist .
	@rm -rf $(VENV)-release && $(PYTHON) -m venv $(VENV)-release
	@$(VENV)-release/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "$$(ls dist/*.whl)[$(EXTRAS)]"
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file dist/sbom.json $(VENV)-release/bin/python
	@rm -rf $(VENV)-release && ls dist

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer is needed, and none was found on the path.' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python pyproject.toml constraints.txt
	@[ $(VENV)/.dev -nt pyproject.toml ] && [ $(VENV)/.dev -nt constraints.txt ] || \
	  { echo 'Installing (once) …' && $(PIP) --editable .; }
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	@echo 'Installing with the tools for tests (once) …'
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.run
