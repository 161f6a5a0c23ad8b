# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration files as LeRobot writes them, by path and by id."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
import stat

from calibrations import calibration, real_file
from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.calibration import from_range, JointCalibration, WRIST_ROLL
from reflex_ros.hardware.lerobot_file import find, load, path_of, Role, root, save
from reflex_ros.hardware.so101 import JOINT_NAMES

every_joint = pytest.mark.parametrize('index', range(6), ids=JOINT_NAMES)


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        action()
    return str(caught.value)


@st.composite
def calibrations(draw: st.DrawFn) -> tuple[JointCalibration, ...]:
    """Draw any calibration that is possible."""
    joints = []
    for index in range(6):
        width = draw(st.integers(500, 4095 if index == WRIST_ROLL else 3000))
        low = draw(st.integers(0, 4095 - width))
        joints.append(from_range(index, low, low + width, draw(st.integers(-2047, 2047))))
    return tuple(joints)


@given(calibrations())
def test_saved_calibration_comes_back_as_it_was(
        tmp_path_factory: pytest.TempPathFactory, own: tuple[JointCalibration, ...]) -> None:
    path = tmp_path_factory.getbasetemp() / 'deep' / 'arm.json'
    save(path, own)
    assert load(path) == own


def test_saved_file_is_laid_out_as_lerobot_does_and_readable_for_all(tmp_path: Path) -> None:
    path = tmp_path / 'arm.json'
    path.write_text('old')
    save(path, calibration())
    assert path.read_text() == json.dumps(real_file(), indent=4) + '\n'
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / 'arm.json').mkdir()
    with pytest.raises(OSError):
        save(tmp_path / 'arm.json', calibration())
    assert list(tmp_path.iterdir()) == [tmp_path / 'arm.json']


@pytest.mark.parametrize('environ, expected', (
    ({'HF_LEROBOT_CALIBRATION': '/a', 'HF_LEROBOT_HOME': '/b', 'HF_HOME': '/c'}, '/a'),
    ({'HF_LEROBOT_HOME': '/b', 'HF_HOME': '/c'}, '/b/calibration'),
    ({'HF_HOME': '/c'}, '/c/lerobot/calibration'),
    ({}, '~/.cache/huggingface/lerobot/calibration'),
    ({'HF_LEROBOT_CALIBRATION': ''}, '~/.cache/huggingface/lerobot/calibration'),
))
def test_folder_is_where_lerobot_looks(environ: dict[str, str], expected: str) -> None:
    assert root(environ) == Path(expected).expanduser()


@pytest.mark.parametrize('role, folders', (
    (Role.FOLLOWER, ('robots/so100_follower', 'robots/so101_follower', 'robots/so_follower')),
    (Role.LEADER, ('teleoperators/so100_leader', 'teleoperators/so101_leader',
                   'teleoperators/so_leader')),
))
def test_file_of_an_id_is_found_under_every_name_of_the_robot_newest_first(
        tmp_path: Path, role: Role, folders: tuple[str, ...]) -> None:
    environ = {'HF_LEROBOT_CALIBRATION': str(tmp_path)}
    for folder in folders:
        path = tmp_path / folder / 'my_arm.json'
        save(path, calibration())
        assert find('my_arm', environ, role) == path
    assert path == path_of('my_arm', environ, role)


def test_id_without_a_file_says_where_it_was_looked_for(tmp_path: Path) -> None:
    said = refusal(lambda: find('my_arm', {'HF_LEROBOT_CALIBRATION': str(tmp_path)}))
    assert f'{tmp_path}/robots/so101_follower/my_arm.json' in said and 'Calibrate the arm' in said


@pytest.mark.parametrize('name', ('arm.json', './arm', '/etc/arm'))
def test_path_is_taken_as_it_is(name: str) -> None:
    assert find(name, {}) == Path(name)


@pytest.mark.parametrize('arm_id', ('', '.', '..', 'a/b', '../a'))
def test_id_that_is_no_file_name_is_refused(arm_id: str) -> None:
    assert 'is not a valid arm id' in refusal(lambda: path_of(arm_id, {}))


def test_lerobot_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / 'my_arm.json'
    path.write_text(json.dumps(real_file(), indent=4))
    assert load(path) == calibration()


def test_lerobot_file_may_hold_more_than_the_six_joints(tmp_path: Path) -> None:
    path = tmp_path / 'my_arm.json'
    path.write_text(json.dumps({**real_file(), 'lift': {'id': 7}}))
    assert load(path) == calibration()


def test_file_of_old_lerobot_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / 'my_arm.json'
    path.write_text(json.dumps({
        'homing_offset': [2048] * 6, 'drive_mode': [0] * 6, 'start_pos': [0] * 6,
        'end_pos': [1024] * 6, 'calib_mode': ['DEGREE'] * 5 + ['LINEAR'],
        'motor_names': list(JOINT_NAMES)}))
    said = refusal(lambda: load(path))
    assert str(path) in said and 'before 2025-06' in said and 'Calibrate the arm again' in said


@pytest.mark.parametrize('content, text', (
    (b'', 'cannot be read'), (b'{"shoulder_pan": ', 'cannot be read'),
    (b'\xff\xfe\x00', 'cannot be read'), (b'[]', 'not a JSON object'),
    (b'null', 'not a JSON object'), (b'{}', 'gripper is missing; it has nothing'),
))
def test_file_that_is_no_calibration_is_refused(tmp_path: Path, content: bytes,
                                                text: str) -> None:
    path = tmp_path / 'my_arm.json'
    path.write_bytes(content)
    said = refusal(lambda: load(path))
    assert str(path) in said and text in said


@pytest.mark.parametrize('make', (lambda path: None, lambda path: path.mkdir()))
def test_missing_file_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / 'my_arm.json'
    make(path)
    assert f'calibration file {path} cannot be read' in refusal(lambda: load(path))


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
    said = refusal(lambda: load(path))
    assert joint in said and text in said


@every_joint
def test_missing_joint_is_named(tmp_path: Path, index: int) -> None:
    content = real_file()
    del content[JOINT_NAMES[index]]
    path = tmp_path / 'my_arm.json'
    path.write_text(json.dumps(content))
    assert f'{JOINT_NAMES[index]} is missing; it has' in refusal(lambda: load(path))
