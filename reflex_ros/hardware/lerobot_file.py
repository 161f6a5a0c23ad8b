# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
LeRobot's calibration files: find, load, save.

A file is named after the arm's id and holds one JSON object: joint name -> ``id``, ``drive_mode``,
``homing_offset``, ``range_min``, ``range_max`` (SO-101 reference, section 6.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
import json
import os
from pathlib import Path
import tempfile

from reflex_ros import small_file
from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.calibration import from_range, JointCalibration
from reflex_ros.hardware.so101 import ServoJoint, SO101_JOINTS

DEFAULT_ID = 'reflex_so101'


class Role(Enum):
    """Role of an arm: a follower is driven, a leader is moved by hand."""

    FOLLOWER = 'follower'
    LEADER = 'leader'


FOLDERS = {
    Role.FOLLOWER: ('robots/so_follower', 'robots/so101_follower', 'robots/so100_follower'),
    Role.LEADER: ('teleoperators/so_leader', 'teleoperators/so101_leader',
                  'teleoperators/so100_leader'),
}
"""Newest name first: LeRobot has renamed the folders twice and does not move old files."""


def root(environ: Mapping[str, str]) -> Path:
    """Find LeRobot's calibration folder as LeRobot does."""
    if environ.get('HF_LEROBOT_CALIBRATION'):
        return Path(environ['HF_LEROBOT_CALIBRATION']).expanduser()
    if environ.get('HF_LEROBOT_HOME'):
        return Path(environ['HF_LEROBOT_HOME']).expanduser() / 'calibration'
    cache = Path(environ.get('HF_HOME') or '~/.cache/huggingface').expanduser()
    return cache / 'lerobot' / 'calibration'


def path_of(arm_id: str, environ: Mapping[str, str], role: Role = Role.FOLLOWER) -> Path:
    """
    Return the path at which the current LeRobot stores the calibration of an arm.

    :raises ConfigurationError: when the id cannot be a file name.
    """
    if not arm_id or arm_id in ('.', '..') or any(sign in arm_id for sign in '/\\\0'):
        raise ConfigurationError(f'{arm_id!r} is not a valid arm id: LeRobot uses the id as a '
                                 'file name')
    return root(environ) / FOLDERS[role][0] / f'{arm_id}.json'


def find(name: str, environ: Mapping[str, str], role: Role = Role.FOLLOWER) -> Path:
    """
    Find a calibration file by its path or by the arm's id.

    :param name: a path (with a slash, or ending in .json), or an id as in LeRobot's
        ``--robot.id``.
    :raises ConfigurationError: when the id has no file; the text lists the searched paths.
    """
    if '/' in name or name.endswith('.json'):
        return Path(name).expanduser()
    newest = path_of(name, environ, role)
    places = [root(environ) / folder / newest.name for folder in FOLDERS[role]]
    for place in places:
        if place.is_file():
            return place
    raise ConfigurationError(f'{role.value} {name} has no LeRobot calibration: searched '
                             f'{", ".join(map(str, places))}. Calibrate the arm (reflex so101 '
                             'calibrate), or give the path of the file')


def load(path: Path) -> tuple[JointCalibration, ...]:
    """
    Load a calibration file.

    :raises ConfigurationError: when the file cannot be read, has the format from before LeRobot
        #777, or does not describe the six joints.
    """
    try:
        # A byte order mark is allowed: editors on Windows write one.
        content = json.loads(small_file.read(path).decode('utf-8-sig'), object_pairs_hook=_unique)
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f'calibration file {path} cannot be read: {exc}') from exc
    except RecursionError:
        raise ConfigurationError(f'calibration file {path} cannot be read: it is nested too '
                                 'deeply') from None
    if isinstance(content, dict) and 'motor_names' in content:
        raise ConfigurationError(f'calibration file {path} has the format of LeRobot before '
                                 '2025-06. Calibrate the arm again')
    if not isinstance(content, dict):
        raise ConfigurationError(f'calibration file {path} is not a JSON object')
    missing = [joint.name for joint in SO101_JOINTS if joint.name not in content]
    if missing:
        found = ', '.join(map(repr, list(content)[:12])) or 'nothing'
        raise ConfigurationError(f'calibration file {path}: {", ".join(missing)} is missing; it '
                                 f'has {found}. Use the file of an SO-101')
    return tuple(_from_entry(path, index, joint, content[joint.name])
                 for index, joint in enumerate(SO101_JOINTS))


def file_of(calibration: Sequence[JointCalibration], environ: Mapping[str, str],
            role: Role) -> Path | None:
    """Find a file of a role that holds this very calibration; files that fail are skipped."""
    for folder in FOLDERS[role]:
        for path in sorted((root(environ) / folder).glob('*.json')):
            try:
                known = load(path)
            except ConfigurationError:
                continue
            if all(own.agrees_with(other) for own, other in zip(known, calibration, strict=True)):
                return path
    return None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    twice = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if twice is not None:
        raise ValueError(f'{twice!r} stands there twice')
    return dict(pairs)


def save(path: Path, calibration: Sequence[JointCalibration]) -> None:
    """
    Write a calibration file for LeRobot; replace an existing file atomically.

    :raises OSError: when the file cannot be written; an existing file is unchanged then.
    """
    content = {joint.name: {'id': joint.servo_id, 'drive_mode': 0,
                            'homing_offset': own.offset_ticks, 'range_min': own.lower_ticks,
                            'range_max': own.upper_ticks}
               for joint, own in zip(SO101_JOINTS, calibration, strict=True)}
    write_json(path, content)


def write_json(path: Path, content: object) -> None:
    """Write JSON in LeRobot's layout, with mode 0644, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.stem}-')
    try:
        with os.fdopen(handle, 'w', encoding='utf-8') as file:
            json.dump(content, file, indent=4)
            file.write('\n')
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _from_entry(path: Path, index: int, joint: ServoJoint, entry: object) -> JointCalibration:
    fields = ('id', 'drive_mode', 'homing_offset', 'range_min', 'range_max')
    if not isinstance(entry, Mapping) or any(type(entry.get(name)) is not int for name in fields):
        raise ConfigurationError(f'calibration file {path}: {joint.name} needs whole numbers for '
                                 f'{", ".join(fields)}')
    if entry['drive_mode'] == 1:
        raise ConfigurationError(f'calibration file {path}: {joint.name} has drive_mode 1: it '
                                 'turns the other way round, which this driver does not support. '
                                 'Mount its servo as in the SO-101, or calibrate again')
    if entry['id'] != joint.servo_id or entry['drive_mode'] != 0:
        raise ConfigurationError(f'calibration file {path}: {joint.name} has id {entry["id"]}, '
                                 f'drive_mode {entry["drive_mode"]}; expected {joint.servo_id}, 0')
    return from_range(index, entry['range_min'], entry['range_max'], entry['homing_offset'])
