# make run    build Margrave, install it with Django into .venv, serve examples/django-site on http://127.0.0.1:8000
# make test   every check there is
# make bench  CPU time, tails and memory beside uWSGI, granian, gunicorn, bjoern, FastPySGI, waitress and nginx
# make help   the rest
#
# PYTHON=/path/to/python3 chooses the interpreter (3.9 or newer); everything made goes to .venv, .run and target.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run install prepare test fmt clippy unit tidy versions peers python-tests conformance differential bench profile instructions microbench images clean tools

CARGO ?= cargo
PYTHON ?= python3
TARGET := $(or $(CARGO_TARGET_DIR),target)
VENV := .venv
BIN := $(VENV)/bin
PEERS := .run/peers
SITE := examples/django-site
URL := http://127.0.0.1:8000
VERSIONS := 3.9 3.11 3.13
# The interpreter itself, not a shim or link in front of it: PyO3 must see the same one each time, or it rebuilds.
REAL_PYTHON = $(shell $(PYTHON) -c 'import os,sys; print(os.path.realpath(sys._base_executable or sys.executable))' 2>/dev/null)
# nextest is quicker; cargo's own runner does as well.
RUNNER = $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo "nextest run" || echo test)
PYTEST := $(BIN)/python -m pytest -p no:cacheprovider

help:
	@sed -n '1,7s/^# \{0,1\}//p' Makefile

tools:
	@command -v $(CARGO) >/dev/null || { echo "Rust is missing: there is no '$(CARGO)' in PATH. Install Rust 1.88 or newer, then run make again."; exit 1; }
	@command -v cc >/dev/null || { echo "A C linker is missing: there is no 'cc' in PATH. On Debian: apt-get install build-essential."; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing: there is no '$(PYTHON)' in PATH. Install Python 3.9 or newer, or name one: make PYTHON=/path/to/python3."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 9))' || { echo "$(PYTHON) is too old: $$($(PYTHON) -V 2>&1). Margrave needs 3.9 or newer: make PYTHON=/path/to/python3."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments. On Debian: apt-get install python3-venv."; exit 1; }

# ---- install: executable and extension built by cargo, put into .venv ------------------------------------------------

install: tools
	@echo "[1/5] Building Margrave (release; the first time takes a few minutes)"
	@PYO3_PYTHON=$(REAL_PYTHON) CARGO_TARGET_DIR=$(abspath $(TARGET)) $(CARGO) build --release --quiet \
	    --manifest-path "$$(tools/workspace.sh $(REAL_PYTHON))/Cargo.toml" -p margrave-cli -p margrave-python --features margrave-python/extension-module
	@echo "[2/5] Installing Margrave, Django and Flask into $(VENV)"
	@tools/install.sh $(REAL_PYTHON) $(VENV) $(TARGET)/release $(SITE)/requirements.txt examples/flask-app/requirements.txt tests/requirements.txt

prepare: install
	@echo "[3/5] Migrating and filling the database of $(SITE)"
	@$(BIN)/python $(SITE)/manage.py migrate --verbosity 0
	@echo "      $$($(BIN)/python $(SITE)/manage.py seed)"
	@echo "[4/5] Collecting static files"
	@$(BIN)/python $(SITE)/manage.py collectstatic --noinput --verbosity 0

# The waiting part runs beside the server, which takes this shell's place: the pidfile tells that it is ours that answers.
run: prepare
	@echo "[5/5] Starting Margrave; Ctrl-C stops it"
	@( for _ in $$(seq 150); do \
	     if [ "$$(cat $(SITE)/uwsgi.pid 2>/dev/null)" = "$$$$" ] && $(BIN)/python -c 'import urllib.request as r; r.urlopen("$(URL)/health/", timeout=5)' 2>/dev/null; \
	     then echo; echo "      $(URL)   (log in as demo, password demo)"; exit; fi; \
	     kill -0 $$$$ 2>/dev/null || exit; sleep 0.2; done ) & \
	STOCKROOM_OWNER="$${STOCKROOM_OWNER:-$${USER:-make run}}" exec $(BIN)/margrave $(SITE)/uwsgi.ini

# ---- checks ----------------------------------------------------------------------------------------------------------

test: fmt clippy unit tidy prepare peers versions differential conformance python-tests

fmt:
	@echo "== cargo fmt"; $(CARGO) fmt --all --check

clippy: tools
	@echo "== clippy"; PYO3_PYTHON=$(REAL_PYTHON) $(CARGO) clippy --quiet --workspace --all-targets -- -D warnings

# Test binaries of the extension link libpython, which may stand in a place of its own.
unit: tools
	@echo "== cargo $(RUNNER)"
	@export PYO3_PYTHON=$(REAL_PYTHON) LD_LIBRARY_PATH="$$($(REAL_PYTHON) -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))'):$${LD_LIBRARY_PATH:-}"; \
	$(CARGO) $(RUNNER) --workspace

