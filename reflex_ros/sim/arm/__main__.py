# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the simulated arm: ``python -m reflex_ros.sim.arm``."""

import sys

from reflex_ros.sim.arm.command import main

sys.exit(main())
