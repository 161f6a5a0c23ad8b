# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``leader``: publishes the pose of an arm that a person moves by hand, without torque.

The angles are those of the arm that follows: its gripper is opened by the same share of its
travel. Nothing is written to the leader. Whether anybody follows it is decided elsewhere
(``runner.intervention``). A leader that is lost is opened again every second.
"""

from __future__ import annotations

from collections.abc import Mapping
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import JointState

from reflex_ros.config.parameters import so101
from reflex_ros.config.parameters.leader import TABLE
from reflex_ros.domain.heartbeats import DRIVER, DriverBeat, LEADER, Lifecycle
from reflex_ros.domain.joints import GripperTravel
from reflex_ros.domain.motion_guard import GuardBounds, MotionGuard
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import ConfigurationError, ReflexError
from reflex_ros.hardware.so101_connector import So101Factory
from reflex_ros.nodes import convert, qos, status_codec
from reflex_ros.nodes.base import ReflexNode
from reflex_ros.nodes.process import run
from reflex_ros.runner.connector import Connector

LOOK_S = 1.0
SILENT_S = 5.0
"""Time without a beat of the driver after which it is listened to anew."""


class LeaderNode(ReflexNode):
    """An SO-101 that is only read."""

    def __init__(self) -> None:
        super().__init__(LEADER, TABLE, 1.0)
        self._factory = So101Factory()
        self._settings: Mapping[str, Any] = {}
        self._arm: Connector | None = None
        self._look_timer: Any = None
        self._follower: GripperTravel | None = None
        self._travel_due_at = 0.0
        self._warning = ''
        self._joint_states = self.create_publisher(JointState, '~/joint_states',
                                                   qos.JOINT_STATES)
        self._beats: Any = None
        self._beat_at = 0.0
        self._listen_to_driver()

    def _setup(self, settings: Mapping[str, Any]) -> None:
        if not settings['port']:
            raise ConfigurationError("parameter 'port' is empty: name the port of the leader, for "
                                     'example -p port:=/dev/so101_leader. `reflex so101 find` '
                                     'lists the ports')
        self._settings = settings
        self._open()
        self._look_timer = self.every(LOOK_S, self._look)

    def _teardown(self) -> None:
        if self._look_timer is not None:
            self.destroy_timer(self._look_timer)
        self._look_timer = None
        self._close()

    def _open(self) -> None:
        defaults = {row.name: row.default for row in so101.TABLE}
        self._arm = self._factory.open(
            {**defaults, **self._settings, 'profile': 'leader'}, MotionGuard(GuardBounds()))
        self._arm.start(self._on_sample)

    def _close(self) -> None:
        arm, self._arm = self._arm, None
        if arm is not None:
            arm.close()

    def _look(self) -> None:
        """Open a leader that was lost again, and see whether a hand can move it."""
        # As in action_stream: rarely, a subscription never hears anything on a busy machine.
        if time.monotonic() - self._beat_at > SILENT_S:
            self._listen_to_driver()
        if self._arm is not None and self._arm.report().link_lost:
            self._close()
        if self._arm is None:
            try:
                self._open()
            except ReflexError as exc:
                self._say(str(exc))
                return
        assert self._arm is not None
        report = self._arm.report()
        self._say('the leader is under torque, so no hand can move it. Run `reflex so101 '
                  f'torque-off --port {self._settings["port"]}`' if report.has_torque else
                  '; '.join(report.unfit.values()))

    def _say(self, warning: str) -> None:
        """Log why nobody can lead with it, once."""
        if warning and warning != self._warning:
            self.get_logger().warning(warning)
        self._warning = warning

    def _listen_to_driver(self) -> None:
        if self._beats is not None:
            self.destroy_subscription(self._beats)
        self._beat_at = time.monotonic()
        self._beats = self.create_subscription(
            DiagnosticStatus, f'_beat/{DRIVER}', self._on_driver, qos.LEASE, raw=True)

    def _on_driver(self, message: bytes) -> None:
        now = self._beat_at = time.monotonic()
        if now < self._travel_due_at:
            return
        beat = status_codec.decode_bytes(DriverBeat, message)
        if beat is not None and beat.gripper_travel is not None:
            self._follower, self._travel_due_at = beat.gripper_travel, now + LOOK_S

    def _on_sample(self, sample: JointSample) -> None:
        """Publish the pose, once the travel of the follower's gripper is known; the bus thread."""
        arm, follower = self._arm, self._follower
        if arm is None or follower is None or self.lifecycle is not Lifecycle.ACTIVE \
                or arm.report().has_torque:
            return
        pose = sample.position.copy()
        for index, travel in zip(arm.description.grippers, arm.description.gripper_travels,
                                 strict=True):
            pose[index] = follower.to_rad(travel.to_percent(float(pose[index])))
        self._joint_states.publish(convert.to_goals(
            pose, arm.description.joint_names, self.get_clock().now().to_msg()))

    def diagnostics(self) -> list[DiagnosticStatus]:
        """Report whether a person can lead with this arm."""
        if self._look_timer is None:
            return []
        waits = '' if self._follower is not None else \
            'the arm that follows is not heard yet (does its driver run?)'
        return [status_codec.entry(
            f'{self.get_name()}: arm', {'port': self._settings['port']},
            level=DiagnosticStatus.WARN if self._warning or waits else DiagnosticStatus.OK,
            message=self._warning or waits or 'ready')]


def main() -> None:
    """Run the node; it configures and activates itself."""
    sys.exit(run(LeaderNode, autostart=True))


if __name__ == '__main__':
    main()