tidy: tools
	@echo "== xtask tidy"; $(CARGO) run --quiet -p xtask -- tidy

# The real uWSGI, for conformance and the benchmark; needs a C compiler and Python's headers.
peers: tools
	@echo "== the real uWSGI, in $(PEERS)"
	@tools/peers.sh $(REAL_PYTHON) $(PEERS) $(SITE)/requirements.txt examples/flask-app/requirements.txt

versions: tools
	@for version in $(VERSIONS); do tools/smoke.sh $$version; done

conformance:
	@echo "== conformance with uWSGI"; $(PYTEST) conformance --margrave=$(BIN)/margrave --uwsgi=$(PEERS)/bin/uwsgi

# The HTTP/1 decoders beside h11, on made-up connections: every disagreement needs a reason. `SECONDS_OF_IT=600` for longer.
SECONDS_OF_IT ?= 15
differential: tools
	@echo "== HTTP/1 beside h11"; $(CARGO) build --quiet -p margrave-wire --example outcomes
	@$(BIN)/python fuzz/differential.py --outcomes $(TARGET)/debug/examples/outcomes --seconds $(SECONDS_OF_IT)

# What pip builds is looked at alone: a compiler beside them would disturb the tests that measure time.
python-tests:
	@echo "== the package, under a master made of paper"; $(PYTEST) -q python/tests
	@echo "== pip install ."; $(PYTEST) tests/test_packaging.py --margrave=$(BIN)/margrave
	@echo "== end to end"; $(PYTEST) -n 2 tests --ignore tests/test_packaging.py --margrave=$(BIN)/margrave

# The screenshots of the README.
images: prepare
	@MARGRAVE_IMAGES=docs/images $(PYTEST) tests/test_screenshots.py --margrave=$(BIN)/margrave

# One scenario: make bench SCENARIO=django. Longer and calmer: ROUNDS=7 DURATION=5. Some servers: SERVERS="margrave bjoern".
# `parallel`, `parallel-short`, `parallel-django` and `parallel-hello` want a Margrave without a GIL: FREE_THREADED=/path/to/venv/bin/margrave.
# OUT is where figures and plots go; `make bench OUT=` keeps none. `python -m benches --list` names the scenarios.
SCENARIO ?=
ROUNDS ?= 3
DURATION ?= 1
SERVERS ?=
FREE_THREADED ?=
OUT ?= docs/benchmarks
BENCH_PEERS := bjoern granian fastpysgi waitress gunicorn
bench: install
	@tools/peers.sh $(REAL_PYTHON) $(PEERS) $(SITE)/requirements.txt examples/flask-app/requirements.txt $(BENCH_PEERS)
	@$(BIN)/python -m benches $(SCENARIO) --margrave $(BIN)/margrave --peers $(PEERS)/bin --rounds $(ROUNDS) --duration $(DURATION) \
	    $(SERVERS:%=--only %) $(if $(FREE_THREADED),--free-threaded $(FREE_THREADED)) $(if $(OUT),--out $(OUT)) $(if $(filter docs/benchmarks,$(OUT)),--document docs/performance.md --document README.md)

# Instructions of a hello request by function, for .run/instructions.json; needs valgrind, and a build of its own (see the module).
instructions: tools
	@RUSTFLAGS=--cfg=rustix_use_libc CARGO_PROFILE_RELEASE_LTO=thin PYO3_PYTHON=$(REAL_PYTHON) $(CARGO) build --release --quiet \
	    --target-dir $(TARGET)/instructions -p margrave-cli -p margrave-python --features margrave-python/extension-module
	@tools/install.sh $(REAL_PYTHON) .run/instructions $(TARGET)/instructions/release
	@.run/instructions/bin/python -m benches.instructions --margrave .run/instructions/bin/margrave --out .run/instructions.json

# Where the microseconds of a hello request go, by perf.
profile: install
	@$(BIN)/python -m benches.profile --margrave $(BIN)/margrave $(if $(OUT),--out $(OUT)) $(if $(filter docs/benchmarks,$(OUT)),--document docs/performance.md)

# Decoders, environ building, response heads, log lines, static files, in nanoseconds.
microbench: tools
	@export PYO3_PYTHON=$(REAL_PYTHON) LD_LIBRARY_PATH="$$($(REAL_PYTHON) -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))'):$${LD_LIBRARY_PATH:-}"; \
	$(CARGO) bench --quiet -p margrave-wire -p margrave-stats -p margrave-static-files -p margrave-python --benches

clean:
	rm -rf $(VENV) .run build python/*.egg-info
	$(CARGO) clean
