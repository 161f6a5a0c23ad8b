# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ticks and radians against the numbers of real arms (SO-101 reference, section 6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import math

from calibrations import calibration
from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.calibration import (
    from_range,
    gripper_travel,
    soft_limits,
    with_trim,
    WRIST_ROLL,
)
from reflex_ros.hardware.so101 import GRIPPER, JOINT_NAMES, NO_LOAD_SPEED, SO101_JOINTS

every_joint = pytest.mark.parametrize('index', range(6), ids=JOINT_NAMES)


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        action()
    return str(caught.value)


def test_arm_joint_is_zero_in_the_middle_of_its_range() -> None:
    joint = from_range(0, 765, 3465, 0)
    assert joint.zero_ticks == 2115.0
    assert joint.to_rad(2115) == 0.0
    # LeRobot says -5.890 degrees: it divides by 4095.
    assert math.degrees(joint.to_rad(2048)) == pytest.approx(-67 * 360 / 4096)
    assert math.degrees(joint.to_rad(2048)) == pytest.approx(-5.890, rel=3e-4)


def test_zero_may_lie_between_two_ticks() -> None:
    assert from_range(2, 1000, 2501, 0).zero_ticks == 1750.5


def test_wrist_roll_is_zero_in_the_middle_of_its_range_as_for_lerobot() -> None:
    assert from_range(WRIST_ROLL, 0, 4095, 0).zero_ticks == 2047.5
    swept = from_range(WRIST_ROLL, 66, 3894, 0)
    assert math.degrees(swept.to_rad(2048)) == pytest.approx(5.98, abs=0.01)


@pytest.mark.parametrize('ticks, percent', ((1808, 0.0), (2400, 49.05), (3015, 100.0)))
def test_gripper_is_percent_of_its_own_range(ticks: int, percent: float) -> None:
    gripper = calibration()[GRIPPER]
    assert gripper_travel(calibration()).to_percent(gripper.to_rad(ticks)) \
        == pytest.approx(percent, abs=0.005)


def test_gripper_is_at_the_angle_of_the_urdf_when_closed_and_turns_as_far_as_its_ticks() -> None:
    gripper = from_range(GRIPPER, 1318, 2793, 0)
    assert gripper.to_rad(1318) == pytest.approx(SO101_JOINTS[GRIPPER].limits.lower)
    assert gripper.to_rad(1318 + 1024) - gripper.to_rad(1318) == pytest.approx(math.pi / 2)
    # A real jaw opens wider than the URDF knows.
    assert gripper.to_rad(2793) == pytest.approx(2.088, abs=0.001)


@every_joint
def test_no_joint_is_ever_stretched(index: int) -> None:
    joint = calibration()[index]
    assert joint.to_rad(joint.lower_ticks + 1024) - joint.to_rad(joint.lower_ticks) \
        == pytest.approx(math.pi / 2)


@given(st.sampled_from(JOINT_NAMES), st.floats(-0.35, 0.35), st.integers(0, 4095))
def test_trim_is_added_to_the_angle_of_its_joint_alone(name: str, trim: float,
                                                       ticks: int) -> None:
    trimmed = with_trim(calibration(), {name: trim})
    for index, (own, other) in enumerate(zip(calibration(), trimmed, strict=True)):
        expected = trim if JOINT_NAMES[index] == name else 0.0
        assert other.to_rad(ticks) - own.to_rad(ticks) == pytest.approx(expected, abs=1e-9)
        assert other.agrees_with(own)


def test_trim_does_not_change_the_percentage_of_the_gripper() -> None:
    own, trimmed = calibration(), with_trim(calibration(), {'gripper': 0.1})
    for ticks in (1808, 2400, 3015):
        assert gripper_travel(trimmed).to_percent(trimmed[GRIPPER].to_rad(ticks)) \
            == pytest.approx(gripper_travel(own).to_percent(own[GRIPPER].to_rad(ticks)))


def test_trim_of_an_unknown_joint_is_refused() -> None:
    assert 'elbow' in refusal(lambda: with_trim(calibration(), {'elbow': 0.1}))


@pytest.mark.parametrize('change', ({'lower_ticks': 701}, {'upper_ticks': 3424},
                                    {'offset_ticks': 0}))
