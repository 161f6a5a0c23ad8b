# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0

# For work without a ROS 2 installation: every target first makes the virtual environment .venv,
# with ROS 2 from the Python package index, when it is missing or setup.py asks for something new.
# The environment sees the source tree itself, so a changed source needs no reinstall.

# ROS=jazzy chooses the distribution, PYTHON=python3.12 the interpreter. Each combination has its
# own environment; the one of the defaults is .venv.
PYTHON ?= python3
ROS ?= kilted
WHEELS_kilted := ros
WHEELS_jazzy := ros-jazzy
WHEELS := $(or $(WHEELS_$(ROS)),$(error ROS=$(ROS) is not on the Python package index; use kilted or jazzy))
VENV := .venv$(if $(filter-out kilted-python3,$(ROS)-$(PYTHON)),-$(ROS)-$(patsubst python%,%,$(notdir $(PYTHON))))
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
# pyenv refuses to run an interpreter by its name when it is installed and not selected.
INTERPRETER = $(or $(shell $(PYTHON) -c 'import sys; print(sys.executable)' 2> /dev/null),$(lastword \
	$(wildcard $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/*/bin/$(PYTHON))),$(PYTHON))
LOG := $(VENV)/install.log

# A ROS 2 that the calling shell has sourced, or another such environment, brings libraries of a
# different build; both in one process crash.
ifneq ($(AMENT_PREFIX_PATH)$(_ROS_WHEELS_BOOTSTRAP_COMPLETE),)
unexport AMENT_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH RMW_IMPLEMENTATION _ROS_WHEELS_BOOTSTRAP_COMPLETE
endif

# Use all cores. The tests of one xdist_group run one after the other.
PARALLEL := -n auto --maxprocesses=4 --dist=loadgroup

.PHONY: where interpreter help env demo check test lint bench faults fuzz soak docs

where:
	@echo $(VENV)

interpreter:
	@$(INTERPRETER) -c 'import sys; print(sys.executable)'

help:  ## print this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

env: $(READY)  ## make the environment .venv, and nothing else (or ROS=jazzy PYTHON=python3.12)

demo: $(READY)  ## run a policy on a simulated arm and a simulated service (ARGS='...')
	@$(VENV)/bin/reflex demo $(ARGS)

check: lint  ## check style and types and run the fast unit tests; takes less than a minute
	@$(RUN) -m pytest -m 'not slow and not live' --hypothesis-profile=quick $(PARALLEL) test/unit

test: $(READY)  ## run all tests on all cores (ARGS='-k name': some of them, in one process)
	@$(RUN) -m pytest $(or $(ARGS),$(PARALLEL))

lint: $(READY)  ## check style and types
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy

bench: $(READY)  ## measure, and append to bench/results.jsonl (ONLY=name)
	@$(RUN) -m bench $(if $(ONLY),--only $(ONLY))

faults: $(READY)  ## break one thing at a time, and measure what the arm does (ARGS='--n 3 --load')
	@$(RUN) -m bench.campaign $(ARGS)

fuzz: $(READY)  ## feed mutated input to everything that reads bytes of others (MINUTES=5)
	@$(RUN) -m bench.fuzz --minutes $(or $(MINUTES),1)

soak: $(READY)  ## run the whole graph with benign faults, and look at what grows (HOURS=2)
	@$(RUN) -m bench.soak --hours $(or $(HOURS),2)

docs: $(READY)  ## write the generated pages of doc/
	@if [ -f doc/generate.py ]; then $(RUN) -m doc.generate; else echo 'docs: nothing is generated yet'; fi

$(READY): setup.py setup.cfg pyproject.toml
	@$(INTERPRETER) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "env: reflex_ros needs Python 3.10 or newer, and $(INTERPRETER) is not; name one, as in: make env PYTHON=python3.12" >&2; exit 1; }
	@test -x $(VENV)/bin/pip || $(INTERPRETER) -c 'import ensurepip, venv' 2> /dev/null || { \
		echo "env: $(INTERPRETER) cannot make virtual environments; on Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	@test -x $(VENV)/bin/pip || { echo "env: making $(VENV) with $$($(INTERPRETER) --version)"; $(INTERPRETER) -m venv $(VENV); }
	@echo 'env: installing reflex_ros, its dependencies and ROS 2 $(ROS); the first time takes a minute or more (log: $(LOG))'
	@$(RUN) -m pip install --disable-pip-version-check --no-input --editable '.[$(WHEELS),sim,camera,record,lerobot,view,test,lint]' > $(LOG) 2>&1 || { \
		tail -n 15 $(LOG) >&2; echo 'env: pip failed; its last lines are above, all of them in $(LOG)' >&2; exit 1; }
	@touch $@
	@echo 'env: ready'
