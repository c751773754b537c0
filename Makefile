# Bare `make` lists the verbs. A verb is a target whose line ends in `## help`; adding one is adding such a line.

PYTHON := .venv/bin/python
READY := .venv/.ready

# A command that fails in the middle of a pipe fails the verb.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

.PHONY: help
help:
	@echo "Millstream. If you are new here: make setup, then make test."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## make .venv with everything a developer needs (nothing is done when it is up to date)

$(READY): pyproject.toml tools/setup_venv.sh
	@bash tools/setup_venv.sh
	@touch $@

.PHONY: demo
demo: $(READY) ## count the flights that left New York in July 2013, on a cluster of the program's own
	@echo "Running examples/flight_delays.py: it starts a cluster of its own on this machine (a JobManager, a TaskManager"
	@echo "and two workers), counts July 2013, and leaves no process behind. A watermark says up to which time of"
	@echo "departure flights have been seen; a checkpoint is what the job would go on from if a process died."
	@echo
	@$(PYTHON) examples/flight_delays.py

.PHONY: components
components: $(READY) ## fetch ZooKeeper and Kafka for the tests, which need Java (nothing is done when they are there)
	@$(PYTHON) tools/fetch_components.py

.PHONY: test
test: components ## run the tests, layer by layer
	@$(PYTHON) tools/run_tests.py

.PHONY: test-nightly
test-nightly: components ## run the tests together with those that take hours; needs FLIGHTS_2013=the year of flights
	@$(PYTHON) tools/run_tests.py --nightly

.PHONY: check
check: $(READY) ## format, lint, types, house rules, generated code: all that needs no running program
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -m mypy tests tools benchmarks examples
	$(PYTHON) -m pyright
	$(PYTHON) tools/generate_protos.py --check
	$(PYTHON) tools/pyflink_docs.py --check
	$(PYTHON) -m pytest -q tests/tidy

.PHONY: fmt
fmt: $(READY) ## format the code and mend what the linter can mend
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

.PHONY: proto
proto: $(READY) ## generate the Python of proto/**/*.proto
	@$(PYTHON) tools/generate_protos.py

.PHONY: sim
sim: $(READY) ## replay a seed of the simulation and print its story: make sim SEED=17
	@$(PYTHON) -m tests.simulation --seed $(SEED)

.PHONY: chaos
chaos: components ## real processes under load and faults, by a seed: make chaos MINUTES=5 SEED=17 (without: any seed)
	@$(PYTHON) -m tests.chaos --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED))

.PHONY: bench
bench: $(READY) ## run the benchmarks, each against its yardstick: make bench NAME=map_filter (all takes minutes)
	@$(PYTHON) -m benchmarks $(or $(NAME),all)

.PHONY: docs
docs: $(READY) ## write the pages that are made from code
	@$(PYTHON) tools/configuration_docs.py
	@$(PYTHON) tools/states_docs.py
	@$(PYTHON) tools/pyflink_docs.py

.PHONY: clean
clean: ## remove .venv, caches and build results
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
