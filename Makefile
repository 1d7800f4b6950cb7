# The two commands are `make demo` and `make test`; `make help` lists the rest.
SHELL := /bin/sh
PY := .venv/bin/python
ONCE ?=

.PHONY: help demo lab lab-stop test check format bench setup-demo setup-test clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

setup-demo:
	@sh scripts/bootstrap.sh --for=demo

setup-test:
	@sh scripts/bootstrap.sh --for=test

demo: setup-demo ## everything running with callers that keep calling; ONCE=1 makes the calls, checks them and ends
	@$(PY) -m lab demo $(if $(ONCE),--once)

lab: setup-demo ## PostgreSQL, Asterisk, phones, OLTs and the service; addresses in var/lab.env
	@$(PY) -m lab up

lab-stop: ## stops what `make lab` started
	@$(PY) -m lab down

check: setup-test ## format, lint, types, import contracts, unit tests: under two minutes
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache
	@.venv/bin/pytest -q -n 2 tests/unit tests/contract

# Each worker has a PostgreSQL, an Asterisk and ports of its own. A file with a house of its own stays with one worker;
# of the others whoever is done first takes over. A loaded machine may take minutes to open the houses of live tests.
# What fails in one part does not hide what fails in the next.
test: setup-test ## all tests, the real Asterisk and the real browser too
	@failed=0; \
	.venv/bin/pytest -q -n 3 --dist worksteal tests/unit tests/contract tests/integration || failed=1; \
	.venv/bin/pytest -q -n 3 --dist loadfile --timeout 300 tests/live || failed=1; \
	.venv/bin/pytest -q -n 2 --dist worksteal tests/browser || failed=1; \
	exit $$failed

bench: setup-test ## every measurement of docs/benchmarks.md
	@$(PY) -m bench

format: setup-test ## rewrites the code in its one format
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

clean: lab-stop ## removes what the commands above made
	rm -rf .venv var
