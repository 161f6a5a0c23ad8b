# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Ticks <-> radians, one calibration per joint.

Present ticks are after the servo's own homing offset, and one turn is 4096 ticks for every joint:
nothing is stretched onto the limits of a model. Arm joints are zero in the middle of their
calibrated range, the gripper reads the URDF's closed angle at the closed end of it (SO-101
reference, sections 3 and 6.4). A policy knows the gripper in percent of that range instead:
``gripper_travel`` says which angles its ends are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
import math
from typing import ClassVar

from reflex_ros.domain.joints import (
    GRIPPER,
    GripperTravel,
    JOINT_NAMES,
    JointLimits,
    SO101_JOINTS,
)
from reflex_ros.errors import ConfigurationError

RAD_PER_TICK = 2.0 * math.pi / 4096
WRIST_ROLL = 4
STOP_MARGIN_RAD = math.radians(2.0)
"""Kept between a soft limit and the mechanical stop that was found when calibrating."""


@dataclass(frozen=True, slots=True)
class JointCalibration:
    """
    One joint's range as calibrated.

    :param lower_ticks: present position at one end of the travel [tick].
    :param upper_ticks: at the other end [tick].
    :param offset_ticks: the servo's homing offset (register 31) [tick].
    :param zero_ticks: present position at zero radians, may lie between ticks [tick].
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
        """Whether range and offset are the same: what a servo and a file can both hold."""
        return (self.lower_ticks, self.upper_ticks, self.offset_ticks) == (
            other.lower_ticks, other.upper_ticks, other.offset_ticks)


def from_range(index: int, lower_ticks: int, upper_ticks: int,
               offset_ticks: int) -> JointCalibration:
    """
    Make the calibration of one joint from its range.

    :param index: of the joint in the joint table.
    :raises ConfigurationError: when the joint was never calibrated or the range is impossible.
    """
    joint = SO101_JOINTS[index]
    width = upper_ticks - lower_ticks
    if index != WRIST_ROLL and (lower_ticks, upper_ticks) in ((0, 4095), (0, 0)):
        raise ConfigurationError(f'servo {joint.servo_id} ({joint.name}) was never calibrated: '
                                 f'its limits are {lower_ticks}..{upper_ticks}. Calibrate the arm '
                                 "first (LeRobot's lerobot-calibrate)")
    # Real joints are 1400 to 2800 ticks wide. Beyond 3000 the sweep ran over the seam at 0/4096;
    # below 500 it was forgotten, and the middle of the range is not the middle of the joint.
    if (not 0 <= lower_ticks < upper_ticks <= 4095 or width < 500
            or (index != WRIST_ROLL and width > 3000) or abs(offset_ticks) > 2047):
        raise ConfigurationError(f'servo {joint.servo_id} ({joint.name}): the calibration '
                                 f'{lower_ticks}..{upper_ticks}, offset {offset_ticks} is not '
                                 'possible. Calibrate the arm again')
    if index == GRIPPER:
        zero = lower_ticks - joint.limits.lower / RAD_PER_TICK
    else:
        zero = 2047.5 if index == WRIST_ROLL else (lower_ticks + upper_ticks) / 2
    return JointCalibration(lower_ticks, upper_ticks, offset_ticks, zero)


def with_trim(calibration: Sequence[JointCalibration],
              trim: Mapping[str, float]) -> tuple[JointCalibration, ...]:
    """
    Shift the zero of joints: an angle becomes larger by the joint's trim.

    :param trim: of some joints, by name [rad].
    :raises ConfigurationError: for a joint that there is not.
    """
    unknown = sorted(set(trim) - set(JOINT_NAMES))
    if unknown:
        raise ConfigurationError(f'trim of {", ".join(unknown)}: there is no such joint. The '
                                 f'joints are {", ".join(JOINT_NAMES)}')
    return tuple(replace(own, zero_ticks=own.zero_ticks - trim.get(name, 0.0) / RAD_PER_TICK)
                 for name, own in zip(JOINT_NAMES, calibration, strict=True))


def gripper_travel(calibration: Sequence[JointCalibration]) -> GripperTravel:
    """Say at which angles the gripper is closed and open, as calibrated."""
    own = calibration[GRIPPER]
    return GripperTravel(own.to_rad(own.lower_ticks), own.to_rad(own.upper_ticks))


def soft_limits(calibration: Sequence[JointCalibration],
                velocity: float) -> tuple[JointLimits, ...]:
    """
    Combine the URDF's limits with the calibrated range; the tighter one holds.

    The gripper may use its whole range: open is 100 % of it for every policy, and real jaws open
    20 degrees wider than the URDF allows.

    :param velocity: largest commanded speed of every joint [rad/s].
    """
    limits = []
    for joint, own in zip(SO101_JOINTS, calibration, strict=True):
        limits.append(JointLimits(
            max(joint.limits.lower, own.to_rad(own.lower_ticks) + STOP_MARGIN_RAD),
            min(joint.limits.upper, own.to_rad(own.upper_ticks) - STOP_MARGIN_RAD), velocity))
    travel = gripper_travel(calibration)
    limits[GRIPPER] = JointLimits(travel.closed, travel.opened, velocity)
    return tuple(limits)
