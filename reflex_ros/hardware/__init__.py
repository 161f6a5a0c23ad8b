# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The SO-101 arm and its servo bus: no ROS, no network."""
