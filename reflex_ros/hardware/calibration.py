# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Ticks <-> radians, one calibration per joint; read from the servos or from a LeRobot file.

Present ticks are after the servo's own homing offset. Arm joints have their zero in the middle
of the calibrated range, and one turn is 4096 ticks: nothing is stretched (SO-101 reference,
sections 3 and 6.4). The gripper is the exception that LeRobot makes: its calibrated range is
0..100 % for every policy, so it is mapped onto the limits of the joint table. The angle is then
up to 15 % off the geometric one, the percentage is exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import json
import math
from pathlib import Path

from reflex_ros.domain.joints import GRIPPER, Joint, JointLimits, SO101_JOINTS
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
    :param rad_per_tick: scale [rad].
    """

    lower_ticks: int
    upper_ticks: int
    offset_ticks: int
    zero_ticks: float
    rad_per_tick: float = RAD_PER_TICK

    def to_rad(self, ticks: float) -> float:
        """Convert a present position [tick] to radians."""
        return (ticks - self.zero_ticks) * self.rad_per_tick

    def to_ticks(self, position: float) -> int:
        """Convert radians to the nearest tick."""
        return round(position / self.rad_per_tick + self.zero_ticks)


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
        scale = (joint.limits.upper - joint.limits.lower) / width
        zero = lower_ticks - joint.limits.lower / scale
        return JointCalibration(lower_ticks, upper_ticks, offset_ticks, zero, scale)
    zero = 2047.5 if index == WRIST_ROLL else (lower_ticks + upper_ticks) / 2
    return JointCalibration(lower_ticks, upper_ticks, offset_ticks, zero)


def soft_limits(calibration: Sequence[JointCalibration],
                velocity: float) -> tuple[JointLimits, ...]:
    """
    Combine the URDF's limits with the calibrated range; the tighter one holds.

    :param velocity: largest commanded speed of every joint [rad/s].
    """
    limits = []
    for index, (joint, own) in enumerate(zip(SO101_JOINTS, calibration, strict=True)):
        # A gripper is meant to reach its closed end.
        margin = 0.0 if index == GRIPPER else STOP_MARGIN_RAD
        limits.append(JointLimits(
            max(joint.limits.lower, own.to_rad(own.lower_ticks) + margin),
            min(joint.limits.upper, own.to_rad(own.upper_ticks) - margin), velocity))
    return tuple(limits)


def load_lerobot(path: Path) -> tuple[JointCalibration, ...]:
    """
    Read a LeRobot calibration file.

    :raises ConfigurationError: when it cannot be read, is of the format before LeRobot #777, or
        does not describe the six joints.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f'calibration file {path} cannot be read: {exc}') from exc
    if isinstance(content, dict) and 'motor_names' in content:
        raise ConfigurationError(f'calibration file {path} is of the format that LeRobot had '
                                 'before 2025-06. Calibrate the arm again')
    if not isinstance(content, dict):
        raise ConfigurationError(f'calibration file {path} is not a JSON object')
    return tuple(_from_entry(path, index, joint, content.get(joint.name))
                 for index, joint in enumerate(SO101_JOINTS))


def _from_entry(path: Path, index: int, joint: Joint, entry: object) -> JointCalibration:
    fields = ('id', 'drive_mode', 'homing_offset', 'range_min', 'range_max')
    if not isinstance(entry, Mapping) or any(type(entry.get(name)) is not int for name in fields):
        raise ConfigurationError(f'calibration file {path}: {joint.name} needs whole numbers for '
                                 f'{", ".join(fields)}')
    if entry['id'] != joint.servo_id or entry['drive_mode'] != 0:
        raise ConfigurationError(f'calibration file {path}: {joint.name} has id {entry["id"]}, '
                                 f'drive_mode {entry["drive_mode"]}; expected {joint.servo_id}, 0')
    return from_range(index, entry['range_min'], entry['range_max'], entry['homing_offset'])
