# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``supervisor``: system state, promotion gate, permit lease, latch, lifecycle of the others.

Everything is decided in ``runner.supervisor``. This file passes beats, requests and time to it,
and publishes permits, states and lifecycle requests. It shares its process with nothing that it
supervises.

Everything runs in the executor's thread and never blocks, except for writing the latch file, at
each change of state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import os
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger

from reflex_ros.config.parameters.supervisor import TABLE
from reflex_ros.domain import supervision
from reflex_ros.domain.authority import HANDSHAKES
from reflex_ros.domain.heartbeats import (
    DRIVER,
    DriverBeat,
    STREAM,
    StreamBeat,
    SUPERVISOR,
    SupervisorBeat,
)
from reflex_ros.domain.safe_stop import Event, SafeStop, State
from reflex_ros.nodes import convert, qos, status_codec
from reflex_ros.nodes.base import ReflexNode
from reflex_ros.nodes.managed_node import ManagedNode
from reflex_ros.nodes.process import run
from reflex_ros.runner.latch_file import latch_path, LatchFile
from reflex_ros.runner.supervisor import (
    ASKED_TO_STOP,
    GATE_S,
    GateSettings,
    PERMIT_HZ,
    Supervisor,
)

BEAT_HZ = 10.0
REPLUG_S = 0.5
"""Time between two tries to configure the arm [s]: its cable may have been plugged in again."""
HANG_S = 3.0
"""It never waits for anything: after so long it hangs [s]."""
REQUESTS = {'promote': Event.PROMOTE, 'demote': Event.DEMOTE, 'stop': Event.STOP,
            'park': Event.PARK, 'reset': Event.RESET}
"""Services of the operator and their events."""


class SupervisorNode(ReflexNode):
    """Permits motion, stops, and resets."""

    def __init__(self) -> None:
        super().__init__(SUPERVISOR, TABLE, BEAT_HZ)
        self._made: Supervisor | None = None
        self._permits = self.create_publisher(DiagnosticStatus, 'safety/permit', qos.LEASE)
        self._states = self.create_publisher(DiagnosticStatus, 'safety/state', qos.STATE)
        self._stops = self.create_publisher(String, 'safety/stop', qos.STOP)
        for name, on_beat in ((DRIVER, self._on_driver), (STREAM, self._on_stream),
                              (SUPERVISOR, self._on_supervisor)):
            self.create_subscription(DiagnosticStatus, f'_beat/{name}', on_beat, qos.LEASE)
        self.create_subscription(String, 'safety/stop', self._on_stop, qos.STOP)
        self._managed_driver = ManagedNode(self, DRIVER, REPLUG_S)
        self._managed_stream = ManagedNode(self, STREAM)
        for name, event in REQUESTS.items():
            self.create_service(Trigger, f'~/{name}', self._handler(event))
        self.create_service(Trigger, '~/gate', self._on_gate)
        self._own_timers: list[Any] = []
        self._locks: list[Any] = []

    @property
    def _supervisor(self) -> Supervisor | None:
        """Without settings, latch and permits it must not drive the other nodes: None then."""
        return self._made if self.parameters.is_configured else None

    def _setup(self, settings: Mapping[str, Any]) -> None:
        latch = latch_path(settings['state_dir'], self.get_namespace(), os.environ)
        self._made = Supervisor(
            GateSettings(settings['gate.dry_run_s'], settings['gate.chunk_age_s'],
                         settings['gate.min_expiry_s'], settings['gate.allow_remarks']),
            LatchFile(latch), self._on_change, auto_dry_run=settings['auto_dry_run'],
            allow_remote_promotion=settings['allow_remote_promotion'],
            stop_devices=settings['stop_devices'])
        self._locks = [self.create_subscription(
            Bool, f'safety/locks/{name}', self._lock_handler(name), qos.LEASE)
            for name in settings['stop_devices']]
        self._own_timers = [self.every(1.0 / PERMIT_HZ, self._tick),
                            self.every(GATE_S, self._evaluate_gate)]

    def _teardown(self) -> None:
        if (supervisor := self._supervisor) is not None:
            supervisor.shut_down()
            self._publish_permit(supervisor)
            self._publish_state(supervisor)
        for timer in self._own_timers:
            self.destroy_timer(timer)
        for lock in self._locks:
            self.destroy_subscription(lock)
        self._own_timers, self._locks = [], []

    # Messages and requests.

    def _on_driver(self, message: DiagnosticStatus) -> None:
        if (supervisor := self._supervisor) is not None:
            supervisor.see_driver(status_codec.decode(DriverBeat, message),
                                  self._managed_driver.refusals)

    def _on_stream(self, message: DiagnosticStatus) -> None:
        if (supervisor := self._supervisor) is not None:
            supervisor.see_stream(status_codec.decode(StreamBeat, message))

    def _on_supervisor(self, message: DiagnosticStatus) -> None:
        if (supervisor := self._supervisor) is not None:
            supervisor.see_instance(SUPERVISOR, status_codec.decode(SupervisorBeat, message))

    def _on_stop(self, message: String) -> None:
        request, supervisor = convert.from_stop(message), self._supervisor
        if supervisor is not None and request.source != self.get_name():
            supervisor.stop(request.cause, is_fault=request.source == STREAM)

    def _lock_handler(self, name: str) -> Callable[[Bool], None]:
        def handle(message: Bool) -> None:
            if (supervisor := self._supervisor) is not None:
                pressed = supervisor.see_stop_device(name, is_released=bool(message.data))
                if pressed is not None:
                    self._stops.publish(convert.to_stop(self.get_name(), pressed))
        return handle

    def _handler(self, event: Event) -> Any:
        def handle(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            if event is Event.STOP:
                # The driver first: it stops without waiting for the next permit.
                self._stops.publish(convert.to_stop(self.get_name(), ASKED_TO_STOP))
            supervisor = self._supervisor
            if supervisor is None:
                refusal = ('refused: the supervisor is not configured, so nothing may move. '
                           f'{self.problem or "Configure it"}')
            else:
                refusal = supervisor.request(event)
            response.success = not refusal
            response.message = refusal or f'{event.value}: now {self._machine.state.value}'
            return response
        return handle

    def _on_gate(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._made is not None and self._made.is_gate_green
        response.message = self._made.gate_report() if self._made is not None else (
            f'not evaluated yet: {self.problem or "the supervisor is not configured"}')
        return response

    # Time.

    def _tick(self) -> None:
        if (supervisor := self._supervisor) is not None:
            supervisor.tick()
            self._publish_permit(supervisor)

    def _evaluate_gate(self) -> None:
        if (supervisor := self._supervisor) is not None:
            supervisor.evaluate_gate()
            self._steer(supervisor)
            self._publish_state(supervisor)

    # Effects.

    @property
    def _machine(self) -> SafeStop:
        return self._made.machine if self._made is not None else SafeStop()

    def _on_change(self, before: SafeStop, machine: SafeStop) -> None:
        assert self._made is not None
        if machine.state is not before.state:
            for managed in (self._managed_driver, self._managed_stream):
                managed.forget_refusals()
            change = f'{before.state.value} -> {machine.state.value}'
            # One call site per severity: rclpy refuses a site that changes its severity.
            if machine.causes:
                first = machine.causes[0]
                self.get_logger().error(f'{change} ({first.code.name}: {first.text})')
            else:
                self.get_logger().info(change)
            self._publish_permit(self._made)
            if machine.state not in HANDSHAKES:
                # The driver must have heard that the arm is armed before it is activated: the
                # next evaluation of the gate does that.
                self._steer(self._made)
        self._publish_state(self._made)

    def _steer(self, supervisor: Supervisor) -> None:
        wanted = supervisor.wanted_lifecycles()
        if wanted is None:
            return
        seen, now = supervisor.seen, time.monotonic()
        for managed, beat, at, target in (
                (self._managed_driver, seen.driver, seen.driver_at, wanted[0]),
                (self._managed_stream, seen.stream, seen.stream_at, wanted[1])):
            if now - at < supervision.DRIVER_LOST_S:
                managed.steer(beat.lifecycle, target)

    def _publish_permit(self, supervisor: Supervisor) -> None:
        self._permits.publish(status_codec.encode('safety/permit', supervisor.permit()))

    def _publish_state(self, supervisor: Supervisor) -> None:
        safety = supervisor.safety_state()
        level = DiagnosticStatus.ERROR if safety.latched else (
            DiagnosticStatus.WARN if safety.state is State.DEGRADED else DiagnosticStatus.OK)
        self._states.publish(status_codec.encode('safety/state', safety, level=level,
                                                 message=safety.why))

    def beat(self) -> SupervisorBeat:
        """Return the present state and epoch."""
        machine = self._machine
        return SupervisorBeat(*self.identity(), state=machine.state, epoch=machine.epoch)

    def diagnostics(self) -> list[DiagnosticStatus]:
        """Report the state and its causes."""
        machine = self._machine
        why = self._made.safety_state().why if self._made is not None else self.problem
        return [status_codec.entry(
            'supervisor: safety', {'state': machine.state,
                                   'causes': [cause.code.name for cause in machine.causes]},
            level=DiagnosticStatus.ERROR if machine.causes else DiagnosticStatus.OK,
            message=why or machine.state.value)]


def main() -> None:
    """Run the node; it configures and activates itself."""
    sys.exit(run(SupervisorNode, autostart=True, hang_s=HANG_S))


if __name__ == '__main__':
    main()
