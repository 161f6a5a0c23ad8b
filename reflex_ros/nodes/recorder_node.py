# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``recorder``: writes what the graph does to MCAP files on this machine (``recording.recorder``).

It subscribes raw: the bytes that ROS sends are what the file holds. It publishes nothing that
moves the arm, and holds no lease, so nothing stops when it ends; with ``required``, it stops the
arm when a run cannot be recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
import os
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from reflex_ros.config.parameters.recorder import TABLE
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import DRIVER, STREAM, SUPERVISOR
from reflex_ros.domain.safe_stop import MOTION
from reflex_ros.domain.supervision import SafetyState
from reflex_ros.nodes import convert, qos, status_codec
from reflex_ros.nodes.base import ReflexNode
from reflex_ros.nodes.camera_inputs import image_profile, published
from reflex_ros.nodes.process import run
from reflex_ros.recording.places import recordings_folder
from reflex_ros.recording.recorder import Recorder, RecorderSettings, RecorderStatus

STATE = 'safety/state'
TOPICS: tuple[tuple[str, type, QoSProfile], ...] = (
    # Best effort where a message is sent often: a busy recorder must not keep a writer busy.
    ('joint_states', JointState, qos.JOINT_STATES_INPUT),
    (f'{DRIVER}/goals', JointState, qos.JOINT_STATES_INPUT),
    (f'{DRIVER}/command', JointTrajectory, qos.CHUNK),
    ('action_chunk', JointTrajectory, qos.CHUNK),
    ('prompt', String, qos.PROMPT),
    ('safety/permit', DiagnosticStatus, qos.LEASE),
    ('safety/stop', String, qos.STOP),
    (STATE, DiagnosticStatus, qos.STATE),
    (f'_beat/{DRIVER}', DiagnosticStatus, qos.LEASE),
    (f'_beat/{STREAM}', DiagnosticStatus, qos.LEASE),
    (f'_beat/{SUPERVISOR}', DiagnosticStatus, qos.LEASE),
    ('/diagnostics', DiagnosticArray, qos.DIAGNOSTICS),
)
"""What is recorded besides the cameras: observed, wanted, permitted, written, measured."""
LOOK_S = 1.0
AFTER_RUN_S = 2.0


class RecorderNode(ReflexNode):
    """Records the topics of one robot."""

    def __init__(self) -> None:
        super().__init__('recorder', TABLE, 1.0)
        self._recorder: Recorder | None = None
        self._settings: Mapping[str, Any] = {}
        self._inputs: dict[str, Any] = {}
        self._look_timer: Any = None
        self._safety = SafetyState()
        self._moved_at = -AFTER_RUN_S
        self._stops = self.create_publisher(String, 'safety/stop', qos.STOP)

    def _setup(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        robot = self.get_namespace().strip('/') or DRIVER
        self._recorder = Recorder(
            RecorderSettings(
                recordings_folder(settings['folder']), settings['record'],
                before_stop_s=settings['before_stop_s'], queue_mb=settings['queue_mb'],
                ring_mb=settings['memory_mb'], warn_free_mb=settings['warn_free_mb'],
                min_free_mb=settings['min_free_mb']),
            {'name': robot, 'ros_distro': os.environ.get('ROS_DISTRO', '')})
        for topic, kind, profile in TOPICS:
            self._subscribe(self.resolve_topic_name(topic), kind, profile,
                            self._on_state if topic == STATE else None)
        self._look_timer = self.every(LOOK_S, self._look)

    def _teardown(self) -> None:
        if self._look_timer is not None:
            self.destroy_timer(self._look_timer)
        for subscription in self._inputs.values():
            self.destroy_subscription(subscription)
        self._inputs, self._look_timer = {}, None
        if self._recorder is not None:
            self._recorder.close()
        self._recorder = None

    def _subscribe(self, topic: str, kind: type, profile: QoSProfile,
                   also: Any = None) -> None:
        name = f'{kind.__module__.split(".")[0]}/msg/{kind.__name__}'
        self._inputs[topic] = self.create_subscription(
            kind, topic, partial(self._on_message, topic, name, also), profile, raw=True)

    # Messages and timers, in the executor's thread.

    def _on_message(self, topic: str, kind: str, also: Any, data: bytes) -> None:
        if self._recorder is not None:
            self._recorder.put(topic, kind, time.time_ns(), data)
        if also is not None:
            also(data)

    def _on_state(self, data: bytes) -> None:
        safety, recorder = status_codec.decode_bytes(SafetyState, data), self._recorder
        if safety is None or recorder is None:
            return
        before, self._safety = self._safety, safety
        if safety.latched and not before.latched and safety.causes:
            first = safety.causes[0]
            recorder.stopped({'code': first.code.name, 'text': first.text,
                              'state': safety.state.value})
        if safety.state in MOTION:
            self._moved_at = time.monotonic()
            recorder.set_running(True)

    def _look(self) -> None:
        recorder = self._recorder
        if recorder is None:
            return
        is_moving = self._safety.state in MOTION
        if not is_moving and time.monotonic() - self._moved_at > AFTER_RUN_S:
            recorder.set_running(False)
        if self._settings['images']:
            self._look_for_cameras()
        problem = recorder.status().problem
        if problem and is_moving and self._settings['required']:
            self._stops.publish(convert.to_stop(
                self.get_name(), Cause(FaultCode.DISK_FULL, problem)))

    def _look_for_cameras(self) -> None:
        """Subscribe to the pictures of this robot that somebody publishes now."""
        space = self.get_namespace().rstrip('/') + '/'
        kinds = {'sensor_msgs/msg/CompressedImage': CompressedImage}
        if self._settings['raw_images']:
            kinds['sensor_msgs/msg/Image'] = Image
        for topic, found in self.get_topic_names_and_types():
            if topic.startswith(space) and topic not in self._inputs and found[0] in kinds:
                for offer in published(self, [topic]).values():
                    self._subscribe(topic, kinds[found[0]], image_profile(offer.is_reliable))

    @property
    def trouble(self) -> str:
        """Why nothing can be recorded, or what will soon prevent it."""
        status = self._recorder.status() if self._recorder is not None else RecorderStatus()
        return super().trouble or status.problem or status.warning

    def diagnostics(self) -> list[DiagnosticStatus]:
        """Report the file that is written, and what prevents it."""
        status = self._recorder.status() if self._recorder is not None else RecorderStatus(
            problem=self.problem)
        level = DiagnosticStatus.ERROR if status.problem else \
            DiagnosticStatus.WARN if status.warning or status.dropped else DiagnosticStatus.OK
        dropped = f'{status.dropped} messages dropped: the disk does not keep up' \
            if status.dropped else ''
        return [status_codec.entry(f'{self.get_name()}: recording', {
            'file': status.file, 'messages': status.messages, 'bytes': status.written,
            'dropped': status.dropped}, level=level,
            message=status.problem or status.warning or dropped
            or (f'recording to {status.file}' if status.file else 'waiting for a run'))]


def main() -> None:
    """Run the node; it configures and activates itself."""
    sys.exit(run(RecorderNode, autostart=True))


if __name__ == '__main__':
    main()
