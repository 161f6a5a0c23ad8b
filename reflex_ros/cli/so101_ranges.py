# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of a calibration before it is written into servos: its travel, and the pose now."""

from __future__ import annotations

from collections.abc import Sequence
import math

import click

from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware import eeprom
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.arm import SERVO_IDS
from reflex_ros.hardware.arming import BEYOND_LIMIT_TICKS
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import doubts, from_range, JointCalibration
from reflex_ros.hardware.lerobot_file import Role
from reflex_ros.hardware.range_recorder import TURN
from reflex_ros.hardware.so101 import GRIPPER, JOINT_NAMES, SO101_JOINTS

ACCEPT_RANGE = click.option('--accept-range', is_flag=True, help='Accept ranges that differ from '
                            'those of other arms, or that the pose of now does not fit.')


def check_travel(made: Sequence[JointCalibration], role: Role, *, accepts: bool) -> None:
    """Refuse ranges that differ from other arms, unless a person accepts them."""
    # The trigger of a leader travels less than the jaw of a follower.
    found = [doubt for doubt in doubts(made)
             if role is Role.FOLLOWER or not doubt.startswith(JOINT_NAMES[GRIPPER])]
    for doubt in found:
        click.echo(f'Warning: {doubt}', err=True)
    if found and not accepts:
        raise ConfigurationError(f'nothing was written: {"; ".join(found)} Record again, or add '
                                 '--accept-range if this arm is so')


def compare_poses(found: eeprom.Values, present: Sequence[int],
                  made: Sequence[JointCalibration], *, accepts: bool) -> None:
    """
    Show the angles before and after; refuse a calibration to which the pose does not belong.

    :param found: registers that the servos hold now.
    :param present: positions that they report now (joints,) [tick].
    :raises ConfigurationError: naming the joints that would be outside of their new range.
    """
    before = calibration_in(found)
    outside = []
    for index, (joint, own, ticks) in enumerate(zip(SO101_JOINTS, made, present, strict=True)):
        raw = ticks + found[joint.servo_id][reg.HOMING_OFFSET]
        after = (raw - own.offset_ticks) % TURN
        was = f'{math.degrees(before[index].to_rad(ticks)):+.1f}' if before else 'unknown'
        click.echo(f'{joint.name}: {was} -> {math.degrees(own.to_rad(after)):+.1f} deg', err=True)
        if not (own.lower_ticks - BEYOND_LIMIT_TICKS <= after
                <= own.upper_ticks + BEYOND_LIMIT_TICKS):
            outside.append(joint.name)
    if outside and not accepts:
        raise ConfigurationError(
            f'nothing was written: with this calibration {", ".join(outside)} would be outside of '
            'the range now, where the joint cannot be. Is this the file of another arm? If not, '
            'add --accept-range')


def positions(bus: Bus) -> list[int]:
    """Read the present positions (joints,) [tick]."""
    register = reg.PRESENT_POSITION
    answers = bus.sync_read(SERVO_IDS, register.address, register.size)
    return [register.decode(answers[servo_id].data) for servo_id in SERVO_IDS]


def calibration_in(found: eeprom.Values) -> tuple[JointCalibration, ...] | None:
    """Return the calibration in the servos, or None if they are not calibrated."""
    try:
        return tuple(from_range(index, found[id_][reg.MIN_POSITION_LIMIT],
                                found[id_][reg.MAX_POSITION_LIMIT], found[id_][reg.HOMING_OFFSET])
                     for index, id_ in enumerate(SERVO_IDS))
    except ConfigurationError:
        return None
