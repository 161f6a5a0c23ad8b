# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table of arms, and the SO-101 in it."""

from reflex_ros.domain.joints import GripperTravel
from reflex_ros.hardware.arms import ARMS, wire_names
from reflex_ros.hardware.so101 import GRIPPER, JOINT_NAMES, SO101, SO101_JOINTS


def test_so101_is_the_arm_of_its_reference():
    assert SO101.joint_names == JOINT_NAMES == (
        'shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll', 'gripper')
    assert [joint.servo_id for joint in SO101_JOINTS] == [1, 2, 3, 4, 5, 6]
    assert SO101.grippers == (GRIPPER,) == (5,)
    for joint in SO101_JOINTS:
        assert joint.limits.contains(joint.rest), joint.name


def test_so101_speaks_its_own_adapter():
    wire = SO101.wire
    assert (wire.adapter, wire.robot, wire.rows_key) == ('so101_joint', 'so101', 'actions_so101')
    assert [value.unit.value for value in wire.values] == ['degrees'] * 5 + ['percent']
    assert wire.state_units == 'degrees_and_percent'


def test_servos_stay_known_when_the_limits_change():
    narrow = SO101.with_velocity(1.0).with_gripper_travel(GripperTravel(0.0, 1.0))
    assert [joint.servo_id for joint in narrow.joints] == [1, 2, 3, 4, 5, 6]


def test_arm_stands_in_the_table_under_its_own_name():
    assert ARMS['so101'] is SO101
    assert [name for name, arm in ARMS.items() if name != arm.name] == []


def test_values_of_the_wire_are_named_by_their_number():
    assert list(wire_names(6)) == list(JOINT_NAMES)
    assert list(wire_names(5)) == []
