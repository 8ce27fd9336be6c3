# Every command of this project; CI, hooks and the README call these and nothing else.

PYTHON ?= python3
VENV ?= .venv
LOCK := requirements.lock
# `make demo AIRFLOW=3.4.0b2`: a command runs with that Airflow, in an environment and a local stack of its own.
ifdef AIRFLOW
VENV := .venv-airflow-$(AIRFLOW)
LOCK := $(VENV)/requirements.lock
export IRIS_HOME ?= .iris-airflow-$(AIRFLOW)
endif
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_ARGS ?=

# Without bytecode every process compiles what it imports again: 8 s instead of 3 for each of Airflow's and
# MLflow's, and for every test run.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up down status reset test test-fast test-slow test-e2e test-browser test-browser-chromium test-airflow test-stack test-stack-servers test-monitoring-servers test-compose test-minio image chaos bench-loop bench-memory bench-parse bench-gate bench-hostile bench-backtest bench-drift bench-scoring bench-history bench-page audit lint format docs lock release-check env compose-up compose-demo compose-down clean

# `make demo PROJECT=penguins`, `make status PROJECT=penguins`: the commands are about that project.
# An example in projects/PROJECT/ is started for it; the other projects of a deployment are in projects/*.json.
ifdef PROJECT
export IRIS_PROJECT := $(PROJECT)
ifneq ($(wildcard projects/$(PROJECT)/project.json),)
export IRIS_PROJECT_FILE ?= project.json,projects/$(PROJECT)/project.json
endif
endif

help:  ## Show this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP)  ## Create .venv with the locked packages (needs Python 3.11 to 3.13 and nothing else)
	@:

