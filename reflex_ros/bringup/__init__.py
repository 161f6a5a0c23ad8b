# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What starts and watches processes: the process table, the simulated world, the demo."""
