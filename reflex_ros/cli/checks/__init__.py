# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ``reflex doctor --local`` checks on this machine: one module for each part."""
