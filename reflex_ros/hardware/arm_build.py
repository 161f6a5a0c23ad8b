# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The two builds of an SO-101 as data: gears, supplies, and protection settings of the servos.

Source: SO-101 reference, sections 2.6, 5.1 and 8.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.registers import Register
from reflex_ros.hardware.so101 import GRIPPER, SO101_JOINTS

_PLAIN_GEAR = 345


@dataclass(frozen=True, slots=True)
class Supply:
    """
    A supply variant of the servo.

    :param allowed: outside of this range the driver stops the arm [V].
    :param usual: outside of this range the driver warns [V].
    :param torque_from: below this voltage the driver does not switch torque on, because heavy
        joints would stall [V].
    :param stall_torque: stall torque of the servo with the 1/345 gear [N m].
    """

    name: str
    allowed: tuple[float, float]
    usual: tuple[float, float]
    torque_from: float
    stall_torque: float

    @classmethod
    def of(cls, max_input_voltage: int) -> Supply:
        """Return the variant for the value of register 14: 12 V parts have 140, others 80."""
        return TWELVE_VOLT if max_input_voltage > 100 else SEVEN_VOLT


SEVEN_VOLT = Supply('7.4 V', (4.3, 8.4), (6.0, 8.0), 4.5, 1.91)
"""The standard kit runs these servos on a 5 V supply: heavy joints are weak then."""
TWELVE_VOLT = Supply('12 V', (10.0, 13.5), (11.0, 12.8), 10.0, 2.94)


class Rule(Enum):
    """Relation between a register and the value in the table."""

    EXACTLY = 'exactly'
    AT_MOST = 'at most'
    ALL_BITS = 'with the bits of'


@dataclass(frozen=True, slots=True)
class Setting:
    """A required value of one register; a stricter value is left unchanged."""

    register: Register
    value: int
    rule: Rule = Rule.EXACTLY

    def corrected(self, found: int) -> int:
        """Return the value to write, for a register that holds ``found``."""
        if self.rule is Rule.AT_MOST:
            return min(found, self.value)
        return found | self.value if self.rule is Rule.ALL_BITS else self.value


_TRIPS = 0b101100
"""Bits of temperature, current and overload: each must cut the output."""
_EVERY_JOINT = (
    Setting(reg.RETURN_DELAY, 0),
    Setting(reg.RESPONSE_LEVEL, 1),
    Setting(reg.MAX_TEMPERATURE, 70, Rule.AT_MOST),
    Setting(reg.UNLOADING_CONDITION, _TRIPS, Rule.ALL_BITS),
    Setting(reg.PROTECTION_CURRENT, 500, Rule.AT_MOST),
    Setting(reg.OVERLOAD_TORQUE, 80, Rule.AT_MOST),
)
# LeRobot lets the gripper trip at 25 % load: then any firm grip trips it after 2 s. Half the
# torque and 1.6 A protect the motor too.
_GRIPPER = (*_EVERY_JOINT, Setting(reg.PROTECTION_CURRENT, 250, Rule.AT_MOST))
_GRIPPER_TORQUE = 500


@dataclass(frozen=True, slots=True)
class ArmBuild:
    """
    One build of the arm; tuples are in the order of the joint table.

    The encoder is on the output shaft, so a tick is the same angle with every gear.

    :param parts: the vendor's part numbers; where two fit, the supply decides.
    :param gears: turns of the motor per turn of the joint.
    :param is_driven: whether this build may be put under torque; a leader is moved by hand.
    :param torque_limits: upper bounds of the torque limit while the arm is driven [0.1 %].
    :param settings: for each joint, the required register values of its servo.
    """

    name: str
    parts: tuple[str, ...]
    gears: tuple[int, ...]
    is_driven: bool
    torque_limits: tuple[int, ...] = tuple(
        _GRIPPER_TORQUE if index == GRIPPER else 1000 for index in range(len(SO101_JOINTS)))
    settings: tuple[tuple[Setting, ...], ...] = field(default=tuple(
        _GRIPPER if index == GRIPPER else _EVERY_JOINT for index in range(len(SO101_JOINTS))))

    def stall_torque(self, index: int, supply: Supply) -> float:
        """Estimate a joint's torque at full duty [N m]: only the gears differ."""
        return supply.stall_torque * self.gears[index] / _PLAIN_GEAR


FOLLOWER = ArmBuild('follower', ('C001 or C018',) * 6, (_PLAIN_GEAR,) * 6, is_driven=True)
LEADER = ArmBuild('leader', ('C044', 'C001', 'C044', 'C046', 'C046', 'C046'),
                  (191, 345, 191, 147, 147, 147), is_driven=False)
BUILDS = {build.name: build for build in (FOLLOWER, LEADER)}
