# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What the servos were told, and whether they still hold it; pure.

A servo that restarted has forgotten its orders, and the next goal would put it under torque at
full speed. A goal that is not ours was written by somebody else on the same bus.
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
"""The servo's own speed cap [tick/s]: 2.5 rad/s, above our limit of 2; 0 would be full speed."""
GOAL_ACCELERATION = 254
"""Steepest profile: the stream of goals shapes the motion, not the servo."""
_PROFILE = TORQUE_ENABLE.encode(1) + ACCELERATION.encode(GOAL_ACCELERATION)
GOALS_REMEMBERED = 8
"""A servo that still holds one of so many goals missed the last ones; another goal is not ours."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """
    A servo does not hold what it should.

    :param index: of the joint in the joint table.
    :param code: SERVO_REBOOT, FOREIGN_WRITE or CALIBRATION.
    """

    index: int
    code: FaultCode
    text: str


class Orders:
    """
    The control registers of every joint as they were written.

    :param speeds: the servos' own speed caps, in their own units.
    :param torque_limits: under way [0.1 %].
    """

    def __init__(self, speeds: Sequence[int] = (), torque_limits: Sequence[int] = ()) -> None:
        self.speeds = tuple(speeds)
        self.torque_limits = tuple(torque_limits)
        self._goals: deque[tuple[int, ...]] = deque(maxlen=GOALS_REMEMBERED)
        self._newest: list[bytes] = []
        self._others = [GOAL_SPEED_REGISTER.encode(speed) + TORQUE_LIMIT.encode(limit)
                        for speed, limit in zip(speeds, torque_limits, strict=True)]

    def begin(self) -> None:
        """Forget all goals."""
        self._goals.clear()

    def note_goals(self, ticks: Sequence[int]) -> None:
        """Remember the goals that were just written, for all joints [tick]."""
        self._goals.append(tuple(ticks))
        self._newest = [_PROFILE + GOAL_POSITION.encode(goal) for goal in ticks]

    def is_held(self, index: int, block: bytes) -> bool:
        """Whether a servo's control block is what was written last: cheap, for every cycle."""
        return block[:4] == self._newest[index] and block[6:10] == self._others[index]

    def judge(self, index: int, found: Control) -> Deviation | None:
        """Compare one servo's registers; a goal that was ours a moment ago is a lost command."""
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
