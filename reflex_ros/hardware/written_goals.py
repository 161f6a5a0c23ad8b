# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Compare the control registers of the servos with the values that the driver has written (pure).

A servo that restarted has lost its settings, and the next goal would put it under torque at full
speed. A goal that the driver did not write comes from another program on the same bus.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.hardware.registers import (
    ACCELERATION,
    Control,
    GOAL_POSITION,
    TORQUE_ENABLE,
    TORQUE_LIMIT,
)
from reflex_ros.hardware.registers import GOAL_SPEED as GOAL_SPEED_REGISTER

GOAL_SPEED = 1630
"""The servo's own speed cap [tick/s]: 2.5 rad/s, above the driver's limit of 2 rad/s. The value 0
would mean full speed."""
GOAL_ACCELERATION = 254
"""Steepest acceleration: the stream of goals shapes the motion, not the servo's profile."""
_PROFILE = TORQUE_ENABLE.encode(1) + ACCELERATION.encode(GOAL_ACCELERATION)
GOALS_REMEMBERED = 8
"""Number of last goals to compare with: a servo that holds an older one of them has missed the
newer ones; any other goal was written by another program."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """
    A register of a servo that differs from the written value.

    :param index: index of the joint.
    :param code: SERVO_REBOOT, FOREIGN_WRITE or CALIBRATION.
    """

    index: int
    code: FaultCode
    text: str


class WrittenGoals:
    """
    The control registers of every joint as the driver has written them.

    :param speeds: the servos' own speed caps, in their own units.
    :param torque_limits: torque limits while the arm is driven [0.1 %].
    """

    def __init__(self, speeds: Sequence[int] = (), torque_limits: Sequence[int] = ()) -> None:
        self.speeds = tuple(speeds)
        self.torque_limits = tuple(torque_limits)
        self._goals: deque[tuple[int, ...]] = deque(maxlen=GOALS_REMEMBERED)
        self._newest: list[bytes] = []
        self._others = [GOAL_SPEED_REGISTER.encode(speed) + TORQUE_LIMIT.encode(limit)
                        for speed, limit in zip(speeds, torque_limits, strict=True)]

    def clear(self) -> None:
        """Forget all goals, for a new activation."""
        self._goals.clear()

    def record_goals(self, ticks: Sequence[int]) -> None:
        """Record the goals that were just written, for all joints [tick]."""
        self._goals.append(tuple(ticks))
        self._newest = [_PROFILE + GOAL_POSITION.encode(goal) for goal in ticks]

    def is_held(self, index: int, block: bytes) -> bool:
        """Whether a servo's control block equals the last written values (cheap)."""
        return block[:4] == self._newest[index] and block[6:10] == self._others[index]

    def check(self, index: int, found: Control) -> Deviation | None:
        """
        Compare one servo's registers with the written values.

        One of the last ``GOALS_REMEMBERED`` goals is accepted: a newer command was lost.

        :returns: the first difference, or None.
        """
        if found.torque != 1:
            return Deviation(index, FaultCode.SERVO_REBOOT,
                             f'its torque is {found.torque}, expected 1')
        if (found.acceleration, found.speed) != (GOAL_ACCELERATION, self.speeds[index]):
            return Deviation(index, FaultCode.SERVO_REBOOT, 'its acceleration and speed cap are '
                             f'{found.acceleration}, {found.speed}, expected '
                             f'{GOAL_ACCELERATION}, {self.speeds[index]}')
        if found.torque_limit != self.torque_limits[index]:
            return Deviation(index, FaultCode.FOREIGN_WRITE,
                             f'its torque limit is {found.torque_limit}, '
                             f'{self.torque_limits[index]} was written')
        if not any(found.goal == goals[index] for goals in reversed(self._goals)):
            return Deviation(index, FaultCode.FOREIGN_WRITE, f'its goal is {found.goal}, '
                             f'{self._goals[-1][index]} was written')
        return None
