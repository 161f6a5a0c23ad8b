# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measurements of speed, processor time and memory; they are figures, never tests."""
