# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start the simulated service: ``python -m reflex_ros.sim.service``."""

from __future__ import annotations

from reflex_ros.sim.service.command import main

if __name__ == '__main__':
    main()
