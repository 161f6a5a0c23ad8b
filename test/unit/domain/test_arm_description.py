# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An arm is a value: 1 to 32 joints, derived arrays, a layout on the wire, and pairs."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
import math
from typing import Any

from made_up_arms import SEVEN
import numpy as np
import pytest

from reflex_ros.domain.arm_description import (
    ArmDescription,
    JointDescription,
    pair,
    WireLayout,
    WireUnit,
    WireValue,
)
from reflex_ros.domain.joints import GripperTravel, JointLimits
from reflex_ros.errors import ConfigurationError

LIMITS = JointLimits(-1.0, 2.0)


def arm(count: int, **changes: Any) -> ArmDescription:
    """Make an arm with joints j0, j1, ... in radians."""
    joints = tuple(JointDescription(f'j{index}', LIMITS, 0.0) for index in range(count))
    wire = WireLayout('plain', 'plain', 'actions', tuple(WireValue(own.name) for own in joints))
    return ArmDescription(**{'name': 'plain', 'joints': joints, 'wire': wire} | changes)


@pytest.mark.parametrize('count', [1, 7, 32])
def test_arm_has_1_to_32_joints(count: int) -> None:
    made = arm(count)
    assert len(made.joint_names) == len(made.lower) == len(made.rest_pose) == count


@pytest.mark.parametrize('count', [0, 33])
def test_arm_with_another_number_of_joints_is_refused(count: int) -> None:
    with pytest.raises(ConfigurationError, match=f'has {count} joints, expected 1 to 32'):
        arm(count)


def test_arm_without_a_name_is_refused() -> None:
    with pytest.raises(ConfigurationError, match='needs a name'):
        arm(2, name='')


def test_two_joints_of_one_name_are_refused() -> None:
    joints = (*arm(2).joints, JointDescription('j1', LIMITS, 0.0))
    with pytest.raises(ConfigurationError, match='two joints j1'):
        arm(2, joints=joints)


@pytest.mark.parametrize('names', [['j0'], ['j0', 'j1', 'j2'], ['j0', 'jaw']])
def test_layout_that_does_not_carry_the_joints_is_refused(names: list[str]) -> None:
    wire = WireLayout('plain', 'plain', 'actions', tuple(map(WireValue, names)))
    with pytest.raises(ConfigurationError, match='the arm has j0, j1'):
        arm(2, wire=wire)


@pytest.mark.parametrize('unit', [WireUnit.PERCENT, WireUnit.FRACTION])
def test_joint_that_is_no_gripper_has_no_travel(unit: WireUnit) -> None:
    wire = WireLayout('plain', 'plain', 'actions', (WireValue('j0', unit),))
    with pytest.raises(ConfigurationError, match='j0 is in .* but it is no gripper'):
        arm(1, wire=wire)


@pytest.mark.parametrize('make', [
    lambda: JointDescription('', LIMITS, 0.0),
    lambda: JointDescription('a\nb', LIMITS, 0.0),
    lambda: JointDescription('j0', LIMITS, math.nan),
    lambda: WireValue('j0', sign=0),
    lambda: WireValue('j0', sign=2),
    lambda: WireValue('j0', offset=math.inf),
    lambda: WireLayout('', 'robot', 'actions', ()),
    lambda: WireLayout('adapter', 'robot', '', ()),
    lambda: WireLayout('adapter', 'robot', 'actions', (WireValue('j0'), WireValue('j0'))),
])
def test_part_of_a_description_that_makes_no_sense_is_refused(make: Any) -> None:
    with pytest.raises(ConfigurationError):
        make()


def test_derived_values_are_those_of_the_joints() -> None:
    joints = (JointDescription('turn', JointLimits(-1.0, 2.0, 3.0, 4.0), 0.5),
              JointDescription('jaw', JointLimits(0.0, 1.0, 6.0, 50.0), 0.1, is_gripper=True))
    wire = WireLayout('two', 'two', 'actions', (
        WireValue('jaw', WireUnit.PERCENT), WireValue(), WireValue('turn')))
    made = ArmDescription('two', joints, wire)
    assert made.joint_names == ('turn', 'jaw')
    assert made.grippers == (1,)
    assert made.lower.tolist() == [-1.0, 0.0] and made.upper.tolist() == [2.0, 1.0]
    assert made.velocity.tolist() == [3.0, 6.0] and made.acceleration.tolist() == [4.0, 50.0]
    assert made.rest_pose.tolist() == [0.5, 0.1]
    assert made.wire_index.tolist() == [2, 0]
    assert made.gripper_travels == (GripperTravel(0.0, 1.0),)


