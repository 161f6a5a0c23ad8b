# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Move the arm like in a recording, through the driver and all of its checks."""

from __future__ import annotations

from dataclasses import dataclass
import math
from pathlib import Path

import numpy as np

from reflex_ros.domain.joints import Vector
from reflex_ros.errors import ConfigurationError
from reflex_ros.recording.series import read_series
from reflex_ros.runner.manual_drive import ManualDrive, ROWS_HZ

MAX_SPEED = 2.0
"""Largest speed of a joint [rad/s]: that of the driver under a policy."""
APPROACH_SPEED = 0.3
"""Speed at which the arm goes to the first pose [rad/s]."""


@dataclass(frozen=True)
class RecordedMotion:
    """
    The goals of a run.

    :param joints: names of the joints.
    :param times: (n,) [s], from 0 on, rising.
    :param goals: (n, joints) [rad].
    """

    joints: tuple[str, ...]
    times: Vector
    goals: Vector

    @property
    def seconds(self) -> float:
        """Length of the motion [s]."""
        return float(self.times[-1])


def recorded_motion(path: Path) -> RecordedMotion:
    """
    Read what was written to the servos in a recording.

    :raises ConfigurationError: when the arm was not moved in it.
    """
    series = read_series(path)
    curves = [np.array(curve) for curve in series.written.values()]
    if not curves or len(curves[0]) < 2:
        raise ConfigurationError(f'the arm was not moved in {path}, so there is nothing to replay')
    times, goals = curves[0][:, 0], np.stack([curve[:, 1] for curve in curves], axis=1)
    later = np.concatenate(([True], np.diff(times) > 0.0))
    return RecordedMotion(tuple(series.written), times[later] - times[0], goals[later])


def check(drive: ManualDrive, pose: Vector, motion: RecordedMotion) -> None:
    """
    Check, before the arm gets torque, that it can be moved like in a recording.

    :param drive: brought up.
    :param pose: of the arm now (joints,) [rad].
    :raises ReflexError: when the recording is of another arm, or a pose is outside the limits.
    """
    goals = _goals(drive, motion)
    drive.check_move(pose, goals[0])
    drive.check_pose(goals[-1])


def play(drive: ManualDrive, motion: RecordedMotion, speed: float) -> None:
    """
    Go slowly to the first pose, then follow the motion.

    :param speed: share of the recorded speed, above 0.
    :raises ReflexError: when the recording is of another arm, a pose is outside the limits, or
        something stops the arm.
    """
    goals = _goals(drive, motion)
    count = max(math.ceil(motion.seconds / speed * ROWS_HZ) + 1, 2)
    grid = np.linspace(0.0, motion.seconds, count)
    rows = np.stack([np.interp(grid, motion.times, column) for column in goals.T], axis=1)
    drive.move(rows[0], APPROACH_SPEED)
    drive.follow(rows, (count - 1) * speed / motion.seconds)


def _goals(drive: ManualDrive, motion: RecordedMotion) -> Vector:
    """Return the goals in the order of the joints of this arm (n, joints) [rad]."""
    arm = drive.bounds.arm
    missing = set(arm.joint_names) - set(motion.joints)
    if missing:
        raise ConfigurationError(f'the recording is of another arm: it has no joint '
                                 f'{sorted(missing)[0]}')
    goals = motion.goals[:, [motion.joints.index(name) for name in arm.joint_names]]
    # Goals that were clipped at a limit lie on it; a rounding error must not be outside.
    inside: Vector = np.clip(goals, arm.lower, arm.upper)
    return inside
