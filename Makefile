# A clean clone needs only make and Python >= 3.11; everything else goes to .venv, pinned by constraints.txt.

PYTHON ?= $(firstword $(foreach name,python3.13 python3.12 python3.11 python3,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
VENV := .venv
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help install demo test lint bench constraints clean

help: ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile

install: $(READY) ## Make .venv with the pinned packages and backtester itself

$(READY): constraints.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python >= 3.11 found; name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "install: $(VENV), $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## Run the demo portfolio through the crash of 2025-10-10
	@echo "demo: data/demo-portfolio.toml, scenario 2025-10-10, venue hyperliquid"
	@$(VENV)/bin/backtester run data/demo-portfolio.toml --scenario 2025-10-10 --venue hyperliquid

test: $(READY) ## Run the fast tests
	@echo "test: pytest, without the slow rungs"
	@$(VENV)/bin/python -m pytest -q -n 2 -m "not slow"

lint: $(READY) ## Check style and types
	@echo "lint: ruff check, ruff format, mypy"
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

bench: $(READY) ## Measure speed and memory
	@echo "bench: scripts/bench.py"
	@$(VENV)/bin/python scripts/bench.py

constraints: ## Pin the newest packages that pyproject.toml allows (needs uv)
	@echo "constraints: constraints.txt"
	@uv pip compile --quiet pyproject.toml --extra dev --universal --python-version 3.11 --upgrade --generate-hashes \
		--no-emit-index-url --no-annotate --custom-compile-command "make constraints" --output-file constraints.txt

clean: ## Remove .venv and everything built
	@echo "clean: .venv, caches, build products"
	@rm -rf $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	@find backtester scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +
