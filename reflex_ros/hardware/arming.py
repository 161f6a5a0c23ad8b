# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What must be true before an SO-101 gets torque, and which goals it gets then (pure).

The goals of this moment pass no other check: a wrong one would make a joint leap as soon as it has
its strength. So every value counts only if two measurements, or measurement and load, agree.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
import math

import numpy as np

from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import ServoFault
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.arm_build import Supply
from reflex_ros.hardware.calibration import JointCalibration
from reflex_ros.hardware.codec import StatusError
from reflex_ros.hardware.servo_health import error_remedy, FAULT_BITS, WARM_C
from reflex_ros.hardware.so101 import ServoJoint, SO101_JOINTS

MAX_LEAD_RAD = math.radians(10.0)
"""How far a joint under torque may be from its goal, and keep it."""
BEYOND_LIMIT_TICKS = 23
"""How far outside its calibrated range a joint may be when torque is switched on: 2 degrees,
twice the backlash."""
PUSHING_LOAD = 0.1
"""Load from which a servo pushes towards its goal; 10 degrees away from it, it is 0.46."""
STILL_RAD = 0.05
"""Largest difference between two measurements in a row, of an arm that is to be held."""


def check_errors(sample: JointSample, configuration: Sequence[bytes]) -> None:
    """
    Check that no servo reports an error.

    :param configuration: EEPROM block of each servo.
    :raises ServoFault: naming the servo, the error and the remedy.
    """
    for joint, bits, volts, block in zip(SO101_JOINTS, sample.errors, sample.voltage,
                                         configuration, strict=True):
        if not bits & FAULT_BITS:
            continue
        supply = (f' ({volts:.1f} V; this servo allows '
                  f'{reg.MIN_INPUT_VOLTAGE.decode_in(block) / 10:g} to '
                  f'{reg.MAX_INPUT_VOLTAGE.decode_in(block) / 10:g} V)'
                  if bits & StatusError.VOLTAGE else '')
        raise ServoFault(f'{_where(joint)} reports error bits 0x{bits:02X}: '
                         f'{error_remedy(bits) or "unknown"}{supply}', joint.servo_id)


def check_range(sample: JointSample, calibration: Sequence[JointCalibration]) -> None:
    """
    Check that every joint is inside its range.

    A servo clamps its goal to its range: the first goal would move a joint that is outside.

    :raises ServoFault: naming the servo.
    """
    for index, (joint, own) in enumerate(zip(SO101_JOINTS, calibration, strict=True)):
        ticks = own.to_ticks(sample.position[index])
        if not (own.lower_ticks - BEYOND_LIMIT_TICKS <= ticks
                <= own.upper_ticks + BEYOND_LIMIT_TICKS):
            raise ServoFault(
                f'{_where(joint)} is outside its calibrated range: at {ticks}, allowed '
                f'{own.lower_ticks}..{own.upper_ticks}. Move it inside by hand, or calibrate '
                'again', joint.servo_id)


def check_heat(sample: JointSample, servo_ids: Collection[int]) -> None:
    """
    Check that servos are cool. Joints that are under torque already keep it when they are warm.

    :param servo_ids: servos to look at: those without torque, before they get it.
    :raises ServoFault: naming the servo.
    """
    for index, joint in enumerate(SO101_JOINTS):
        if joint.servo_id in servo_ids and sample.temperature[index] >= WARM_C:
            raise ServoFault(f'{_where(joint)} is at {sample.temperature[index]:.0f} degC. Let it '
                             f'cool down below {WARM_C:g}', joint.servo_id)


def check_feed(sample: JointSample, supplies: Sequence[Supply],
               servo_ids: Collection[int]) -> None:
    """
    Check that servos have the voltage to get torque. Those that have it already keep it.

    :param servo_ids: as for ``check_heat``.
    :raises ServoFault: naming the servo.
    """
    for index, (joint, supply) in enumerate(zip(SO101_JOINTS, supplies, strict=True)):
        if joint.servo_id in servo_ids and sample.voltage[index] < supply.torque_from:
            raise ServoFault(f'{_where(joint)} has only {sample.voltage[index]:.1f} V. Check the '
                             'servo supply', joint.servo_id)


def check_still(before: JointSample, after: JointSample) -> None:
    """
    Check that two measurements agree: one of them may be wrong, or a hand moves the arm.

    :raises ServoFault: naming the joint that has moved.
    """
    moved = np.abs(after.position - before.position)
    index = int(moved.argmax())
    if moved[index] > STILL_RAD:
        joint = SO101_JOINTS[index]
        raise ServoFault(f'{_where(joint)} has moved by {math.degrees(moved[index]):.0f} deg '
                         'between two measurements. Keep the arm still and try again',
                         joint.servo_id)


def goals_to_hold(sample: JointSample, calibration: Sequence[JointCalibration],
                  told: Sequence[int], limp: Collection[int]) -> list[int]:
    """
    Return the goals of joints under torque if near their positions, else the positions [tick].

    :param told: goals that the servos hold now [tick].
    :param limp: ids of the servos without torque.
    :raises ServoFault: for a joint under torque that is far from its goal and does not push:
        one of the two values is wrong, and the joint would leap by the difference.
    """
    goals = []
    for index, (joint, own, goal) in enumerate(zip(SO101_JOINTS, calibration, told, strict=True)):
        ticks = own.to_ticks(sample.position[index])
        away_rad = abs(goal - ticks) * own.rad_per_tick
        # A tick more: a goal at the bound is rounded to a tick.
        is_near = joint.servo_id not in limp and away_rad <= MAX_LEAD_RAD + own.rad_per_tick
        goals.append(goal if is_near else ticks)
        if joint.servo_id in limp or is_near or abs(sample.load[index]) >= PUSHING_LOAD:
            continue
        raise ServoFault(
            f'{_where(joint)} is under torque, reads {ticks} and is told {goal}, '
            f'{math.degrees(away_rad):.0f} deg from there, but does not push: its measurement is '
            'wrong, or it was just told to move. Try again; if this repeats, support the arm and '
            'run `reflex so101 torque-off`', joint.servo_id)
    return goals


def _where(joint: ServoJoint) -> str:
    return f'servo {joint.servo_id} ({joint.name})'
