# `make demo` and `make test` need Python and make, nothing else: everything is installed into .venv.

PYTHON ?= python3
WORKERS ?= 3
RUNS ?= 200

BIN := .venv/bin
STAMP := .venv/.complete
OLDEST := 3.11

.PHONY: help venv demo test matrix mutants soak docs clean

help:
	@echo 'make demo     start the reference server and run the suite against it'
	@echo 'make test     linters, types and all tests; those of tools that are missing are skipped'
	@echo 'make matrix   the suite against every server and every fault that one can have'
	@echo 'make mutants  the suite against every fault of the document; writes docs/mutants.md'
	@echo 'make docs     write the pages that are made from the documents (docs/tokens.md, build/docs)'
	@echo 'make soak     false alarms looked for: RUNS=200 runs against each server with one core kept busy,'
	@echo '              and as many through a proxy that adds 100 ms of latency and 20 ms of jitter'
	@echo 'make venv     only install into .venv'
	@echo 'make clean    remove .venv, caches and builds'

venv: $(STAMP)
	@:

$(STAMP): pyproject.toml
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
		echo 'make: there is no $(PYTHON); install Python $(OLDEST) or newer, or name one: make PYTHON=/path/to/python' >&2; \
		exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < tuple(map(int, "$(OLDEST)".split("."))))' || { \
		echo "make: $$($(PYTHON) --version 2>&1) is too old; name $(OLDEST) or newer: make PYTHON=/path/to/python" >&2; \
		exit 1; }
	@echo 'Installing into .venv …'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[test]'
	@touch $(STAMP)

demo: venv
	@$(BIN)/handfast demo

test: venv
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { \
		echo 'make: these are not formatted; `$(BIN)/ruff format .` does it:' >&2; \
		$(BIN)/ruff format --check . >&2; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/python -m pytest --quiet -n $(WORKERS) --dist worksteal -rs || { \
		echo 'make: what failed beside other tests is tried once more, alone:' >&2; \
		$(BIN)/python -m pytest --quiet --last-failed --last-failed-no-failures none -rA; }

matrix: venv
	@HANDFAST_MATRIX=all $(BIN)/python -m pytest tests/matrix --quiet -n $(WORKERS) --dist worksteal

mutants: venv
	@$(BIN)/handfast mutate chat --report markdown:docs/mutants.md \
		$(foreach server,chat_websockets chat_ws,--by-hand tests/foreign/$(server)/faults.json)

docs: venv
	@$(BIN)/handfast list chat --tokens > docs/tokens.md
	@for folder in spec/protocols/*/; do \
		name=$$(basename $$folder); \
		$(BIN)/handfast docs $$name --html build/docs/$$name.html --markdown build/docs/$$name || exit 1; \
	done

soak: venv
	@$(BIN)/python -m tests.matrix.soak --runs $(RUNS)
	@$(BIN)/python -m tests.matrix.soak --runs $(RUNS) --idle --distant --at-once 4

clean:
	@rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find spec reference_server conformance tests -name __pycache__ -prune -exec rm -rf {} +
