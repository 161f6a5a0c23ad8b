# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
ROS messages that are fuzzed, as serialized bytes: what the middleware lets through, a node reads.

Needs rclpy. ``test/ros/test_attacks.py`` does the same to the nodes of a running graph.
"""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from bench.fuzz_targets import Target
from reflex_ros.domain.action import check_chunk, ChunkBounds
from reflex_ros.domain.cause import ChunkRejected
from reflex_ros.domain.heartbeats import DriverBeat, StreamBeat, SupervisorBeat
from reflex_ros.domain.joint_states import JointStates
from reflex_ros.domain.permit import Permit
from reflex_ros.domain.supervision import SafetyState
from reflex_ros.hardware.so101 import JOINT_NAMES, SO101
from reflex_ros.nodes import convert, status_codec

NOW = 100.0
LONGEST_TEXT = 1000


def _command(message: JointTrajectory) -> None:
    convert.from_plan(message, JOINT_NAMES, NOW)
    try:
        chunk = convert.from_command(message, NOW)
        chunk = check_chunk(chunk, ChunkBounds(SO101), NOW, SO101.rest_pose)
    except ChunkRejected as exc:
        assert len(str(exc)) < LONGEST_TEXT, 'the error repeats what came'
    else:
        assert (chunk.rows >= SO101.lower).all() and (chunk.rows <= SO101.upper).all()


def _joints(message: JointState) -> None:
    states = JointStates(JOINT_NAMES, 1.0)
    for pose in (convert.positions(message, JOINT_NAMES),
                 (states.put(message.name, message.position, NOW) or (None,))[0]):
        assert pose is None or all(map(math.isfinite, pose)), f'pose {pose}'
    states.gap(NOW)


def _stop(message: String) -> None:
    asked = convert.from_stop(message)
    assert len(str(asked.cause)) < LONGEST_TEXT and asked.cause.text.isprintable(), 'raw text'


def _status(message: DiagnosticStatus) -> None:
    for kind in (DriverBeat, StreamBeat, SupervisorBeat, SafetyState):
        status_codec.decode(kind, message)
    status_codec.decode_complete(Permit, message)


READERS: tuple[tuple[Any, Callable[[Any], None]], ...] = (
    (JointTrajectory, _command), (JointState, _joints), (String, _stop),
    (DiagnosticStatus, _status))


def message(data: bytes) -> None:
    """Read a message of the kind that the first byte names, as a node does."""
    kind, read = READERS[data[0] % len(READERS) if data else 0]
    try:
        received = deserialize_message(data[1:], kind)
    except Exception:
        # The middleware refuses it, with errors of its own, and no node sees it.
        return
    read(received)


def _seeds() -> list[bytes]:
    command = JointTrajectory(joint_names=list(JOINT_NAMES))
    command.header.frame_id = 'epoch=1 seq=5 age_ms=10.0'
    for index in range(5):
        point = JointTrajectoryPoint(positions=(SO101.rest_pose + 0.01 * index).tolist())
        point.time_from_start.nanosec = index * 33_000_000
        command.points.append(point)
    beat = status_codec.encode('action_stream', StreamBeat('stream-1', progress=7))
    return [bytes((kind,)) + serialize_message(value) for kind, value in (
        (0, command), (1, JointState(name=list(JOINT_NAMES), position=[0.1] * 6)),
        (2, String(data='supervisor: OP_STOP: a person')), (3, beat),
        (3, status_codec.encode('safety/permit', Permit(1))),
        (3, DiagnosticStatus(values=[KeyValue(key='progress', value='9' * 400)])))]


MESSAGES = {'message': Target(message, _seeds(), 8)}
