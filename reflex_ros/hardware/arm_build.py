# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The two builds of an SO-101 as data: gears, supplies, and how the servos protect themselves.

Source: SO-101 reference, sections 2.6, 5.1 and 8.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from reflex_ros.domain.joints import GRIPPER, SO101_JOINTS
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.registers import Register

_PLAIN_GEAR = 345


@dataclass(frozen=True, slots=True)
class Supply:
    """
    A variant of the servo by its supply.

    :param allowed: outside, the arm is stopped [V].
    :param usual: outside, somebody is warned [V].
    :param torque_from: below, torque is not switched on: heavy joints would stall [V].
    :param stall_torque: of the servo with the 1/345 gear [N m].
    """

    name: str
    allowed: tuple[float, float]
    usual: tuple[float, float]
    torque_from: float
    stall_torque: float

    @classmethod
    def of(cls, max_input_voltage: int) -> Supply:
        """Tell the variant by register 14: 14 V for the 12 V part, 8 V for the other one."""
        return TWELVE_VOLT if max_input_voltage > 100 else SEVEN_VOLT


SEVEN_VOLT = Supply('7.4 V', (5.0, 8.4), (6.0, 8.0), 6.0, 1.91)
TWELVE_VOLT = Supply('12 V', (10.0, 13.5), (11.0, 12.8), 10.0, 2.94)


class Rule(Enum):
    """How a register must stand to the value in the table."""

    EXACTLY = 'exactly'
    AT_MOST = 'at most'
    ALL_BITS = 'with the bits of'


@dataclass(frozen=True, slots=True)
class Setting:
    """One register that a servo must hold; one that is stricter already is left alone."""

    register: Register
    value: int
    rule: Rule = Rule.EXACTLY

    def corrected(self, found: int) -> int:
        """Return what the register must hold, given what it holds."""
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
# LeRobot also trips the gripper at 25 % load: any firm grip would trip it after 2 s. Half the
# torque and 1.6 A protect the motor as well.
_GRIPPER = (*_EVERY_JOINT, Setting(reg.PROTECTION_CURRENT, 250, Rule.AT_MOST))
_GRIPPER_TORQUE = 500


@dataclass(frozen=True, slots=True)
class Profile:
    """
    One build of the arm; tuples are in the order of the joint table.

    The encoder sits on the output shaft, so a tick is the same angle behind every gear.

    :param parts: the vendor's part numbers; where two fit, the supply decides.
    :param gears: turns of the motor per turn of the joint.
    :param is_driven: whether this build may be put under torque; a leader is moved by hand.
    :param torque_limits: upper bounds of the torque limit under way [0.1 %].
    :param settings: for each joint, what its servo must hold.
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


FOLLOWER = Profile('follower', ('C001 or C018',) * 6, (_PLAIN_GEAR,) * 6, is_driven=True)
LEADER = Profile('leader', ('C044', 'C001', 'C044', 'C046', 'C046', 'C046'),
                 (191, 345, 191, 147, 147, 147), is_driven=False)
PROFILES = {profile.name: profile for profile in (FOLLOWER, LEADER)}
