# Needs bash, make and Python >= 3.11 with venv; everything else is brought along, inside this folder.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# one process of tests a core, as far as two
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1); echo $$(( n < 2 ? n : 2 )))
SPREAD := -n $(WORKERS) --dist worksteal
# modules are compiled once, by setup or by the first process that needs them, whatever the environment says
unexport PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX
NAME ?= fan-out
N ?= 200

help:  ## show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/' | expand -t 10

setup: .cache/ready  ## install everything; the command is then .venv/bin/hub

.cache/ready: requirements.lock pyproject.toml scripts/setup scripts/uv.lock
	@PYTHON="$(PYTHON)" scripts/setup
	@touch $@

demo: setup  ## the sample city, end to end; SERVE=1 leaves the server up
	@$(BIN)/hub demo $(if $(SERVE),--serve)

test: setup  ## the whole suite: fast tests first, then real Kafka and SQL
	@scripts/mariadb
	@$(BIN)/python -m pytest tests/unit tests/conformance $(SPREAD)
	@$(BIN)/python -m pytest tests/acceptance tests/integration $(SPREAD)

check: setup  ## lint and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: setup  ## lay the code out
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: setup  ## measure: NAME=fan-out
	@$(BIN)/python -m bench.$(subst -,_,$(NAME))

torture: setup  ## kill -9 at every named point and at random moments: N=200 on each database
	@HUB_TORTURE=$(N) $(BIN)/python -m pytest tests/acceptance/test_crash_points.py tests/acceptance/test_kills.py -k torture -rA

fuzz: setup  ## random and broken files through each file adapter: N=10000 of each
	@HUB_FUZZ=$(if $(filter command%,$(origin N)),$(N),10000) $(BIN)/python -m pytest tests/conformance/test_fuzz.py $(SPREAD) -rA

lock: setup  ## resolve requirements.lock anew
	@.cache/uv/bin/uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links --upgrade -q -o requirements.lock

clean:  ## remove what make brought along
	@rm -rf .venv .cache dist .pytest_cache .mypy_cache .ruff_cache

.PHONY: help setup demo test check format bench torture fuzz lock clean
