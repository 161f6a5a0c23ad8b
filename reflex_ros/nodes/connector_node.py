# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
One robot as a managed node, whichever connector drives it (``runner.connector``).

While inactive, it measures and cannot move the robot. While active, it may move the robot under
a permit. All motion happens in the connector's own thread; this file connects it to topics.

Callbacks run in the executor's thread, except ``_on_sample``, which runs in the connector's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
import gc
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from reflex_ros.config.parameters.spec import Spec
from reflex_ros.domain.authority import CommanderWatch, Handshake, UNKNOWN_S
from reflex_ros.domain.cause import Cause, ChunkRejected
from reflex_ros.domain.component_status import Level
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import DriverBeat, Lifecycle, STREAM, StreamBeat, SUPERVISOR
from reflex_ros.domain.joints import GripperTravel, Vector
from reflex_ros.domain.motion_guard import GuardBounds, MotionGuard
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.domain.sample import JointSample
from reflex_ros.domain.supervision import SafetyState
from reflex_ros.errors import ConfigurationError, ReflexError
from reflex_ros.nodes import convert, qos, status_codec
from reflex_ros.nodes.base import ReflexNode
from reflex_ros.nodes.owners import Owners
from reflex_ros.runner.beats import driver_beat
from reflex_ros.runner.call_thread import CallThread
from reflex_ros.runner.connector import Connector, ConnectorFactory

BEAT_HZ = 20.0
WATCH_S = 0.1
DEACTIVATED = Cause(FaultCode.DEACTIVATED, 'the driver was deactivated')
"""How often the graph is searched for others that could command the arm [s]."""
LEVELS = {Level.OK: DiagnosticStatus.OK, Level.WARN: DiagnosticStatus.WARN,
          Level.ERROR: DiagnosticStatus.ERROR}


