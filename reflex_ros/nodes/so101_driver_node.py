# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``so101``: the SO-101 arm as a managed node.

Inactive it measures and cannot move the arm; active it may, under a permit. All motion happens in
the thread of the connector (``runner.connector``, here the SO-101's); this file connects it to
topics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
import gc
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from reflex_ros.domain.cause import ChunkRejected
from reflex_ros.domain.component_status import Level
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import DriverBeat, Lifecycle, StreamBeat
from reflex_ros.domain.motion_guard import GuardBounds, MotionGuard
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.arm_build import BUILDS
from reflex_ros.hardware.so101 import JOINT_NAMES
from reflex_ros.nodes import convert, qos, status_codec
from reflex_ros.nodes.base import ReflexNode
from reflex_ros.nodes.parameters import Spec
from reflex_ros.nodes.process import run
from reflex_ros.runner.connector import Connector
from reflex_ros.runner.connectors import connector_factory

TABLE = (
    Spec('port', '', 'serial port of the arm, e.g. /dev/serial/by-id/...; empty looks for the arm '
         'as `reflex so101 find` does, at REFLEX_SO101_PORT first'),
    Spec('baud', 1_000_000, "speed of the servo bus; found out when 'port' is empty", 'bit/s',
         38_400, 1_000_000),
    Spec('rate_hz', 100.0, 'rate of the bus cycle', 'Hz', 20.0, 200.0),
    Spec('profile', 'follower', 'build of the arm; a leader is measured, and never moved',
         choices=tuple(BUILDS)),
    Spec('calibration_file', '', 'LeRobot calibration that the servos must agree with, as a path '
         "(.json) or as LeRobot's id of the arm; empty takes what they hold"),
    *(Spec(f'trim.{name}', 0.0, f'added to every angle of {name}: how far its zero is off the '
           "model's", 'rad', -0.35, 0.35) for name in JOINT_NAMES),
    Spec('limits.velocity', 2.0, 'largest speed of a commanded joint', 'rad/s', 0.05, 2.0),
    Spec('limits.jump', 0.1745, 'largest distance from where the arm is to the first row of a '
         'chunk; not for the gripper, which may hold something', 'rad', 0.01, 0.35),
    Spec('limits.lead', 0.1745, 'largest distance between goal and measured position', 'rad',
         0.02, 0.1745),
    Spec('limits.chunk_age_s', 1.0, 'oldest observation that a chunk may answer', 's', 0.1, 2.0),
    Spec('limits.clamp', False, 'bring rows outside the joint limits to the limit instead of '
         'refusing the chunk'),
    Spec('stop.acceleration', 10.0, 'of the ramp to rest', 'rad/s^2', 2.0, 10.0),
    Spec('stop.soft_s', 0.06, 'silence of supervisor or stream after which the arm slows down',
         's', 0.04, 0.2),
    Spec('stop.hard_s', 0.2, 'silence after which it stops for good', 's', 0.1, 0.5),
    Spec('stop.starved_s', 2.0, 'how long there may be nothing to play', 's', 0.2, 10.0),
)
BEAT_HZ = 20.0
_LEVELS = {Level.OK: DiagnosticStatus.OK, Level.WARN: DiagnosticStatus.WARN,
           Level.ERROR: DiagnosticStatus.ERROR}


class So101DriverNode(ReflexNode):
    """The connector of an SO-101."""

    def __init__(self) -> None:
        super().__init__('so101', TABLE, BEAT_HZ)
        self._factory = connector_factory('so101')
        self._connector: Connector | None = None
        self._guard = MotionGuard(GuardBounds())
        self._refused: Counter[FaultCode] = Counter()
        self._foreign_at: float | None = None
        self._joint_states = self.create_publisher(JointState, 'joint_states', qos.JOINT_STATES)
        self.create_subscription(DiagnosticStatus, 'safety/permit', self._on_permit, qos.LEASE)
        self.create_subscription(DiagnosticStatus, 'beat/action_stream', self._on_beat, qos.LEASE)
        self.create_subscription(String, 'safety/stop', self._on_stop, qos.STOP)
        self.create_subscription(JointTrajectory, 'so101/command', self._on_command, qos.CHUNK)

    def _setup(self, settings: Mapping[str, Any]) -> None:
        soft, hard = settings['stop.soft_s'], settings['stop.hard_s']
        if soft >= hard:
            raise ConfigurationError(f"parameter 'stop.soft_s' is {soft:g}, it must be below "
                                     f"'stop.hard_s' ({hard:g}). Fix one of them")
        self._guard = MotionGuard(GuardBounds(
            permit_soft_s=soft, permit_hard_s=hard, beat_soft_s=soft, beat_hard_s=hard,
            starved_s=settings['stop.starved_s']))
        self._connector = self._factory.open(settings, self._guard)
        # What exists now stays: the collector need not look at it again while the arm moves.
        gc.collect()
        gc.freeze()
        self._connector.start(self._on_sample)

    def _start(self) -> None:
        assert self._connector is not None
        if self._guard.mode is Mode.PARK:
            self._connector.park()
        else:
            self._connector.activate()

    def _stop(self) -> None:
        assert self._connector is not None
        if not self._connector.hold():
            self.get_logger().error('no standstill was seen before the driver became inactive')

    def _teardown(self) -> None:
        if self._connector is not None:
            self._connector.close()
        self._connector = None

    def _on_sample(self, sample: JointSample) -> None:
        # In the connector's thread: rcl publishers may be used from any thread.
        connector = self._connector
        if connector is None:
            return
        age_ns = int((time.monotonic() - sample.taken_at) * 1e9)
        stamp = convert.to_time(self.get_clock().now().nanoseconds - age_ns)
        self._joint_states.publish(convert.to_joint_state(
            sample, connector.description.joint_names, stamp))

    def _on_permit(self, message: DiagnosticStatus) -> None:
        permit = status_codec.decode_complete(Permit, message)
        if permit is not None:
            self._guard.renew_permit(permit, time.monotonic())

    def _on_beat(self, message: DiagnosticStatus) -> None:
        beat = status_codec.decode(StreamBeat, message)
        # A message that names no progress proves no work, whoever sent it.
        if beat.progress >= 0:
            self._guard.renew_beat(beat.progress, beat.fault, time.monotonic())

    def _on_stop(self, message: String) -> None:
        self._guard.fail(convert.from_stop(message).cause)

    def _on_command(self, message: JointTrajectory) -> None:
        try:
            chunk = convert.from_command(message, time.monotonic())
        except ChunkRejected as exc:
            self._foreign_at = time.monotonic()
            # Somebody else's command, or one that we cannot date: it must not disturb ours.
            self._refused[exc.code] += 1
            self.get_logger().warning(f'command refused: {exc}', throttle_duration_sec=5.0)
            return
        if self._connector is not None and self.lifecycle is Lifecycle.ACTIVE:
            self._connector.command(chunk)

    def beat(self) -> DriverBeat:
        """Tell what the bus thread does."""
        if self._connector is None:
            return DriverBeat(*self.identity())
        report = self._connector.report()
        travel = self._connector.description.gripper_travels[0]
        return DriverBeat(
            *self.identity(),
            gripper_closed_rad=travel.closed, gripper_open_rad=travel.opened,
            motion=report.state, torque=report.has_torque, epoch=report.epoch,
            at_rest=report.at_rest, parked=report.is_parked, cause=report.cause,
            port_lost=report.link_lost, cycles=report.cycles,
            missed_cycles=report.missed_cycles, late_cycles=report.late_cycles,
            refused_samples=report.refused_samples, degraded=report.is_degraded,
            rate_hz=report.rate_hz, cycle_ms_p50=report.cycle_ms_p50,
            cycle_ms_p99=report.cycle_ms_p99, late_ms_p99=report.late_ms_p99,
            late_ms_max=report.late_ms_max, max_step_rad=report.max_step_rad,
            playback_rate=report.playback_rate, starved=report.is_starved,
            lead_slowdowns=report.lead_slowdowns, accepted=report.accepted,
            foreign_s=-1.0 if self._foreign_at is None else time.monotonic() - self._foreign_at,
            rejected=self._refused + Counter(report.rejected), setpoint=report.setpoint)

    def diagnostics(self) -> list[DiagnosticStatus]:
        """Report bus, servos and power."""
        parts = self._connector.diagnostics() if self._connector is not None else ()
        if not parts:
            level = DiagnosticStatus.ERROR if self.problem else DiagnosticStatus.OK
            return [status_codec.entry('so101: driver', {}, level=level,
                                      message=self.problem or self.lifecycle.value)]
        return [status_codec.entry(f'so101: driver/{part.name}', part.values,
                                   level=_LEVELS[part.level], message=part.message,
                                   hardware_id=part.hardware_id) for part in parts]


def main() -> None:
    """Run the node."""
    # The bus thread waits for the interpreter's lock at most this long.
    sys.setswitchinterval(0.0005)
    sys.exit(run(So101DriverNode))


if __name__ == '__main__':
    main()
