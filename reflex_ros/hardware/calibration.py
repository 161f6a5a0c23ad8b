# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Conversion between ticks and radians, with one calibration per joint.

A servo reports ticks after its own homing offset. One turn is 4096 ticks for every joint: the
range is not scaled to the limits of a model. Arm joints are at zero in the middle of their
calibrated range; the gripper is at the URDF's closed angle at the closed end of its range (SO-101
reference, sections 3 and 6.4). Policies use percent of the gripper's range instead:
``gripper_travel`` returns the angles of 0 and 100 percent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
import math
from typing import ClassVar

from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.joints import GripperTravel, JointLimits
from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.so101 import GRIPPER, JOINT_NAMES, SO101, SO101_JOINTS

RAD_PER_TICK = 2.0 * math.pi / 4096
WRIST_ROLL = 4
USUAL_TRAVEL = {'shoulder_pan': (2725, 32), 'shoulder_lift': (2350, 77), 'elbow_flex': (2222, 9),
                'wrist_flex': (2329, 17), 'gripper': (1475, 33)}
"""Mean and standard deviation over 15 real arms [tick] (SO-101 reference, section 6.5)."""
BACKLASH_TICKS = 11
"""One degree: three deviations of the most uniform joint are less than its backlash."""
WRONG_TICKS = 114
"""Ten degrees: an arm whose travel differs by more is at wrong angles, by half of that or more."""
STOP_MARGIN_RAD = math.radians(2.0)
"""Distance between a soft limit and the mechanical stop that was found during calibration."""


@dataclass(frozen=True, slots=True)
class JointCalibration:
    """
    The calibrated range of one joint.

    :param lower_ticks: present position at the lower end of the travel [tick].
    :param upper_ticks: present position at the upper end of the travel [tick].
    :param offset_ticks: the servo's homing offset (register 31) [tick].
    :param zero_ticks: present position at zero radians [tick]; may be between two ticks.
    """

    rad_per_tick: ClassVar[float] = RAD_PER_TICK

    lower_ticks: int
    upper_ticks: int
    offset_ticks: int
    zero_ticks: float

    def to_rad(self, ticks: float) -> float:
        """Convert a present position [tick] to radians."""
        return (ticks - self.zero_ticks) * self.rad_per_tick

    def to_ticks(self, position: float) -> int:
        """Convert radians to the nearest tick."""
        return round(position / self.rad_per_tick + self.zero_ticks)

    def agrees_with(self, other: JointCalibration) -> bool:
        """Whether range and offset are equal: the values that both a servo and a file hold."""
        return (self.lower_ticks, self.upper_ticks, self.offset_ticks) == (
            other.lower_ticks, other.upper_ticks, other.offset_ticks)


def from_range(index: int, lower_ticks: int, upper_ticks: int,
               offset_ticks: int) -> JointCalibration:
    """
    Make the calibration of one joint from its range.

    :param index: index of the joint in the joint table.
    :raises ConfigurationError: when the joint was never calibrated, or the range is impossible.
    """
    joint = SO101_JOINTS[index]
    width = upper_ticks - lower_ticks
    if index != WRIST_ROLL and (lower_ticks, upper_ticks) in ((0, 4095), (0, 0)):
        raise ConfigurationError(f'servo {joint.servo_id} ({joint.name}) was never calibrated: '
                                 f'its limits are {lower_ticks}..{upper_ticks}. Calibrate the arm '
                                 "first (LeRobot's lerobot-calibrate)")
    # Real joints travel 1400 to 2800 ticks. With more than 3000 the sweep crossed the seam at
    # 0/4096. With less than 500 the joint was not moved to its ends, so the middle of the range is
    # not the middle of the joint.
    if (not 0 <= lower_ticks < upper_ticks <= 4095 or width < 500
            or (index != WRIST_ROLL and width > 3000) or abs(offset_ticks) > 2047):
        raise ConfigurationError(f'servo {joint.servo_id} ({joint.name}): the calibration '
                                 f'{lower_ticks}..{upper_ticks}, offset {offset_ticks} is not '
                                 'possible. Calibrate the arm again')
    if index == GRIPPER:
        zero = lower_ticks - joint.limits.lower / RAD_PER_TICK
    else:
        # Also of a roll whose range is the whole turn: the middle is the pose of the calibration.
        zero = (lower_ticks + upper_ticks) / 2
    return JointCalibration(lower_ticks, upper_ticks, offset_ticks, zero)


def doubts(calibration: Sequence[JointCalibration],
           slack_ticks: int = BACKLASH_TICKS) -> list[str]:
    """
    List the joints whose travel differs from other arms, as questions for a person.

    :param slack_ticks: allowance beyond three deviations [tick].
    """
    found = []
    for name, own in zip(JOINT_NAMES, calibration, strict=True):
        travel = own.upper_ticks - own.lower_ticks
        mean, deviation = USUAL_TRAVEL.get(name, (travel, 1))
        if abs(travel - mean) > 3 * deviation + slack_ticks:
            found.append(f'{name} travels {travel} ticks, other arms {mean} +- {3 * deviation}. '
                         'Was it moved to both ends?')
    return found


def with_trim(calibration: Sequence[JointCalibration],
              trim: Mapping[str, float]) -> tuple[JointCalibration, ...]:
    """
    Shift the zero of joints: the trim of a joint is added to its angles.

    :param trim: trim of some joints, by name [rad].
    :raises ConfigurationError: for an unknown joint name.
    """
    unknown = sorted(set(trim) - set(JOINT_NAMES))
    if unknown:
        raise ConfigurationError(f'trim of {", ".join(unknown)}: unknown joint. The joints are '
                                 f'{", ".join(JOINT_NAMES)}')
    return tuple(replace(own, zero_ticks=own.zero_ticks - trim.get(name, 0.0) / RAD_PER_TICK)
                 for name, own in zip(JOINT_NAMES, calibration, strict=True))


def gripper_travel(calibration: Sequence[JointCalibration]) -> GripperTravel:
    """Return the calibrated angles of the closed and the open gripper."""
    own = calibration[GRIPPER]
    return GripperTravel(own.to_rad(own.lower_ticks), own.to_rad(own.upper_ticks))


def soft_limits(calibration: Sequence[JointCalibration],
                velocity: float) -> tuple[JointLimits, ...]:
    """
    Intersect the URDF's limits with the calibrated range.

    The gripper may use its whole calibrated range: for every policy, open is 100 % of it, and real
    jaws open 20 degrees wider than the URDF allows.

    :param velocity: largest commanded speed of every joint but the gripper [rad/s].
    """
    limits = []
    for joint, own in zip(SO101_JOINTS, calibration, strict=True):
        limits.append(JointLimits(
            max(joint.limits.lower, own.to_rad(own.lower_ticks) + STOP_MARGIN_RAD),
            min(joint.limits.upper, own.to_rad(own.upper_ticks) - STOP_MARGIN_RAD), velocity))
    travel = gripper_travel(calibration)
    limits[GRIPPER] = JointLimits(travel.closed, travel.opened,
                                  SO101_JOINTS[GRIPPER].limits.velocity)
    return tuple(limits)


def calibrated_arm(calibration: Sequence[JointCalibration], velocity: float) -> ArmDescription:
    """
    Return the SO-101 with the limits that hold for this arm (``soft_limits``).

    :param velocity: largest commanded speed of every joint [rad/s].
    """
    return SO101.with_limits(soft_limits(calibration, velocity))
