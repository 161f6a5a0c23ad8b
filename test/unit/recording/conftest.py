# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages in CDR, made by a foreign library, and a folder for recordings."""

from collections.abc import Callable

import pytest

from reflex_ros.recording.message_types import definition

JOINT_STATE = 'sensor_msgs/msg/JointState'


@pytest.fixture(scope='session')
def joint_state() -> Callable[[float], bytes]:
    """Return a function that makes a JointState with one position [rad]."""
    pytest.importorskip('mcap_ros2')
    from mcap_ros2._dynamic import serialize_dynamic

    encode = serialize_dynamic(JOINT_STATE, definition(JOINT_STATE))[JOINT_STATE]
    return lambda position: encode({
        'header': {'stamp': {'sec': 1, 'nanosec': 2}, 'frame_id': ''}, 'name': ['shoulder_pan'],
        'position': [position], 'velocity': [], 'effort': []})
