# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibrations like those of real arms."""

from __future__ import annotations

from typing import Any

from reflex_ros.hardware.calibration import from_range, JointCalibration
from reflex_ros.hardware.so101 import SO101_JOINTS

# Means over 15 real arms: joint -> (range_min, range_max, homing_offset).
RANGES = {
    'shoulder_pan': (700, 3425, 953), 'shoulder_lift': (899, 3249, -1047),
    'elbow_flex': (824, 3046, 1204), 'wrist_flex': (881, 3210, 0),
    'wrist_roll': (0, 4095, 356), 'gripper': (1808, 3015, -1290),
}

Entry = dict[str, Any]


def real_file() -> dict[str, Entry]:
    """Return the content of a file as LeRobot writes it."""
    return {joint.name: {'id': joint.servo_id, 'drive_mode': 0, 'homing_offset': offset,
                         'range_min': low, 'range_max': high}
            for joint, (low, high, offset) in zip(SO101_JOINTS, RANGES.values(), strict=True)}


def calibration() -> tuple[JointCalibration, ...]:
    return tuple(from_range(k, *values) for k, values in enumerate(RANGES.values()))
