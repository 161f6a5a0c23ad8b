# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of runs as MCAP files, without ROS: writing, reading, places on disk."""