class ConnectorNode(ReflexNode):
    """
    The node of one connector.

    :param name: default node name; commands come on the topic ``NAME/command``. The plan goes
        out on ``NAME/_plan``, and what was written to the robot on ``NAME/goals``.
    :param table: parameters of the connector, with ``STOP_TABLE``.
    :param factory: opens the connector at configure.
    """

    def __init__(self, name: str, table: Sequence[Spec], factory: ConnectorFactory) -> None:
        super().__init__(name, table, BEAT_HZ)
        self._has_clock = True
        self._factory = factory
        self._connector: Connector | None = None
        self._guard = MotionGuard(GuardBounds())
        self._joint_names: tuple[str, ...] = ()
        self._travel: GripperTravel | None = None
        self._refused: Counter[FaultCode] = Counter()
        self._foreign_at: float | None = None
        self._handshake = Handshake()
        topics, services = self._guarded_ends(name)
        self._commanders = CommanderWatch(topics | services)
        self._owners = Owners(self, topics, services)
        self._intruders = ''
        self._leaving: Cause | None = None
        self._joint_states = self.create_publisher(JointState, 'joint_states', qos.JOINT_STATES)
        self._goals = self.create_publisher(JointState, f'{name}/goals', qos.JOINT_STATES)
        self._plans = self.create_publisher(JointTrajectory, f'{name}/_plan', qos.CHUNK)
        self._planner: CallThread | None = None
        self.create_subscription(DiagnosticStatus, 'safety/permit', self._on_permit, qos.LEASE)
        self.create_subscription(DiagnosticStatus, f'_beat/{STREAM}', self._on_beat, qos.LEASE)
        self.create_subscription(String, 'safety/stop', self._on_stop, qos.STOP)
        self.create_subscription(JointTrajectory, f'{name}/command', self._on_command, qos.CHUNK)
        self.create_subscription(
            DiagnosticStatus, 'safety/state',
            lambda message: self._handshake.record(status_codec.decode(SafetyState, message)),
            qos.STATE)
        self.every(WATCH_S, self._watch_commanders)

    # Transitions, in the executor's thread.

    def _setup(self, settings: Mapping[str, Any]) -> None:
        soft, hard = settings['stop.soft_s'], settings['stop.hard_s']
        if soft >= hard:
            raise ConfigurationError(f"parameter 'stop.soft_s' is {soft:g}, it must be below "
                                     f"'stop.hard_s' ({hard:g}). Fix one of them")
        self._guard = MotionGuard(GuardBounds(
            permit_soft_s=soft, permit_hard_s=hard, beat_soft_s=soft, beat_hard_s=hard,
            starved_s=settings['stop.starved_s']))
        self._connector = self._factory.open(settings, self._guard)
        arm = self._connector.description
        self._joint_names = arm.joint_names
        # With several grippers, one pair of numbers cannot say which one it belongs to.
        self._travel = arm.gripper_travels[0] if len(arm.grippers) == 1 else None
        # What exists now stays: the collector need not look at it again while the arm moves.
        gc.collect()
        gc.freeze()
        self._planner = CallThread('plan', self._publish_plan)
        self._connector.start(self._on_sample, self._planner.request, self._on_goals)

    def _start(self) -> None:
        connector = self._required()
        self._watch_commanders(unknown_s=0.0)
        refusal = self._guard.refusal_reason(time.monotonic()) or self._handshake.refusal(
            self._guard.permitted_epoch) or self._intruders
        if refusal:
            raise ReflexError(refusal)
        if self._guard.mode is Mode.PARK:
            connector.park()
        else:
            connector.activate()

    def _stop(self) -> None:
        connector = self._required()
        # No beat is sent while it waits for standstill: that must not look like a dead driver.
        self._leaving = DEACTIVATED
        self._publish_beat()
        stands = connector.hold()
        self._leaving = None
        if not stands:
            self.get_logger().error('no standstill was seen before the driver became inactive')

    def _teardown(self) -> None:
        if self._connector is not None:
            self._connector.close()
        if self._planner is not None:
            self._planner.end()
        self._connector = self._planner = None
        gc.unfreeze()

    def _required(self) -> Connector:
        if self._connector is None:
            raise ReflexError('there is no connector: configure the node first')
        return self._connector

    # Messages, in the executor's thread.

    def _on_permit(self, message: DiagnosticStatus) -> None:
        permit = status_codec.decode_complete(Permit, message)
        if permit is not None:
            self._guard.renew_permit(permit, time.monotonic())

    def _on_beat(self, message: DiagnosticStatus) -> None:
        beat = status_codec.decode(StreamBeat, message)
        # A beat without progress proves no work, so it renews no lease.
        if beat.progress >= 0:
            self._guard.renew_beat(beat.progress, beat.fault and beat.fault.as_told(),
                                   time.monotonic())

    def _on_stop(self, message: String) -> None:
        self._guard.fail(convert.from_stop(message).cause)

    def _on_command(self, message: JointTrajectory) -> None:
        try:
            chunk = convert.from_command(message, time.monotonic())
        except ChunkRejected as exc:
            self._foreign_at = time.monotonic()
            # Another program's command, or one without an age: it must not disturb the stream's.
            self._refused[exc.code] += 1
            self.get_logger().warning(f'command refused: {exc}', throttle_duration_sec=5.0)
            return
        if self._connector is not None and self.lifecycle is Lifecycle.ACTIVE:
            self._connector.command(chunk)

    # Who else could command the arm, in the executor's thread.

    def _guarded_ends(self, name: str) -> tuple[dict[str, str], dict[str, str]]:
        """Return the topics and services that lead to motion, each with its only owner."""
        space = self.get_namespace().rstrip('/')
        stream, supervisor = f'{space}/{STREAM}', f'{space}/{SUPERVISOR}'
        return ({f'{space}/{name}/command': stream, f'{space}/safety/permit': supervisor,
                 f'{space}/safety/state': supervisor},
                {f'{space}/{name}/change_state': f'{space}/{name}',
                 f'{stream}/change_state': stream})

    def _watch_commanders(self, unknown_s: float = UNKNOWN_S) -> None:
        now = time.monotonic()
        intruders = self._commanders.intruders(self._owners.find(now), now, unknown_s=unknown_s)
        if intruders:
            self._guard.fail(Cause(FaultCode.TWO_COMMANDERS, intruders))
            if intruders != self._intruders:
                self.get_logger().error(intruders)
        self._intruders = intruders

    # In the planner's thread.

    def _publish_plan(self) -> None:
        connector = self._connector
        if connector is None or not self._plans.get_subscription_count():
            return
        outlook = connector.outlook()
        if outlook is not None:
            now = time.monotonic()
            age_ns = int((now - outlook.made_at) * 1e9)
            self._plans.publish(convert.to_plan(
                outlook, self._joint_names, now,
                convert.to_time(self.get_clock().now().nanoseconds - age_ns)))

    # In the connector's thread.

    def _on_sample(self, sample: JointSample) -> None:
        # rcl publishers may be used from any thread.
        age_ns = int((time.monotonic() - sample.taken_at) * 1e9)
        now_ns = self.get_clock().now().nanoseconds
        self._has_clock = now_ns > 0
        # With use_sim_time and no /clock, the time is 0.
        stamp = convert.to_time(max(now_ns - age_ns, 0))
        self._joint_states.publish(convert.to_joint_state(sample, self._joint_names, stamp))

    def _on_goals(self, goals: Vector) -> None:
        if self._goals.get_subscription_count():
            self._goals.publish(convert.to_goals(goals, self._joint_names,
                                                 self.get_clock().now().to_msg()))

    # What the node says of itself, in the executor's thread.

    def beat(self) -> DriverBeat:
        """Return what the connector does; due at ``BEAT_HZ``, by the executor."""
        self._guard.record_listening(time.monotonic())
        if self._connector is None:
            # Nobody asks the servos: those that were under torque hold the arm as before.
            return DriverBeat(*self.identity(), torque_known=False)
        report = self._connector.report()
        return driver_beat(
            self.identity(), replace(report, cause=report.cause or self._leaving),
            travel=self._travel,
            refused=self._refused, permit_age_s=self._guard.permit_age_s(time.monotonic()),
            foreign_s=-1.0 if self._foreign_at is None else time.monotonic() - self._foreign_at,
            intruders=self._intruders)

    def diagnostics(self) -> list[DiagnosticStatus]:
        """Report the link, the joints and their power; before a measurement, the node itself."""
        parts = self._connector.diagnostics() if self._connector is not None else ()
        if not parts:
            level = DiagnosticStatus.ERROR if self.problem else DiagnosticStatus.OK
            return [status_codec.entry(f'{self.get_name()}: driver', {}, level=level,
                                       message=self.problem or self.lifecycle.value)]
        guard = self._guard
        leases = status_codec.entry(f'{self.get_name()}: driver/leases', {
            'longest_permit_gap_ms': round(guard.longest_permit_gap_s * 1e3, 1),
            'longest_beat_gap_ms': round(guard.longest_beat_gap_s * 1e3, 1)},
            hardware_id=parts[0].hardware_id)
        clock = [] if self._has_clock else [status_codec.entry(
            f'{self.get_name()}: driver/clock', {}, level=DiagnosticStatus.WARN,
            message='no time: use_sim_time is true, and nobody publishes /clock. Set it to false',
            hardware_id=parts[0].hardware_id)]
        return [leases, *clock, *(
            status_codec.entry(f'{self.get_name()}: driver/{part.name}', part.values,
                               level=LEVELS[part.level], message=part.message,
                               hardware_id=part.hardware_id) for part in parts)]
