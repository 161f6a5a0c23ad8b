# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make a recording of a run that never was, with messages in CDR from a foreign library."""

from functools import cache

from mcap_ros2._dynamic import serialize_dynamic

from reflex_ros.domain import key_values
from reflex_ros.recording.mcap_file import McapFile
from reflex_ros.recording.message_types import definition

JOINTS = ('shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll', 'gripper')


@cache
def _encoder(kind):
    return serialize_dynamic(kind, definition(kind))[kind]


def header(at_ns=0):
    return {'stamp': {'sec': at_ns // 10 ** 9, 'nanosec': at_ns % 10 ** 9}, 'frame_id': ''}


def write(file, topic, kind, at_ns, value):
    file.write(topic, kind, at_ns, _encoder(kind)(value))


def joints(file, topic, at_ns, pose):
    write(file, topic, 'sensor_msgs/msg/JointState', at_ns, {
        'header': header(at_ns), 'name': list(JOINTS), 'position': list(pose), 'velocity': [],
        'effort': []})


def status(file, topic, at_ns, value):
    """Write a dataclass as our nodes publish it."""
    write(file, topic, 'diagnostic_msgs/msg/DiagnosticStatus', at_ns, {
        'level': 0, 'name': '', 'message': '', 'hardware_id': '',
        'values': [{'key': key, 'value': text}
                   for key, text in key_values.encode(value).items()]})


def chunk(file, topic, at_ns, rows, period_s):
    write(file, topic, 'trajectory_msgs/msg/JointTrajectory', at_ns, {
        'header': header(at_ns), 'joint_names': list(JOINTS), 'points': [
            {'positions': list(row), 'velocities': [], 'accelerations': [], 'effort': [],
             'time_from_start': {'sec': int(k * period_s), 'nanosec': int(k * period_s % 1 * 1e9)}}
            for k, row in enumerate(rows)]})


def opened(path, **about):
    path.parent.mkdir(parents=True, exist_ok=True)
    return McapFile(path, {'name': 'so101', **about})
