# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The SO-101 in the service's units: degrees about mid travel, and percent for the gripper."""

from __future__ import annotations

JOINTS = ('shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll', 'gripper')
LOWER = (-105.0, -95.0, -92.0, -90.0, -150.0, 2.0)
UPPER = (105.0, 95.0, 92.0, 90.0, 150.0, 98.0)
PAN, WRIST_ROLL, GRIPPER = 0, 4, 5

# One value per joint.
Pose = tuple[float, ...]
# (T, D) rows of an action chunk, in the units of their layout.
Rows = list[list[float]]
