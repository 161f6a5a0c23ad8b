# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The robot's world as values and pure logic: no I/O, no ROS, no third party but numpy."""
