# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0

# For work without a ROS 2 installation: every target first makes the virtual environment .venv,
# with ROS 2 from the Python package index, when it is missing or setup.py asks for something new.
# The environment sees the source tree itself, so a changed source needs no reinstall.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
LOG := $(VENV)/install.log

# A ROS 2 that the calling shell has sourced, or another such environment, brings libraries of a
# different build; both in one process crash.
ifneq ($(AMENT_PREFIX_PATH)$(_ROS_WHEELS_BOOTSTRAP_COMPLETE),)
unexport AMENT_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH RMW_IMPLEMENTATION _ROS_WHEELS_BOOTSTRAP_COMPLETE
endif

.PHONY: help env demo test lint bench faults docs

help:  ## print this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

env: $(READY)  ## make the environment .venv, and nothing else (PYTHON=python3.12 chooses one)

demo: $(READY)  ## run a policy on a simulated arm and a simulated service (ARGS='...')
	@$(VENV)/bin/reflex demo $(ARGS)

test: $(READY)  ## run the tests (ARGS='-k name')
	@$(RUN) -m pytest $(ARGS)

lint: $(READY)  ## check style and types
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy

bench: $(READY)  ## measure, and append to bench/results.jsonl (ONLY=name)
	@$(RUN) -m bench $(if $(ONLY),--only $(ONLY))

faults: $(READY)  ## break one thing at a time, and check what the arm does (ARGS='-k name')
	@$(RUN) -m pytest -m faults $(ARGS)

docs: $(READY)  ## write the generated pages of doc/
	@if [ -f doc/generate.py ]; then $(RUN) -m doc.generate; else echo 'docs: nothing is generated yet'; fi

$(READY): setup.py setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "env: reflex_ros needs Python 3.10 or newer, and $(PYTHON) is not; name one, as in: make env PYTHON=python3.12" >&2; exit 1; }
	@test -x $(VENV)/bin/pip || $(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
		echo "env: $(PYTHON) cannot make virtual environments; on Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	@test -x $(VENV)/bin/pip || { echo "env: making $(VENV) with $$($(PYTHON) --version)"; $(PYTHON) -m venv $(VENV); }
	@echo 'env: installing reflex_ros, its dependencies and ROS 2 Kilted; the first time takes a minute or more (log: $(LOG))'
	@$(RUN) -m pip install --disable-pip-version-check --no-input --editable '.[ros,test,lint]' > $(LOG) 2>&1 || { \
		tail -n 15 $(LOG) >&2; echo 'env: pip failed; its last lines are above, all of them in $(LOG)' >&2; exit 1; }
	@touch $@
	@echo 'env: ready'
