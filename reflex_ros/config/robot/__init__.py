# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The file robot.yaml as a pydantic model: one robot, for ``reflex connect`` and for the graph."""
