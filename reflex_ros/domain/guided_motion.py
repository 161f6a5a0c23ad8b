# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The motion of an arm that is led towards a moving target (pure; times are arguments).

Every 20 or 40 ms the arm gets a short chunk that begins where its present motion is, leads
towards the target at bounded speed and acceleration, and ends at rest: however fast the target
moves, the arm does not leap, and when the next chunk stays away, it comes to rest by itself.
"""

from __future__ import annotations

import math

import numpy as np

from reflex_ros.domain.action import row_at
from reflex_ros.domain.joints import Vector

RATE_HZ = 50.0
ROWS = 12
"""Rows of one chunk: 0.24 s, so that one late turn does not stop the arm."""
APPROACH_SPEED = 0.3
"""Speed until the arm has met its target for the first time [rad/s]."""
ACCELERATION = 8.0
BRAKING = 5.0
"""Below ``ACCELERATION`` [rad/s^2]: a plan in steps of 20 ms must not overshoot."""
ASTRAY_RAD = 0.05
NEAR_RAD = 0.1
"""Distance to the target below which the arm has met it [rad]."""


class GuidedMotion:
    """
    One motion, from the arm's present pose to wherever its target goes.

    :param speed: largest speed of a joint after the arm has met its target [rad/s].
    :param astray_rad: distance of the arm's setpoint from the own rows, from which the next rows
        begin at the setpoint, at rest [rad]; larger for a setpoint that is some ms old.
    """

    def __init__(self, speed: float, astray_rad: float = ASTRAY_RAD) -> None:
        self._speed = speed
        self._astray_rad = astray_rad
        self._rows: Vector | None = None
        self._rows_at = 0.0
        self.has_met = False
        """Whether the arm has come near its target once."""

    def lead(self, target: Vector, setpoint: Vector, now: float) -> Vector:
        """
        Return the next rows (rows, joints) [rad], at ``RATE_HZ``; the first one is due now.

        :param target: (joints,) [rad].
        :param setpoint: where the arm is commanded to be now (joints,) [rad].
        :param now: monotonic instant [s].
        """
        self.has_met |= float(np.abs(target - setpoint).max()) < NEAR_RAD
        position, velocity = self._present_motion(setpoint, now)
        self._rows = approach(position, velocity, target,
                              self._speed if self.has_met else min(APPROACH_SPEED, self._speed))
        self._rows_at = now
        return self._rows

    def _present_motion(self, setpoint: Vector, now: float) -> tuple[Vector, Vector]:
        """Return position [rad] and velocity [rad/s] of the rows that play now (joints,)."""
        place = (now - self._rows_at) * RATE_HZ
        if self._rows is None or place >= ROWS - 1:
            return setpoint, np.zeros_like(setpoint)
        position = row_at(self._rows, place)
        if float(np.abs(position - setpoint).max()) > self._astray_rad:
            # The player was slowed down: by a joint that lags, or by the guard.
            return setpoint, np.zeros_like(setpoint)
        # The step in which the arm is now, not the next one: that is speeded up already.
        step = max(math.ceil(place - 1e-3) - 1, 0)
        return position, (self._rows[step + 1] - self._rows[step]) * RATE_HZ


def approach(position: Vector, velocity: Vector, target: Vector, speed: float) -> Vector:
    """
    Plan the next rows of a motion that comes to rest at a target, without a leap in speed.

    :param position: first row (joints,) [rad].
    :param velocity: velocity in the first row (joints,) [rad/s].
    :param speed: largest speed of each joint [rad/s].
    :returns: (rows, joints) [rad].
    """
    rows = [position]
    for _ in range(ROWS - 1):
        left = target - rows[-1]
        # As fast as braking allows; the last bit in one step, or it would never end.
        wanted = np.sign(left) * np.minimum(np.sqrt(2.0 * BRAKING * np.abs(left)), speed)
        wanted = np.where(np.abs(left) < np.abs(wanted) / RATE_HZ, left * RATE_HZ, wanted)
        change = ACCELERATION / RATE_HZ
        velocity = np.clip(wanted, velocity - change, velocity + change)
        rows.append(rows[-1] + velocity / RATE_HZ)
    return np.array(rows)
