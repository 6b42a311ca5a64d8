# `make` alone says what can be done. Python 3.11 to 3.13 and make are all it needs.

# The first that will do; another one: make demo PYTHON=/path/to/python3.12
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(WILL_DO)' 2>/dev/null && { echo $$p; break; }; done)
WILL_DO := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	--constraint constraints.txt --editable
PYTEST_ARGS ?=
# The page of the web service: built files are not in version control.
PAGE := rsmonitor/web/static/manifest.json
# Processes that share the tests; 0 for one that can be debugged.
JOBS ?= 2

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo serve web test check bench fuzz accuracy clean

help:
	@echo "make demo      the main job on the real sample, offline; results in demo-out"
	@echo "make serve     the web service with the demo, on this machine alone (needs npm)"
	@echo "make web       the page of the web service, from web/ (needs Node 18 and npm)"
	@echo "make test      all tests; options: make test JOBS=4 PYTEST_ARGS='-k outline'"
	@echo "make check     format, lint, types, imports, docstrings, architecture"
	@echo "make bench     speed, as ratios against decoding and named peers; 200 kills; soak"
	@echo "make fuzz      the laws again, with 10,000 examples each"
	@echo "make accuracy  the detector against the reference of the real sample"
	@echo "make clean     remove what make made"

demo: $(VENV)/.demo
	@$(BIN)/rsmonitor demo demo-out

serve: $(VENV)/.serve $(PAGE)
	@test -e demo-out/head.json || $(BIN)/rsmonitor demo demo-out
	@test -d demo-out/packages || $(BIN)/rsmonitor deliver configs/demo.toml
	@echo "the first start shows the password of the account admin, once; another one:"
	@echo "  $(BIN)/rsmonitor accounts password configs/demo.toml admin"
	@$(BIN)/rsmonitor serve configs/demo.toml

web: $(PAGE)

test: $(VENV)/.dev
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory web; \
		else echo "npm is missing: the tests of the page are skipped"; fi
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadscope $(PYTEST_ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@# Exceptions that a docstring owes; a preview rule, hence apart.
	$(BIN)/ruff check --preview --select DOC501 \
		--config 'lint.pydoclint.ignore-one-line-docstrings = true' rsmonitor
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m numpydoc.hooks.validate_docstrings $$(find rsmonitor -name '*.py')
	$(BIN)/python -m pytest -q tests/architecture

bench: $(VENV)/.dev
	@$(BIN)/python -m benchmarks.run
	@$(BIN)/python -m benchmarks.soak
	@RSMONITOR_TEST_KILLS=200 $(BIN)/python -m pytest -q tests/fault/test_killed_run.py \
		tests/fault/test_command_faults.py

fuzz: $(VENV)/.dev
	@$(BIN)/python -m pytest -m hypothesis --hypothesis-profile=fuzz $(PYTEST_ARGS)
	@PYTHONPATH=.:tests $(BIN)/python tests/fuzz_licences.py

accuracy: $(VENV)/.dev
	@$(BIN)/python tests/reference/judge.py

clean:
	rm -rf $(VENV) demo-out rsmonitor/web/static web/node_modules build dist \
		.pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find rsmonitor tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(WILL_DO)' || { \
		echo "rsmonitor needs Python 3.11, 3.12 or 3.13; found: $(or $(PYTHON),none)." \
			"Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu:" \
			"apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing rsmonitor and its sample into $(VENV): some minutes, once"
	@$(INSTALL) '.[demo]'
	@touch $@

$(VENV)/.serve: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing rsmonitor, its sample and the web service: some minutes, once"
	@$(INSTALL) '.[demo,web]'
	@touch $@ $(VENV)/.demo

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing rsmonitor and its tests into $(VENV): some minutes, once"
	@$(INSTALL) '.[dev]'
	@touch $@ $(VENV)/.demo $(VENV)/.serve

# Scripts of packages do not run: none of them needs it.
web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	@command -v npm >/dev/null || { echo "the page of the web service is built with" \
		"Node 18 or newer and npm; on Debian and Ubuntu: apt-get install npm" >&2; exit 1; }
	@cd web && npm ci --ignore-scripts --no-progress --no-fund --no-audit --loglevel=error
	@touch $@

$(PAGE): web/build.mjs $(wildcard web/src/*) web/node_modules/.package-lock.json
	@cd web && node build.mjs
