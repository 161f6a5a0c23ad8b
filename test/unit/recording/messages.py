# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make a recording of a run that never was."""

from reflex_ros.recording import encoding
from reflex_ros.recording.mcap_file import McapFile

JOINTS = ('shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll', 'gripper')


def joints(file, topic, at_ns, pose):
    file.write(topic, encoding.JOINT_STATE, at_ns, encoding.joint_state(at_ns, JOINTS, pose))


def status(file, topic, at_ns, value):
    file.write(topic, encoding.STATUS, at_ns, encoding.status(value))


def chunk(file, topic, at_ns, rows, period_s):
    file.write(topic, encoding.TRAJECTORY, at_ns,
               encoding.trajectory(at_ns, JOINTS, rows, period_s))


def opened(path, **about):
    path.parent.mkdir(parents=True, exist_ok=True)
    return McapFile(path, {'name': 'so101', **about})