$(BIN)/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || { \
	  echo "$(PYTHON) is $$("$(PYTHON)" --version 2>/dev/null || echo 'not there'); Iris needs Python 3.11 to 3.13." \
	    "Name one: make setup PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV) || { \
	  echo "$(PYTHON) -m venv failed: on Debian and Ubuntu, apt install python3-venv." >&2; exit 1; }

UV = $$(command -v uv || { \
  test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv; echo $(BIN)/uv; })
COMPILE := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
  --no-emit-package iris-airflow-provider-minio --all-extras

$(STAMP): $(LOCK) pyproject.toml provider/pyproject.toml | $(BIN)/python
	@uv=$(UV); VIRTUAL_ENV=$$(cd $(VENV) && pwd); export VIRTUAL_ENV UV_PYTHON_DOWNLOADS=never; \
	echo "Installing $$(grep -c "==" $(LOCK)) locked packages into $(VENV) ..."; \
	"$$uv" pip install --quiet --require-hashes -r $(LOCK) && \
	"$$uv" pip install --quiet --no-deps -e . -e provider
	@touch $@

ifdef AIRFLOW
# The project's lock, of which only Airflow moves, and what needs it. Airflow's pre-releases consist of pre-releases.
$(LOCK): requirements.lock pyproject.toml provider/pyproject.toml | $(BIN)/python
	@uv=$(UV); cp requirements.lock $@.new && \
	"$$uv" $(COMPILE) $(if $(findstring b,$(AIRFLOW))$(findstring rc,$(AIRFLOW)),--prerelease allow) \
	  --upgrade-package apache-airflow==$(AIRFLOW) pyproject.toml --output-file $@.new && mv $@.new $@
endif

demo: setup  ## Start everything, send Iris through all three pipelines, show each hop
	@$(BIN)/iris demo

up: setup  ## Start the local stack and leave it running
	@$(BIN)/iris up

down:  ## End every process of the local stack
	@test ! -x $(BIN)/iris || $(BIN)/iris down

status:  ## Show what runs, where, and the newest decisions
	@$(BIN)/iris status

reset: down  ## Delete everything the local stack stored
	@test ! -x $(BIN)/iris || $(BIN)/iris reset --yes

# The end-to-end tests wait for Airflow most of the time; the slow ones compute meanwhile.
test: test-fast  ## Run every test (30 to 40 minutes on 2 cores)
	@$(MAKE) --no-print-directory --jobs=2 test-slow test-e2e

test-slow: setup  ## Run the tests that take long and need no servers of Airflow
	$(BIN)/python -m pytest -m "slow and not e2e" --numprocesses 2 --dist worksteal $(PYTEST_ARGS)

test-e2e: setup  ## Run the tests on a stack of their own: the chain, secrets, four projects, a short chaos (25 to 30 minutes beside the slow ones)
	$(BIN)/python -m pytest -m e2e $(PYTEST_ARGS)

test-airflow:  ## Run the tests with another Airflow: the quick ones, slow ones of DAGs and plugin, end to end, a short chaos (VERSION=3.4.0b2)
	@test -n "$(VERSION)" || { echo "Name the Airflow: make test-airflow VERSION=3.4.0b2" >&2; exit 2; }
	$(MAKE) AIRFLOW=$(VERSION) test-fast
	$(MAKE) AIRFLOW=$(VERSION) test-slow PYTEST_ARGS="tests/dags tests/integration/iris_airflow $(PYTEST_ARGS)"
	$(MAKE) AIRFLOW=$(VERSION) test-e2e

test-browser: setup  ## Run the tests of the page in headless Chromium, with a real Airflow (4 minutes; SCREENSHOTS=folder keeps the pictures)
	SCREENSHOTS="$(SCREENSHOTS)" $(BIN)/python -m pytest -m browser tests/browser $(PYTEST_ARGS)

test-browser-chromium:  ## Install Chromium with apt, for make test-browser (root, or sudo)
	@sudo=$$(test "$$(id -u)" = 0 || command -v sudo || true); \
	$$sudo apt-get update --quiet=2 && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends \
	  chromium fonts-dejavu-core

test-stack: setup  ## Run docker-compose.yml's services natively, with Celery workers (needs PostgreSQL and Redis)
	$(BIN)/python -m pytest -m stack tests/stack $(PYTEST_ARGS)

test-compose: setup  ## Run docker-compose.yml in containers, with both executors (where a Docker API answers)
	DOCKER_COMPOSE="$(DOCKER_COMPOSE)" $(BIN)/python -m pytest -m compose -rs tests/stack/test_containers.py $(PYTEST_ARGS)

# With MINIO_BIN set, these tests do not skip.
test-minio: setup  ## Run the tests that need a real MinIO (MINIO_BIN, one on the PATH, or docker-compose.yml's image's)
	@minio=$${MINIO_BIN:-$$(command -v minio || .ci/minio)} && \
	MINIO_BIN="$$minio" $(BIN)/python -m pytest $$(grep -rl MINIO_BIN tests/integration --include='*.py') $(PYTEST_ARGS)

test-stack-servers:  ## Install PostgreSQL and Redis with apt, for make test-stack (root, or sudo)
	@sudo=$$(test "$$(id -u)" = 0 || command -v sudo || true); \
	$$sudo apt-get update --quiet=2 && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends \
	  curl postgresql redis-server

test-monitoring-servers:  ## Install Prometheus and promtool with apt, for tests/integration/test_monitoring.py (root, or sudo)
	@sudo=$$(test "$$(id -u)" = 0 || command -v sudo || true); \
	$$sudo apt-get update --quiet=2 && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends prometheus

test-fast: setup  ## Run the tests that are quick and need no servers of Airflow (4 minutes on 2 cores)
	$(BIN)/python -m pytest -m "not e2e and not slow and not stack and not compose and not browser" --numprocesses 2 --dist worksteal $(PYTEST_ARGS)

VERSION ?=
UPGRADE ?=
SEED ?= 1
ROWS ?= 10000000
HISTORY ?= 100000
OBJECTS ?= 500000
LARGE ?= 0
REPEAT ?= 3
UPLOADS ?= 200
KILLS ?= 30
OUTAGE ?= 120
POISON ?= 20
N ?= 200
FILES ?=
ONLY ?= *
STORE ?= embedded
LOOKS ?= named

bench-backtest: setup  ## Measure the drift verdict: false alarms and detection, beside Evidently (half an hour; ONLY="detect_*" for a part)
	@OPENBLAS_NUM_THREADS=1 POLARS_MAX_THREADS=1 $(BIN)/python -m benchmarks.backtest --only "$(ONLY)"

bench-drift: setup  ## Measure the speed and memory of statistics and drift report (2 minutes)
	@$(BIN)/python -m benchmarks.drift

chaos: setup  ## Kill every part while uploads go on, and audit (SEED= UPLOADS= KILLS= OUTAGE= POISON= STORE=minio LOOKS=named-only)
	@$(BIN)/python -m tests.chaos --seed $(SEED) --uploads $(UPLOADS) --kills $(KILLS) --outage $(OUTAGE) --poison $(POISON) --store $(STORE) --looks $(LOOKS)

bench-hostile: setup  ## Send hostile objects among sound ones, and see what holds (SEED= N= FILES=folder)
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.hostile --seed $(SEED) --n $(N) $(if $(FILES),--files "$(FILES)")

bench-loop: setup  ## Measure PUT to run and PUT to verdict, beside a stock Airflow's empty chain
	@$(BIN)/python -m benchmarks.loop

bench-memory: setup  ## Measure the memory of the whole local stack after a demo, by part (2 minutes)
	@$(BIN)/python -m benchmarks.memory

bench-parse: setup  ## Measure how long Airflow parses our DAG files, beside an empty one (3 minutes)
	@$(BIN)/python -m benchmarks.parse

bench-gate: setup  ## Measure what the gate refuses and accepts, and promotions at once (about 11 minutes)
	@$(BIN)/python -m benchmarks.gate

bench-scoring: setup  ## Measure scoring beside pandas and a copy without a model (ROWS= LARGE= REPEAT=)
	@$(BIN)/python -m benchmarks.scoring --rows $(ROWS) --large $(LARGE) --repeat $(REPEAT)

bench-history: setup  ## Measure uploads and looks with a long past, beside none (HISTORY=100000: 30 minutes; KEEP=folder)
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.history --history $(HISTORY) $(if $(KEEP),--folder "$(KEEP)")

bench-page: setup  ## Measure the server time of the page in Airflow with a long ledger (OBJECTS=500000: a million records; KEEP=folder)
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks.page --history $(OBJECTS) $(if $(KEEP),--folder "$(KEEP)")

.PHONY: bench-provider
bench-provider: setup  ## Kill triggerer and MinIO while objects land; what the provider's watcher and a bare listener miss (8 minutes)
	@$(BIN)/python -m benchmarks.provider

audit: setup  ## Ask the advisory service about every locked package (needs the network)
	@$(BIN)/python .ci/audit.py

lint: setup  ## Check style, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/mypy

lock: setup  ## Lock the packages that pyproject.toml asks for (UPGRADE=NAME moves one, UPGRADE=all every one)
	@uv=$(UV); \
	"$$uv" $(COMPILE) $(if $(filter all,$(UPGRADE)),--upgrade,$(addprefix --upgrade-package ,$(UPGRADE))) \
	  pyproject.toml --output-file requirements.lock

release-check: setup  ## Check that this checkout can be released: tree, changelog, lock, lint, wheel and sdist
	@$(BIN)/python .ci/release.py

docs: setup  ## Write the table of variables into docs/configuration.md, and build the site into .site/
	@$(BIN)/python .ci/variables_table.py
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --jobs auto -c docs . .site
	@echo "The site: .site/index.html"

format: setup  ## Correct style and format where a tool can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

image:  ## Build the image that docker-compose.yml and the Helm chart run
	docker build --tag iris-mlops-pipelines:local .

ENV_FILE ?= .env
EXECUTOR ?=
MONITORING ?=
WORKERS ?= 2
DOCKER_COMPOSE ?= docker compose
COMPOSE = $(DOCKER_COMPOSE) --env-file "$(ENV_FILE)"
comma := ,
SCALED_OUT := AIRFLOW__CORE__EXECUTOR=CeleryExecutor AIRFLOW__CORE__PARALLELISM=32
PROFILES := $(if $(filter celery,$(EXECUTOR)),celery,)$(if $(MONITORING),$(if $(filter celery,$(EXECUTOR)),$(comma),)monitoring,)

env:  ## Write .env with random secrets for docker-compose.yml (mode 600), or add the missing ones
	@"$(PYTHON)" -m deploy.env_file "$(ENV_FILE)"

compose-up: env  ## Start docker-compose.yml (EXECUTOR=celery WORKERS=2: tasks on workers; MONITORING=yes: Prometheus and Grafana)
	@case "$(EXECUTOR)" in ""|celery) ;; *) echo "EXECUTOR=$(EXECUTOR): celery, or nothing" >&2; exit 2;; esac
	$(if $(PROFILES),COMPOSE_PROFILES=$(PROFILES) )$(if $(filter celery,$(EXECUTOR)),$(SCALED_OUT) WORKERS=$(WORKERS) )$(if $(MONITORING),AIRFLOW__METRICS__STATSD_ON=True )$(COMPOSE) up --build --detach

compose-demo: setup  ## The demo, on the stack of docker-compose.yml
	@$(BIN)/iris --compose "$(ENV_FILE)" demo

compose-down:  ## End the containers of docker-compose.yml; their volumes stay
	$(COMPOSE) --profile celery --profile monitoring down

clean: reset  ## Delete the environment and everything generated
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache
