# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The way back after a collision: the joint that hit something goes back by a few degrees (pure).

An arm that holds where it hit something goes on pushing, because its goal is ahead of it. Off by
default: it is the only motion after a stop, and it needs room behind the joint. The other joints
hold. It ends with any other cause (a person's stop, a silent supervisor, a stall), and at the
latest after ``LONGEST_S``.
"""

from __future__ import annotations

from collections.abc import Collection
import math

import numpy as np

from reflex_ros.domain.action import ActionChunk
from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.joints import Vector

COLLISIONS = frozenset({FaultCode.TRACKING, FaultCode.OVERLOAD})
RELIEF_SPEED, BACK_OFF_SPEED = 0.9, 0.6
"""Speed of the goal on its way to the measured joint, which takes the push away and moves nothing,
and of the joint from there on [rad/s]."""
LONGEST_S = 0.85
"""Time after the stop in which the way back must end: the supervisor waits 1 s for the rest."""
ROWS_HZ = 50.0
LEAST_RAD = 0.005


class BackOff:
    """
    The way back of one activation.

    :param angle_rad: how far the joint that hit something goes back from there [rad]; 0: nowhere.
    """

    def __init__(self, arm: ArmDescription, angle_rad: float) -> None:
        self._arm = arm
        self._angle_rad = angle_rad
        self.reset()

    def reset(self) -> None:
        """Begin an activation."""
        self._lowest: Vector = np.full(len(self._arm.joints), np.inf)
        self._highest: Vector = -self._lowest
        self._due_at = math.inf
        self.has_begun = False
        self._has_ended = False

    def record(self, setpoint: Vector) -> None:
        """Remember where the arm was told to be (joints,) [rad], while nothing is wrong."""
        self._lowest = np.minimum(self._lowest, setpoint)
        self._highest = np.maximum(self._highest, setpoint)

    def is_wanted(self, causes: Collection[FaultCode]) -> bool:
        """
        Whether the arm moves, or will move, because it hit something. Any thread.

        :param causes: all that has gone wrong in this activation.
        """
        return (self._angle_rad > 0.0 and not self._has_ended and bool(causes)
                and COLLISIONS.issuperset(causes))

    def update(self, causes: Collection[FaultCode], now: float) -> bool:
        """
        Tell whether the arm is to go back now; without a cause, or with another one, it is not.

        :param causes: all that has gone wrong in this activation.
        :param now: monotonic instant [s].
        """
        if not causes:
            return False
        self._due_at = min(self._due_at, now)
        if not self.is_wanted(causes) or now - self._due_at > LONGEST_S:
            self.end()
        return not self._has_ended

    def end(self) -> None:
        """Go no further; the arm holds."""
        self._has_ended = True

    def begin(self, setpoint: Vector, measured: Vector, now: float) -> ActionChunk | None:
        """
        Return the way back.

        :param setpoint: last goals (joints,) [rad].
        :param measured: where the joints are (joints,) [rad]. The one that is furthest from its
            goal has hit something; a gripper is not meant, it is ahead of what it holds.
        :param now: monotonic instant [s].
        :returns: None when the joint has not come from there.
        """
        self.has_begun = True
        lead = setpoint - measured
        away = np.abs(lead)
        away[list(self._arm.grippers)] = 0.0
        joint = int(away.argmax())
        begin, contact = float(setpoint[joint]), float(measured[joint])
        # Never further than it has come in this activation: there was room.
        end = min(max(contact - math.copysign(self._angle_rad, lead[joint]),
                      float(self._lowest[joint])), float(self._highest[joint]))
        if abs(end - begin) < LEAST_RAD:
            return None
        contact = min(max(contact, min(begin, end)), max(begin, end))
        path = np.concatenate((_line(begin, contact, RELIEF_SPEED),
                               _line(contact, end, BACK_OFF_SPEED)[1:]))
        rows = np.tile(setpoint, (len(path), 1))
        rows[:, joint] = path
        return ActionChunk(0, rows, ROWS_HZ, now, joint_names=self._arm.joint_names,
                           is_scripted=True)


def _line(begin: float, end: float, speed: float) -> Vector:
    """Return the angles (rows,) [rad] of a joint that moves at a steady speed [rad/s]."""
    return np.linspace(begin, end, 1 + max(math.ceil(abs(end - begin) / speed * ROWS_HZ), 1))
