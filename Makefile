# `make demo` and `make test` do everything, set-up included. Needs Python 3.10 or newer and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Else a hundred processes of the tests compile the same modules.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test test-unit check coverage docs locks faults kafka bench core soak hostile clean

help:
	@echo "make demo [SECONDS=20]  see it work on a real local Kafka"
	@echo "make test               lint, types and all tests"
	@echo "make test-unit          the tests that need no broker, with fewer examples each: seconds"
	@echo "make coverage           unit tests with branch coverage of the package"
	@echo "make docs               the documentation site; fails on a broken link or unlisted page"
	@echo "make faults [ROUNDS=1] [MINUTES=60] [SEED=x]  the long fault tests, with a table"
	@echo "make kafka              a local Kafka on localhost:29092, without Docker"
	@echo "make bench [FULL=1] [ONLY=x]  side by side with Kafka Streams and others, on this machine"
	@echo "make core               what the pure core costs a message, and a byte of hostile ones; fails if it is slow"
	@echo "make soak [MINUTES=30]  a long run at a steady rate: nothing may grow"
	@echo "make hostile [ONLY=x]   inputs that are made to cost memory or time: what each costs"
	@echo "make locks              new versions in the lock files that CI and the image install"
	@echo "make clean              remove .venv, built pages and caches"

demo: $(VENV)/demo-installed
	@$(BIN)/python -m dev.demo $(if $(SECONDS),--seconds $(SECONDS)) $(if $(RATE),--rate $(RATE))

kafka: $(VENV)/demo-installed
	@$(BIN)/python -m dev.local_kafka --port 29092

bench: $(VENV)/bench-installed
	@$(BIN)/python -m bench.run $(if $(FULL),--full) $(if $(ONLY),--only '$(ONLY)')

core: $(VENV)/test-installed
	@$(BIN)/python -m bench.core

soak: $(VENV)/bench-installed
	@$(BIN)/python -m bench.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(RATE),--rate $(RATE))

hostile: $(VENV)/bench-installed
	@$(BIN)/python -m bench.hostile $(if $(ONLY),--only '$(ONLY)')

# In two processes: most tests wait for a broker. Each process has brokers of its own.
test: check
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-unit: $(VENV)/test-installed
	HYPOTHESIS_PROFILE=quick $(BIN)/python -m pytest tests/unit --numprocesses 2 --dist worksteal

# The pure core; see CONTRIBUTING.md.
CORE := */pipeline.py,*/checks.py,*/event/*,*/transformer.py,*/records.py,*/metrics.py,*/summary_printer.py

coverage: $(VENV)/test-installed
	@$(BIN)/coverage run -m pytest tests/unit
	@$(BIN)/coverage report
	@$(BIN)/coverage report --fail-under=100 --include='$(CORE)'

# Warnings are errors: links and anchors that lead nowhere, pages outside the navigation.
docs: $(VENV)/docs-installed
	@rm -rf build/docs
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --jobs 2 docs build/docs
	@echo "open build/docs/index.html"

LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.10 --generate-hashes

locks: $(VENV)/locks-installed
	$(LOCK) locks/build.in --output-file locks/build.txt
	$(LOCK) pyproject.toml --extra ops --extra otel --extra lineage --extra dashboard \
		--output-file locks/image.txt
	$(LOCK) pyproject.toml --extra test --extra docs --output-file locks/test.txt

faults: $(VENV)/test-installed
	@$(BIN)/python -m tests.faults.long $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) \
		$(if $(KILLS),--kills $(KILLS)) $(if $(ONLY),--only '$(ONLY)')

check: $(VENV)/test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# LOCKED=1, as in continuous integration: exactly what the lock files name, for tests and docs.
$(VENV)/%-installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed: make PYTHON=...") if sys.version_info < (3, 10) else 0'
	@echo "Setting up $(VENV) for $*, once (a minute or so) ..."
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) $(if $(LOCKED),--require-hashes -r locks/build.txt -r locks/test.txt,--editable '.[$*]')
	@$(if $(LOCKED),$(INSTALL) --no-deps --no-build-isolation --editable .)
	@touch $@

clean:
	rm -rf $(VENV) build/docs .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis
