# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
How a calibration comes about: the middle pose, then the ends of every joint; nothing is written.

LeRobot's procedure (SO-101 reference, section 6.2) writes the homing offsets before it records the
ranges. Here both are worked out from what the servos report, and written together when all is
well: until then an interrupt leaves the servos as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reflex_ros.domain.joints import JOINT_NAMES, SO101_JOINTS
from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.calibration import from_range, JointCalibration, WRIST_ROLL

TURN = 4096
MIDDLE = 2047
SHORTEST_TRAVEL = 500
USUAL_TRAVEL = {'shoulder_pan': (2725, 32), 'shoulder_lift': (2350, 77), 'elbow_flex': (2222, 9),
                'wrist_flex': (2329, 17), 'gripper': (1475, 33)}
"""Mean and standard deviation over 15 real arms [tick] (SO-101 reference, section 6.5)."""


@dataclass(slots=True)
class Sweep:
    """
    What was seen of one joint.

    :param offset_ticks: the homing offset that puts the middle pose at 2047 [tick].
    :param present: newest position in that frame [tick].
    :param crossed_seam: whether it ran over 0/4095, where positions wrap.
    """

    offset_ticks: int
    lower: int = MIDDLE
    upper: int = MIDDLE
    present: int = MIDDLE
    crossed_seam: bool = False

    def take(self, raw: int) -> None:
        """Note a raw position [tick]."""
        position = (raw - self.offset_ticks) % TURN
        # Nobody turns a joint by half a turn between two readings.
        self.crossed_seam |= abs(position - self.present) > TURN // 2
        self.present = position
        self.lower, self.upper = min(self.lower, position), max(self.upper, position)


class RangeRecorder:
    """
    Watches six joints while somebody moves them from end to end.

    :param offsets: homing offsets that the servos hold now [tick].
    :param middle: positions that they report in the middle pose [tick].
    :raises ConfigurationError: when a joint stands where no offset can bring it to 2047.
    """

    def __init__(self, offsets: Sequence[int], middle: Sequence[int]) -> None:
        self._offsets = tuple(offsets)
        self.joints: list[Sweep] = []
        for joint, raw in zip(SO101_JOINTS, self._raw(middle), strict=True):
            offset = raw - MIDDLE
            if offset > MIDDLE:
                # 2048 has no place in the register: the one position of 4096 that is unlucky.
                raise ConfigurationError(
                    f'servo {joint.servo_id} ({joint.name}) stands at the one position that '
                    'cannot become the middle. Move it a little and start again')
            self.joints.append(Sweep(offset))

    def take(self, positions: Sequence[int]) -> None:
        """Note what the servos report now (joints,) [tick]."""
        for sweep, raw in zip(self.joints, self._raw(positions), strict=True):
            sweep.take(raw)

    def result(self) -> tuple[JointCalibration, ...]:
        """
        Make the calibration; wrist_roll has no ends and gets its whole turn.

        :raises ConfigurationError: naming the joint that was not moved from end to end, or whose
            travel runs over the seam of the encoder.
        """
        made = []
        for index, (joint, sweep) in enumerate(zip(SO101_JOINTS, self.joints, strict=True)):
            if index == WRIST_ROLL:
                made.append(from_range(index, 0, TURN - 1, sweep.offset_ticks))
                continue
            if sweep.crossed_seam:
                raise ConfigurationError(
                    f'servo {joint.servo_id} ({joint.name}) ran over the seam of its encoder: it '
                    'was not near the middle of its travel at the beginning. Start again')
            travel = sweep.upper - sweep.lower
            if travel < SHORTEST_TRAVEL:
                raise ConfigurationError(
                    f'servo {joint.servo_id} ({joint.name}) moved over {travel} ticks only. Move '
                    'every joint from end to end, then finish')
            made.append(from_range(index, sweep.lower, sweep.upper, sweep.offset_ticks))
        return tuple(made)

    def _raw(self, positions: Sequence[int]) -> list[int]:
        return [(position + offset) % TURN
                for position, offset in zip(positions, self._offsets, strict=True)]


def doubts(calibration: Sequence[JointCalibration]) -> list[str]:
    """Say what a person should look at: travels unlike those of other arms."""
    found = []
    for name, own in zip(JOINT_NAMES, calibration, strict=True):
        mean, deviation = USUAL_TRAVEL.get(name, (own.upper_ticks - own.lower_ticks, 1))
        travel = own.upper_ticks - own.lower_ticks
        # A degree more: three deviations of the most uniform joint are less than its backlash.
        if abs(travel - mean) > 3 * deviation + 11:
            found.append(f'{name} travels {travel} ticks, other arms {mean} +- {3 * deviation}. '
                         'Was it moved to both of its ends?')
    return found
