# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Record a calibration: first the middle pose, then the ends of every joint; write nothing.

LeRobot's procedure (SO-101 reference, section 6.2) writes the homing offsets before it records the
ranges. Here both are computed from the positions that the servos report, and the caller writes
them together at the end: an interruption before leaves the servos unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.calibration import from_range, JointCalibration, WRIST_ROLL
from reflex_ros.hardware.so101 import GRIPPER, SO101_JOINTS

TURN = 4096
MIDDLE = 2047
SHORTEST_TRAVEL = 500
CLOSED_SHARE = 0.25
"""Share of its travel, from the lower end, in which a gripper counts as closed."""


@dataclass(slots=True)
class Sweep:
    """
    The recorded range of one joint.

    :param offset_ticks: homing offset with which the middle pose is at 2047 [tick].
    :param lower, upper: lowest and highest position with that offset [tick].
    :param present: newest position with that offset [tick].
    :param crossed_seam: whether the joint crossed 0/4095, where positions wrap.
    """

    offset_ticks: int
    lower: int = MIDDLE
    upper: int = MIDDLE
    present: int = MIDDLE
    crossed_seam: bool = False

    def record(self, raw: int) -> None:
        """Record a raw position [tick]."""
        position = (raw - self.offset_ticks) % TURN
        # A hand does not turn a joint by half a turn between two readings.
        self.crossed_seam |= abs(position - self.present) > TURN // 2
        self.present = position
        self.lower, self.upper = min(self.lower, position), max(self.upper, position)


class RangeRecorder:
    """
    Record six joints while a person moves them from end to end.

    :param offsets: homing offsets that the servos hold now [tick].
    :param middle: positions that the servos report in the middle pose [tick].
    :raises ConfigurationError: when a joint is at the one position that no offset maps to 2047.
    """

    def __init__(self, offsets: Sequence[int], middle: Sequence[int]) -> None:
        self._offsets = tuple(offsets)
        self.joints: list[Sweep] = []
        for joint, raw in zip(SO101_JOINTS, self._raw(middle), strict=True):
            offset = raw - MIDDLE
            if offset > MIDDLE:
                # An offset of 2048 does not fit into the register.
                raise ConfigurationError(
                    f'servo {joint.servo_id} ({joint.name}) is at the one position that cannot '
                    'become the middle. Move it a little and start again')
            self.joints.append(Sweep(offset))

    def record(self, positions: Sequence[int]) -> None:
        """Record the positions that the servos report now (joints,) [tick]."""
        for sweep, raw in zip(self.joints, self._raw(positions), strict=True):
            sweep.record(raw)

    def result(self) -> tuple[JointCalibration, ...]:
        """
        Make the calibration; wrist_roll has no ends, so its range is the whole turn.

        The gripper must be closed now: only that shows which end of its range is the closed one.

        :raises ConfigurationError: naming the joint that was not moved from end to end, or that
            crossed the seam of its encoder; for a gripper that is open, or turns the other way.
        """
        made = []
        for index, (joint, sweep) in enumerate(zip(SO101_JOINTS, self.joints, strict=True)):
            if index == WRIST_ROLL:
                made.append(from_range(index, 0, TURN - 1, sweep.offset_ticks))
                continue
            if sweep.crossed_seam:
                raise ConfigurationError(
                    f'servo {joint.servo_id} ({joint.name}) crossed the seam of its encoder: it '
                    'was not near the middle of its travel at the start. Start again')
            travel = sweep.upper - sweep.lower
            if travel < SHORTEST_TRAVEL:
                raise ConfigurationError(
                    f'servo {joint.servo_id} ({joint.name}) moved by {travel} ticks only. Start '
                    'again, and move every joint from end to end')
            made.append(from_range(index, sweep.lower, sweep.upper, sweep.offset_ticks))
        self._check_gripper()
        return tuple(made)

    def _check_gripper(self) -> None:
        sweep, servo_id = self.joints[GRIPPER], SO101_JOINTS[GRIPPER].servo_id
        share = (sweep.present - sweep.lower) / (sweep.upper - sweep.lower)
        if share > 1.0 - CLOSED_SHARE:
            raise ConfigurationError(
                f'servo {servo_id} (gripper) is at the upper end of its range. If the gripper is '
                'open, close it before the recording ends. If it is closed, it turns the other '
                'way round: this program would open it to close it. Mount its servo as in the '
                'SO-101, then start again')
        if share > CLOSED_SHARE:
            raise ConfigurationError(f'servo {servo_id} (gripper) is half open. Start again, and '
                                     'close the gripper before the recording ends')

    def _raw(self, positions: Sequence[int]) -> list[int]:
        return [(position + offset) % TURN
                for position, offset in zip(positions, self._offsets, strict=True)]
