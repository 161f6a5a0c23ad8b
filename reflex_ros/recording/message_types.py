# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The definitions of the ROS 2 messages in a recording: what a reader needs to decode them.

They are here so that ``reflex connect`` can record without a ROS installation. The layout of these
messages has been the same in every ROS 2 distribution since Humble.
"""

from __future__ import annotations

import re

_FIELDS = {
    'builtin_interfaces/Time': 'int32 sec\nuint32 nanosec',
    'builtin_interfaces/Duration': 'int32 sec\nuint32 nanosec',
    'std_msgs/Header': 'builtin_interfaces/Time stamp\nstring frame_id',
    'std_msgs/String': 'string data',
    'sensor_msgs/JointState': 'std_msgs/Header header\nstring[] name\nfloat64[] position\n'
                              'float64[] velocity\nfloat64[] effort',
    'sensor_msgs/CompressedImage': 'std_msgs/Header header\nstring format\nuint8[] data',
    'sensor_msgs/Image': 'std_msgs/Header header\nuint32 height\nuint32 width\nstring encoding\n'
                         'uint8 is_bigendian\nuint32 step\nuint8[] data',
    'trajectory_msgs/JointTrajectoryPoint': 'float64[] positions\nfloat64[] velocities\n'
                                            'float64[] accelerations\nfloat64[] effort\n'
                                            'builtin_interfaces/Duration time_from_start',
    'trajectory_msgs/JointTrajectory': 'std_msgs/Header header\nstring[] joint_names\n'
                                       'trajectory_msgs/JointTrajectoryPoint[] points',
    'diagnostic_msgs/KeyValue': 'string key\nstring value',
    'diagnostic_msgs/DiagnosticStatus': 'byte OK=0\nbyte WARN=1\nbyte ERROR=2\nbyte STALE=3\n'
                                        'byte level\nstring name\nstring message\n'
                                        'string hardware_id\n'
                                        'diagnostic_msgs/KeyValue[] values',
    'diagnostic_msgs/DiagnosticArray': 'std_msgs/Header header\n'
                                       'diagnostic_msgs/DiagnosticStatus[] status',
}
_SEPARATOR = '=' * 80
_TYPE = re.compile(r'^(\w+/\w+)', re.MULTILINE)


def definition(name: str) -> str:
    """
    Return the definition of a message with those of all messages in it, as MCAP wants it.

    :param name: such as ``sensor_msgs/msg/JointState``.
    :raises KeyError: for a type that no recording has.
    """
    short = name.replace('/msg/', '/')
    parts, waiting = [], [short]
    known = {short}
    while waiting:
        part = waiting.pop(0)
        parts.append(_FIELDS[part] if part == short else f'MSG: {part}\n{_FIELDS[part]}')
        for found in _TYPE.findall(_FIELDS[part]):
            if found not in known:
                known.add(found)
                waiting.append(found)
    return f'\n{_SEPARATOR}\n'.join(parts)
