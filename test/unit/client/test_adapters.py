# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Conversion between the units of the service and of the robot (protocol d.6 and k.5)."""

import math
from pathlib import Path
import sys

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from property_examples import examples
import pytest

from reflex_ros.client import adapters
from reflex_ros.domain.joints import GripperTravel
from reflex_ros.hardware.so101 import SO101, SO101_JOINTS

# Where the builders of the domain's tests are: in importlib mode pytest adds no folder.
sys.path.append(str(Path(__file__).parents[1] / 'domain'))

from made_up_arms import FOURTEEN, plain, SEVEN  # noqa: E402

GRIPPER = SO101_JOINTS[5].limits
POSES = st.tuples(*(st.floats(joint.limits.lower, joint.limits.upper) for joint in SO101_JOINTS))


@pytest.mark.parametrize('radians, wire', [
    ((0.0, 0.0, 0.0, 0.0, 0.0, GRIPPER.lower), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
    ((math.pi / 2, -math.pi / 2, math.pi / 4, -math.pi / 6, math.pi / 3, GRIPPER.upper),
     [90.0, -90.0, 45.0, -30.0, 60.0, 100.0]),
    # The example of protocol d.3; half open is half of the way from closed to open.
    ((math.radians(0.1), math.radians(-12), math.radians(33), math.radians(4.5), 0.0,
      (GRIPPER.lower + GRIPPER.upper) / 2), [0.1, -12.0, 33.0, 4.5, 0.0, 50.0]),
])
def test_pose_is_five_joints_in_degrees_and_the_gripper_in_percent(radians, wire):
    assert adapters.state_to_wire(radians, SO101) == pytest.approx(wire, abs=1e-4)
    assert adapters.rows_from_wire([wire, wire], SO101)[1] == pytest.approx(radians, abs=1e-5)


@given(POSES)
def test_pose_survives_the_round_trip_to_a_thousandth_of_a_degree(pose):
    there = adapters.state_to_wire(pose, SO101)
    back = adapters.rows_from_wire([there], SO101)[0]
    assert back == pytest.approx(pose, abs=math.radians(1e-3))
    assert 0.0 <= there[5] <= 100.0


@given(POSES, st.floats(-0.4, 0.1), st.floats(0.8, 2.6))
def test_gripper_is_percent_of_the_travel_that_the_arm_has(pose, closed, opened):
    arm = SO101.with_gripper_travel(GripperTravel(closed, opened))
    there = adapters.state_to_wire(pose, arm)
    assert there[5] == pytest.approx((pose[5] - closed) / (opened - closed) * 100.0, abs=1e-3)
    assert adapters.rows_from_wire([there], arm)[0] == pytest.approx(pose, abs=1e-4)
    ends = adapters.rows_from_wire([[0.0] * 5 + [0.0], [0.0] * 5 + [100.0]], arm)[:, 5]
    assert list(ends) == pytest.approx([closed, opened])


def test_state_is_plain_numbers_that_json_can_carry():
    state = adapters.state_to_wire(np.zeros(6), SO101)
    assert [type(value) for value in state] == [float] * 6


def test_gripper_beyond_its_range_is_not_clamped_here():
    # The range check must see it.
    rows = adapters.rows_from_wire([[0, 0, 0, 0, 0, 120], [0, 0, 0, 0, 0, -20]],
                                   SO101)
    assert rows[0][5] > GRIPPER.upper
    assert rows[1][5] < GRIPPER.lower


def test_half_of_an_aloha_is_radians_and_a_gripper_that_is_0_when_open():
    pose = [0.1, 0.2, 0.3, 0.4, 0.5, -0.6, SEVEN.upper[6]]
    state = adapters.state_to_wire(pose, SEVEN)
    assert state == [0.1, 0.2, 0.3, 0.4, 0.5, -0.6, 0.0] + [0.0] * 7
    state = adapters.state_to_wire([0.0] * 7, SEVEN)
    assert state == [0.0] * 6 + [1.0] + [0.0] * 7


def test_pair_has_the_left_arm_first():
    left, right = [0.1] * 6 + [SEVEN.lower[6]], [0.2] * 6 + [SEVEN.upper[6]]
    assert adapters.state_to_wire([*left, *right], FOURTEEN) == [0.1] * 6 + [1.0] + [0.2] * 6 + [0]


@pytest.mark.parametrize('arm', [SO101, SEVEN, FOURTEEN, plain(1), plain(32)],
                         ids=lambda arm: arm.name)
@examples(20)
@given(st.data())
def test_pose_of_any_arm_survives_the_round_trip(arm, data):
    pose = [data.draw(st.floats(low, high)) for low, high in zip(
        arm.lower.tolist(), arm.upper.tolist(), strict=True)]
    there = adapters.state_to_wire(pose, arm)
    assert len(there) == len(arm.wire.values)
    assert adapters.rows_from_wire([there], arm)[0] == pytest.approx(pose, abs=2e-5)


def test_padding_is_ignored_in_rows():
    row = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.0] + [9.0] * 7
    assert adapters.rows_from_wire([row], SEVEN)[0] == pytest.approx(
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, SEVEN.upper[6]])


@pytest.mark.parametrize('asked, expected', [
    (('so101_joint',), ('actions_so101', 'actions')),
    ((None, 'so101'), ('actions_so101', 'actions')),
    (('aloha_joint', 'so101'), ('actions_aloha', 'actions')),
    (('pi_native',), ('actions_pi', 'actions')), (('of_tomorrow',), ('actions',)),
    ((None,), ('actions', 'actions_so101', 'actions_aloha', 'actions_pi')),
])
def test_rows_are_looked_up_under_the_name_of_the_adapter_first(asked, expected):
    assert adapters.row_keys(*asked) == expected
