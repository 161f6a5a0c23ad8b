# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The way to the rest pose, and whether an arm is there (pure).

Torque goes off only in the true rest pose: there the arm settles and nothing falls. An arm whose
limits do not let it get there is not parked.
"""

from __future__ import annotations

import numpy as np

from reflex_ros.domain.action import ActionChunk
from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.joints import Vector

PARK_SPEED = 0.45
"""Speed of the fastest joint on the way to the rest pose [rad/s]."""
ALONE_SPEED = 0.25
"""The same for an arm that parks by itself, where nobody may expect it [rad/s]."""
ROWS_HZ = 50.0


def nearest_rest(arm: ArmDescription) -> Vector:
    """Return the pose within the limits that is nearest to the rest pose (joints,) [rad]."""
    nearest: Vector = np.clip(arm.rest_pose, arm.lower, arm.upper)
    return nearest


def refusal_reason(arm: ArmDescription) -> str:
    """Return why this arm cannot be parked, with the next step; empty if it can."""
    problem = arm.away_from_rest(nearest_rest(arm))
    return problem and (
        f'the arm cannot be parked: within its limits, {problem}. Torque stays as it is. Support '
        'the arm, and calibrate it again: the range of this joint is too small')


def way_to_rest(arm: ArmDescription, pose: Vector, speed: float, now: float) -> ActionChunk:
    """
    Return the straight way to the rest pose.

    :param pose: where the arm is commanded to be (joints,) [rad].
    :param speed: speed of the joint that moves furthest [rad/s].
    :param now: monotonic instant [s].
    """
    rest = nearest_rest(arm)
    duration_s = float(np.abs(rest - pose).max()) / speed + 0.1
    count = max(int(duration_s * ROWS_HZ), 2)
    rows = pose + np.linspace(0.0, 1.0, count)[:, None] * (rest - pose)
    return ActionChunk(0, rows, ROWS_HZ, now, joint_names=arm.joint_names, is_scripted=True)