@pytest.mark.parametrize(('value', 'at_lower', 'at_upper'), [
    (WireValue('jaw'), 0.2, 1.2),
    (WireValue('jaw', sign=-1, offset=0.5), 0.3, -0.7),
    (WireValue('jaw', WireUnit.DEGREES), math.degrees(0.2), math.degrees(1.2)),
    (WireValue('jaw', WireUnit.DEGREES, offset=90.0), 90 + math.degrees(0.2),
     90 + math.degrees(1.2)),
    (WireValue('jaw', WireUnit.PERCENT), 0.0, 100.0),
    (WireValue('jaw', WireUnit.FRACTION), 0.0, 1.0),
    (WireValue('jaw', WireUnit.FRACTION, -1, 1.0), 1.0, 0.0),
    (WireValue('jaw', WireUnit.PERCENT, -1, 100.0), 100.0, 0.0),
])
def test_wire_value_is_a_line_over_the_angle(
        value: WireValue, at_lower: float, at_upper: float) -> None:
    joint = JointDescription('jaw', JointLimits(0.2, 1.2), 0.2, is_gripper=True)
    made = ArmDescription('jaw', (joint,), WireLayout('one', 'one', 'actions', (value,)))
    assert made.wire_scale * made.lower + made.wire_shift == pytest.approx(at_lower)
    assert made.wire_scale * made.upper + made.wire_shift == pytest.approx(at_upper)


def test_arm_cannot_be_changed() -> None:
    made = arm(3)
    with pytest.raises(FrozenInstanceError):
        made.name = 'other'  # type: ignore[misc]
    for values in (made.lower, made.upper, made.velocity, made.acceleration, made.rest_pose,
                   made.wire_index, made.wire_scale, made.wire_shift):
        with pytest.raises(ValueError, match='read-only'):
            values[0] = 9


def test_arms_of_equal_parts_are_equal() -> None:
    assert arm(3) == arm(3) and hash(arm(3)) == hash(arm(3))
    assert arm(3) != arm(4)


def test_calibrated_gripper_changes_limits_and_wire() -> None:
    wide = SEVEN.with_gripper_travel(GripperTravel(-0.2, 1.8))
    index = SEVEN.grippers[0]
    assert (wide.lower[index], wide.upper[index]) == (-0.2, 1.8)
    assert wide.gripper_travels == (GripperTravel(-0.2, 1.8),)
    assert wide.velocity.tolist() == SEVEN.velocity.tolist()
    assert (wide.wire_scale * wide.upper + wide.wire_shift)[index] == pytest.approx(
        (SEVEN.wire_scale * SEVEN.upper + SEVEN.wire_shift)[index])
    assert np.delete(wide.lower, index).tolist() == np.delete(SEVEN.lower, index).tolist()


@pytest.mark.parametrize('count', [0, 2])
def test_each_gripper_needs_its_own_travel(count: int) -> None:
    with pytest.raises(ConfigurationError, match=f'has 1 grippers, got the travel of {count}'):
        SEVEN.with_gripper_travel(*[GripperTravel(0.0, 1.0)] * count)


def test_velocity_bounds_the_fast_joints_only() -> None:
    fast = arm(2).with_limits([JointLimits(-1.0, 1.0, 1.0), JointLimits(-1.0, 1.0, 9.0)])
    assert fast.with_velocity(2.0).velocity.tolist() == [1.0, 2.0]


def test_every_joint_needs_limits() -> None:
    with pytest.raises(ValueError, match='zip'):
        arm(3).with_limits([LIMITS] * 2)


def test_pair_has_both_arms_on_the_wire_and_the_left_one_first() -> None:
    both = pair(SEVEN, SEVEN, name='both', robot='two_sevens')
    assert both.joint_names == (*(f'left_{name}' for name in SEVEN.joint_names),
                                *(f'right_{name}' for name in SEVEN.joint_names))
    assert both.lower.tolist() == [*SEVEN.lower, *SEVEN.lower]
    assert both.grippers == (SEVEN.grippers[0], 7 + SEVEN.grippers[0])
    assert both.wire.adapter == SEVEN.wire.adapter and both.wire.robot == 'two_sevens'
    # The padding of a single arm is where the other arm goes.
    assert len(SEVEN.wire.values) == len(both.wire.values) == 14
    assert both.wire_index.tolist() == [*SEVEN.wire_index, *(SEVEN.wire_index + 7)]


def test_layout_that_has_room_for_more_than_two_arms_stays_padded() -> None:
    wire = replace(SEVEN.wire, values=SEVEN.wire.values + (WireValue(),) * 18)
    wide = replace(SEVEN, wire=wire)
    both = pair(wide, wide, name='both', robot='two_sevens')
    assert len(both.wire.values) == 32
    assert [value.joint for value in both.wire.values[14:]] == [''] * 18


def test_each_gripper_of_a_pair_has_its_own_travel() -> None:
    travels = (GripperTravel(0.0, 0.5), GripperTravel(-0.1, 0.9))
    both = pair(SEVEN, SEVEN, name='both', robot='two').with_gripper_travel(*travels)
    assert both.gripper_travels == travels


def test_arms_of_two_adapters_are_no_pair() -> None:
    with pytest.raises(ConfigurationError, match='A pair needs one adapter'):
        pair(SEVEN, arm(2), name='both', robot='two')


def test_pair_of_too_many_joints_is_refused() -> None:
    with pytest.raises(ConfigurationError, match='has 34 joints'):
        pair(arm(17), arm(17), name='both', robot='two')
