# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make ROS 2 messages in CDR without ROS, for the recordings of ``reflex connect``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from reflex_ros.domain import key_values
from reflex_ros.errors import ConfigurationError
from reflex_ros.recording.message_types import definition

JOINT_STATE = 'sensor_msgs/msg/JointState'
TRAJECTORY = 'trajectory_msgs/msg/JointTrajectory'
STATUS = 'diagnostic_msgs/msg/DiagnosticStatus'
PICTURE = 'sensor_msgs/msg/CompressedImage'
TEXT = 'std_msgs/msg/String'


@cache
def encoder(kind: str) -> Callable[[Mapping[str, Any]], bytes]:
    """
    Return the function that makes a message from its fields.

    :param kind: such as ``sensor_msgs/msg/JointState``.
    :raises ConfigurationError: when the library is missing.
    """
    try:
        # The library shows this function only inside a writer of its own.
        from mcap_ros2._dynamic import serialize_dynamic
    except ImportError as exc:
        raise ConfigurationError('recordings need the library mcap-ros2-support. Install it: pip '
                                 "install 'reflex_ros[record]'") from exc
    made: Callable[[Mapping[str, Any]], bytes] = serialize_dynamic(kind, definition(kind))[kind]
    return made


def joint_state(stamp_ns: int, names: Sequence[str], positions: Sequence[float],
                velocities: Sequence[float] = ()) -> bytes:
    """Make a JointState [rad, rad/s]."""
    return encoder(JOINT_STATE)({
        'header': _header(stamp_ns), 'name': list(names), 'position': list(positions),
        'velocity': list(velocities), 'effort': []})


def trajectory(stamp_ns: int, names: Sequence[str], rows: Sequence[Sequence[float]],
               period_s: float) -> bytes:
    """Make a JointTrajectory of rows [rad] that follow each other every ``period_s``."""
    points = [{'positions': list(row), 'velocities': [], 'accelerations': [], 'effort': [],
               'time_from_start': _time(round(index * period_s * 1e9))}
              for index, row in enumerate(rows)]
    return encoder(TRAJECTORY)({'header': _header(stamp_ns), 'joint_names': list(names),
                                'points': points})


def status(value: object, name: str = '') -> bytes:
    """Make the DiagnosticStatus of a dataclass, as the nodes publish it."""
    return encoder(STATUS)({
        'level': 0, 'name': name, 'message': '', 'hardware_id': '',
        'values': [{'key': key, 'value': text}
                   for key, text in key_values.encode(value).items()]})


def picture(stamp_ns: int, name: str, form: str, data: bytes) -> bytes:
    """Make a CompressedImage."""
    return encoder(PICTURE)({'header': {**_header(stamp_ns), 'frame_id': name}, 'format': form,
                             'data': data})


def _header(stamp_ns: int) -> dict[str, Any]:
    return {'stamp': _time(stamp_ns), 'frame_id': ''}


def _time(stamp_ns: int) -> dict[str, int]:
    return {'sec': stamp_ns // 10 ** 9, 'nanosec': stamp_ns % 10 ** 9}