def test_another_range_or_offset_does_not_agree(change: dict[str, int]) -> None:
    own = calibration()[0]
    assert own.agrees_with(replace(own, zero_ticks=0.0))
    assert not own.agrees_with(replace(own, **change))


@given(st.integers(0, 5), st.floats(-4.0, 4.0))
def test_radians_come_back_within_half_a_tick(index: int, position: float) -> None:
    joint = calibration()[index]
    assert abs(joint.to_rad(joint.to_ticks(position)) - position) \
        <= 0.5 * joint.rad_per_tick + 1e-9


@given(st.integers(0, 5), st.integers(0, 4095))
def test_ticks_come_back_exactly(index: int, ticks: int) -> None:
    joint = calibration()[index]
    assert joint.to_ticks(joint.to_rad(ticks)) == ticks


@every_joint
def test_more_ticks_are_a_larger_angle(index: int) -> None:
    joint = calibration()[index]
    assert joint.to_rad(2001) > joint.to_rad(2000)


IMPOSSIBLE = (
    (0, 0, 4095, 0, 'never calibrated'),
    (1, 0, 4095, 0, 'never calibrated'),
    (2, 0, 0, 0, 'never calibrated'),
    (3, 1, 4095, 0, 'not possible'),            # the fault in one of 18 public files
    (4, 0, 0, 0, 'not possible'),
    (0, 2000, 2000, 0, 'not possible'),
    (1, 3000, 1000, 0, 'not possible'),
    (2, 500, 3501, 0, 'not possible'),
    (3, 800, 3200, 2048, 'not possible'),
    (3, 800, 3200, -2048, 'not possible'),
    (5, 0, 3001, 0, 'not possible'),
    (0, -300, 2300, 0, 'not possible'),
    (0, 2000, 4500, 0, 'not possible'),
    (4, -1, 4095, 0, 'not possible'),
    (4, 0, 4096, 0, 'not possible'),
    (2, 2000, 2040, 0, 'not possible'),         # the sweep was forgotten
    (5, 1800, 1801, 0, 'not possible'),
)


@pytest.mark.parametrize('index, low, high, offset, text', IMPOSSIBLE)
def test_impossible_range_names_the_joint_and_the_next_step(
        index: int, low: int, high: int, offset: int, text: str) -> None:
    joint = SO101_JOINTS[index]
    said = refusal(lambda: from_range(index, low, high, offset))
    assert said.startswith(f'servo {joint.servo_id} ({joint.name})')
    assert text in said and f'{low}..{high}' in said
    assert 'Calibrate the arm' in said


def test_wrist_roll_may_be_swept_or_a_whole_turn() -> None:
    for low, high in ((0, 4095), (135, 3960)):
        assert from_range(WRIST_ROLL, low, high, 0).lower_ticks == low


def test_soft_limits_are_those_of_the_urdf_when_the_arm_reaches_further() -> None:
    limits = soft_limits(calibration(), 1.5)
    for found, joint in zip(limits[:2], SO101_JOINTS, strict=False):
        assert (found.lower, found.upper) == (joint.limits.lower, joint.limits.upper)
    # A grasp may be as fast as the servo is.
    assert {found.velocity for found in limits[:5]} == {1.5}
    assert limits[5].velocity == NO_LOAD_SPEED


def test_soft_limits_stay_two_degrees_off_a_narrow_stop() -> None:
    narrow = (from_range(0, 1500, 2500, 0), *calibration()[1:])
    found = soft_limits(narrow, 2.0)[0]
    assert math.degrees(found.upper) == pytest.approx(500 * 360 / 4096 - 2.0)
    assert found.lower == pytest.approx(-found.upper)


def test_gripper_may_close_and_open_fully() -> None:
    found, gripper = soft_limits(calibration(), 2.0)[GRIPPER], calibration()[GRIPPER]
    assert gripper.to_ticks(found.lower) == gripper.lower_ticks
    assert gripper.to_ticks(found.upper) == gripper.upper_ticks


@every_joint
def test_soft_limits_never_leave_the_calibrated_range(index: int) -> None:
    own, found = calibration()[index], soft_limits(calibration(), 2.0)[index]
    assert own.lower_ticks <= own.to_ticks(found.lower) < own.to_ticks(found.upper)
    assert own.to_ticks(found.upper) <= own.upper_ticks
