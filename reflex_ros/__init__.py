# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run hosted Reflex robot policies on ROS 2."""

__version__ = '0.1.0'
