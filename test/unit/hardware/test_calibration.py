# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ticks and radians against the numbers of real arms (SO-101 reference, section 6)."""

from __future__ import annotations

from collections.abc import Callable
import json
import math
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.domain.joints import GRIPPER, JOINT_NAMES, SO101_JOINTS
from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.calibration import (
    from_range,
    JointCalibration,
    load_lerobot,
    soft_limits,
    WRIST_ROLL,
)

# Means over 15 real arms: joint -> (range_min, range_max, homing_offset).
RANGES = {
    'shoulder_pan': (700, 3425, 953), 'shoulder_lift': (899, 3249, -1047),
    'elbow_flex': (824, 3046, 1204), 'wrist_flex': (881, 3210, 0),
    'wrist_roll': (0, 4095, 356), 'gripper': (1808, 3015, -1290),
}
ARM_JOINTS = (0, 1, 2, 3, 4)

Entry = dict[str, Any]
every_joint = pytest.mark.parametrize('index', range(6), ids=JOINT_NAMES)


def real_file() -> dict[str, Entry]:
    """Return the content of a file as LeRobot writes it."""
    return {joint.name: {'id': joint.servo_id, 'drive_mode': 0, 'homing_offset': offset,
                         'range_min': low, 'range_max': high}
            for joint, (low, high, offset) in zip(SO101_JOINTS, RANGES.values(), strict=True)}


def calibration() -> tuple[JointCalibration, ...]:
    return tuple(from_range(k, *values) for k, values in enumerate(RANGES.values()))


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


def test_wrist_roll_is_zero_where_it_was_homed() -> None:
    assert from_range(WRIST_ROLL, 0, 4095, 0).zero_ticks == 2047.5
    assert from_range(WRIST_ROLL, 300, 3900, 0).zero_ticks == 2047.5


@pytest.mark.parametrize('ticks, percent', ((1808, 0.0), (2400, 49.05), (3015, 100.0)))
def test_gripper_keeps_its_percentage(ticks: int, percent: float) -> None:
    gripper, limits = from_range(GRIPPER, 1808, 3015, 0), SO101_JOINTS[GRIPPER].limits
    found = (gripper.to_rad(ticks) - limits.lower) / (limits.upper - limits.lower) * 100
    assert found == pytest.approx(percent, abs=0.005)


@pytest.mark.parametrize('index', ARM_JOINTS)
def test_arm_joint_is_never_stretched(index: int) -> None:
    joint = calibration()[index]
    assert joint.to_rad(joint.lower_ticks + 1024) - joint.to_rad(joint.lower_ticks) \
        == pytest.approx(math.pi / 2)


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
    assert {found.velocity for found in limits} == {1.5}


def test_soft_limits_stay_two_degrees_off_a_narrow_stop() -> None:
    narrow = (from_range(0, 1500, 2500, 0), *calibration()[1:])
    found = soft_limits(narrow, 2.0)[0]
    assert math.degrees(found.upper) == pytest.approx(500 * 360 / 4096 - 2.0)
    assert found.lower == pytest.approx(-found.upper)


def test_gripper_may_close_and_open_fully() -> None:
    found, joint = soft_limits(calibration(), 2.0)[GRIPPER], SO101_JOINTS[GRIPPER].limits
    assert (found.lower, found.upper) == (pytest.approx(joint.lower), pytest.approx(joint.upper))


@every_joint
def test_soft_limits_never_leave_the_calibrated_range(index: int) -> None:
    own, found = calibration()[index], soft_limits(calibration(), 2.0)[index]
    assert own.lower_ticks <= own.to_ticks(found.lower) < own.to_ticks(found.upper)
    assert own.to_ticks(found.upper) <= own.upper_ticks


def test_lerobot_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / 'my_arm.json'
    path.write_text(json.dumps(real_file(), indent=4))
    assert load_lerobot(path) == calibration()


def test_lerobot_file_may_hold_more_than_the_six_joints(tmp_path: Path) -> None:
    path = tmp_path / 'my_arm.json'
    path.write_text(json.dumps({**real_file(), 'lift': {'id': 7}}))
    assert load_lerobot(path) == calibration()


def test_file_of_old_lerobot_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / 'my_arm.json'
    path.write_text(json.dumps({
        'homing_offset': [2048] * 6, 'drive_mode': [0] * 6, 'start_pos': [0] * 6,
        'end_pos': [1024] * 6, 'calib_mode': ['DEGREE'] * 5 + ['LINEAR'],
        'motor_names': list(JOINT_NAMES)}))
    said = refusal(lambda: load_lerobot(path))
    assert str(path) in said and 'before 2025-06' in said and 'Calibrate the arm again' in said


@pytest.mark.parametrize('content, text', (
    (b'', 'cannot be read'), (b'{"shoulder_pan": ', 'cannot be read'),
    (b'\xff\xfe\x00', 'cannot be read'), (b'[]', 'not a JSON object'),
    (b'null', 'not a JSON object'), (b'{}', 'shoulder_pan needs whole numbers'),
))
def test_file_that_is_no_calibration_is_refused(tmp_path: Path, content: bytes,
                                                text: str) -> None:
    path = tmp_path / 'my_arm.json'
    path.write_bytes(content)
    said = refusal(lambda: load_lerobot(path))
    assert str(path) in said and text in said


@pytest.mark.parametrize('make', (lambda path: None, lambda path: path.mkdir()))
def test_missing_file_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / 'my_arm.json'
    make(path)
    assert f'calibration file {path} cannot be read' in refusal(lambda: load_lerobot(path))


@pytest.mark.parametrize('name, value, text', (
    ('range_min', 691.0, 'needs whole numbers'), ('range_max', '3416', 'needs whole numbers'),
    ('homing_offset', None, 'needs whole numbers'), ('range_min', True, 'needs whole numbers'),
    ('id', 7, 'has id 7'), ('drive_mode', 1, 'drive_mode 1'), ('range_min', 3300, 'not possible'),
    ('homing_offset', 2048, 'not possible'),
))
@every_joint
def test_wrong_entry_names_the_joint(tmp_path: Path, index: int, name: str, value: object,
                                     text: str) -> None:
    content, joint = real_file(), JOINT_NAMES[index]
    content[joint][name] = value
    if name == 'range_min' and value == 3300:
        content[joint]['range_max'] = 3200
    path = tmp_path / 'my_arm.json'
    path.write_text(json.dumps(content))
    said = refusal(lambda: load_lerobot(path))
    assert joint in said and text in said


@every_joint
def test_missing_joint_is_named(tmp_path: Path, index: int) -> None:
    content = real_file()
    del content[JOINT_NAMES[index]]
    path = tmp_path / 'my_arm.json'
    path.write_text(json.dumps(content))
    assert f'{JOINT_NAMES[index]} needs whole numbers for id' in refusal(
        lambda: load_lerobot(path))
