# Each command does its own set-up: all it needs is Python 3.11, 3.12 or 3.13. `make` alone lists them.
#
# ARGS are passed on: make demo ARGS="--exit", make test ARGS="tests/unit -k closure", make lock ARGS=--upgrade

.DEFAULT_GOAL := help
# PAGES is where the pages are built as a site: make docs PAGES=/srv/www
PAGES = .site

# Else each of the hundreds of processes that the tests start would compile our modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo test test-full check bench docs lock audit clean ready browser

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1\t/p' Makefile

install: ready browser ## what `caseproof` needs, into .venv; docs/run-it-for-real.md goes on from there
	@echo "Installed. Next: . .venv/bin/activate; caseproof --help"

demo: ready browser ## a small world on this machine, with a case carried from failure to proof
	@.venv/bin/caseproof demo $(ARGS)

# Four processes on two cores, for the long tests wait more than they work; tests/conftest.py says which test runs where.
TOGETHER = -n 4 --dist loadgroup --no-loadscope-reorder --durations=10

test: ready browser ## the tests that CI runs, with real servers and a browser: a quarter of an hour on two cores
	@scripts/compile-tests
	@.venv/bin/python -m pytest $(or $(ARGS),$(TOGETHER))

test-full: ready browser ## every test there is, also the long ones (marked `full`), with more examples and more kills
	@.venv/bin/python -m pytest --full $(or $(ARGS),$(TOGETHER))

bench: ready ## the figures, each against a baseline of the same run; a table, and bench.json
	@.venv/bin/python -m benchmarks.run $(ARGS)

check: ready ## lint, format, types, the one-way imports, and the pages with their links
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@.venv/bin/mkdocs build --strict --clean --site-dir .site

docs: ready ## these pages as a site in .site: open .site/index.html
	@.venv/bin/mkdocs build --strict --clean --site-dir $(PAGES)
	@echo "Built. Next: open $(PAGES)/index.html"

lock: ## write requirements.lock anew from pyproject.toml
	@scripts/lock $(ARGS)

audit: ## whether an advisory database knows a weakness of a locked package; AUDIT_DATABASE names another one
	@scripts/audit $(ARGS)

clean: ## remove what the commands above made here
	@rm -rf .venv .site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

ready:
	@scripts/set-up

browser: ready
	@.venv/bin/python -m caseproof.evidence.browser --install

.PHONY: test-mariadb
test-mariadb: ready ## a table of jobs on a real MariaDB, which is started and stopped
	@scripts/test-mariadb

.PHONY: test-airflow
test-airflow: ready browser ## the platform suite on a real Airflow 3 (from the package index, into .cache/airflow), and a case with a ticket in a real RT
	@scripts/test-airflow

.PHONY: test-postfix
test-postfix: ready ## mail by a real Postfix, Dovecot and Sieve vacation, which are started and stopped; as root
	@scripts/test-postfix

.PHONY: test-rt
test-rt: ready ## Request Tracker as a desk on a real one, of Debian's packages, which is started and stopped
	@scripts/test-rt
