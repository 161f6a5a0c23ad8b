# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Values and pure decisions: no I/O, no ROS, no clock, no third party but numpy."""
