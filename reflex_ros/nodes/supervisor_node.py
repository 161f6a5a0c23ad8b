# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``supervisor``: system state, promotion gate, permit lease, latch, lifecycle of the others.

All decisions are pure functions (``domain.supervision``, ``domain.safe_stop``, ``domain.gate``).
This file passes beats, requests and time to them, and publishes permits, states and lifecycle
requests. It shares its process with nothing that it supervises.

Everything runs in the executor's thread and never blocks, except for writing the latch file, at
each change of state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
import os
from pathlib import Path
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import String
from std_srvs.srv import Trigger

from reflex_ros.domain import supervision
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.duplicate_nodes import InstanceWatch
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.gate import evaluate, GateInputs, GateItem
from reflex_ros.domain.heartbeats import (
    Beat,
    DRIVER,
    DriverBeat,
    STREAM,
    StreamBeat,
    SUPERVISOR,
    SupervisorBeat,
)
from reflex_ros.domain.safe_stop import elapse, Event, MOTION, react, SafeStop, State
from reflex_ros.domain.supervision import Happening, NodesSeen
from reflex_ros.nodes import convert, qos, status_codec
from reflex_ros.nodes.base import ReflexNode
from reflex_ros.nodes.managed_node import ManagedNode
from reflex_ros.nodes.parameters import Spec
from reflex_ros.nodes.process import run
from reflex_ros.runner.latch_file import ARMED, LatchFile

TABLE = (
    Spec('gate.dry_run_s', 10.0, 'Time for which the policy must have run in dry_run.', 's', 1.0,
         3600.0),
    Spec('gate.chunk_age_s', 2.0, 'Largest age of the observation that a chunk answers. The gate '
         'is red from 70 % of it on.', 's', 0.1, 2.5),
    Spec('gate.min_expiry_s', 300.0, 'Time that must be left until the session ends.', 's', 0.0,
         3600.0),
    Spec('auto_dry_run', True, 'Open a session in dry_run as soon as all nodes are configured.'),
    Spec('allow_remote_promotion', False, 'Promote when somebody promotes the session at the '
         'service (dashboard, `reflex sessions promote`) and the gate is green. Otherwise the arm '
         'waits for `reflex promote`.'),
    Spec('state_dir', '', 'Folder of the latch file. If it is empty: reflex_ros in '
         'XDG_STATE_HOME, or in ~/.local/state.'),
)
BEAT_HZ = 10.0
PERMIT_HZ = 50.0
GATE_S = 0.1
HISTORY = 30
REPLUG_S = 0.5
"""Time between two tries to configure the arm [s]: its cable may have been plugged in again."""
REQUESTS = {'promote': Event.PROMOTE, 'demote': Event.DEMOTE, 'stop': Event.STOP,
            'park': Event.PARK, 'reset': Event.RESET}
"""Services of the operator and their events."""
ASKED_TO_STOP = Cause(FaultCode.OP_STOP, 'a person asked to stop')


class SupervisorNode(ReflexNode):
    """Permits motion, stops, and resets."""

    def __init__(self) -> None:
        super().__init__(SUPERVISOR, TABLE, BEAT_HZ)
        self._machine = SafeStop()
        self._seen = NodesSeen()
        self._ticked_at = time.monotonic()
        self._gate: tuple[GateItem, ...] = ()
        self._instances = {name: InstanceWatch()
                           for name in (SUPERVISOR, DRIVER, STREAM)}
        self._history: deque[tuple[State, float]] = deque(maxlen=HISTORY)
        self._latch: LatchFile | None = None
        self._settings: Mapping[str, Any] = {}
        self._permits = self.create_publisher(DiagnosticStatus, 'safety/permit', qos.LEASE)
        self._states = self.create_publisher(DiagnosticStatus, 'safety/state', qos.STATE)
        self._stops = self.create_publisher(String, 'safety/stop', qos.STOP)
        for name, on_beat in ((DRIVER, self._on_driver), (STREAM, self._on_stream),
                              (SUPERVISOR, self._on_supervisor)):
            self.create_subscription(DiagnosticStatus, f'beat/{name}', on_beat, qos.LEASE)
        self.create_subscription(String, 'safety/stop', self._on_stop, qos.STOP)
        self._managed_driver = ManagedNode(self, DRIVER, REPLUG_S)
        self._managed_stream = ManagedNode(self, STREAM)
        for name, event in REQUESTS.items():
            self.create_service(Trigger, f'~/{name}', self._handler(event))
        self.create_service(Trigger, '~/gate', self._on_gate)
        self._own_timers: list[Any] = []

    def _setup(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        folder = Path(settings['state_dir'] or Path(
            os.environ.get('XDG_STATE_HOME') or '~/.local/state') / 'reflex_ros').expanduser()
        name = self.get_namespace().strip('/').replace('/', '_') or 'default'
        self._latch = LatchFile(folder / f'latch-{name}.json')
        causes = self._latch.load()
        # Epochs must not repeat after a restart, or a late message of the last run would count.
        epoch = int(time.time()) % 10 ** 8
        self._machine = SafeStop(State.FAULT if causes else State.UNCONFIGURED, epoch, causes,
                                 time.monotonic())
        self._history.append((self._machine.state, self._machine.since))
        self._own_timers = [self.every(1.0 / PERMIT_HZ, self._tick),
                            self.every(GATE_S, self._evaluate_gate)]

    def _teardown(self) -> None:
        if self._machine.state is not State.UNCONFIGURED:
            self._apply(Happening(Event.SHUTDOWN))
            self._publish_permit()
            self._publish_state()
        for timer in self._own_timers:
            self.destroy_timer(timer)
        self._own_timers = []

    # Messages and requests.

    def _on_driver(self, message: DiagnosticStatus) -> None:
        beat = status_codec.decode(DriverBeat, message)
        self._record_instance(DRIVER, beat)
        self._seen = self._seen.with_driver(beat, time.monotonic())
        self._apply_all(supervision.driver_events(self._machine, self._seen,
                                                  self._managed_driver.refusals))

    def _on_stream(self, message: DiagnosticStatus) -> None:
        beat = status_codec.decode(StreamBeat, message)
        self._record_instance(STREAM, beat)
        is_promoted = supervision.is_promoted_at_service(self._seen.stream, beat)
        self._seen = self._seen.with_stream(beat, time.monotonic())
        self._apply_all(supervision.stream_events(self._machine, self._seen))
        if is_promoted and self._settings.get('allow_remote_promotion'):
            self._request(Event.PROMOTE, 'promoted at the service')

    def _on_supervisor(self, message: DiagnosticStatus) -> None:
        self._record_instance(SUPERVISOR, status_codec.decode(SupervisorBeat, message))

    def _on_stop(self, message: String) -> None:
        request = convert.from_stop(message)
        if request.source == self.get_name():
            return
        is_fault = request.source == STREAM
        self._apply(Happening(Event.FAULT if is_fault else Event.STOP, request.cause))

    def _handler(self, event: Event) -> Any:
        def handle(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            if event is Event.STOP:
                # The driver first: it stops without waiting for the next permit.
                self._stops.publish(convert.to_stop(self.get_name(), ASKED_TO_STOP))
            refusal = self._request(event, event.value)
            response.success = not refusal
            response.message = refusal or f'{event.value}: now {self._machine.state.value}'
            return response
        return handle

    def _request(self, event: Event, asked: str) -> str:
        """
        Apply a request for an event, and return why it is refused; empty if it is not.

        :param asked: what was asked, for the log.
        """
        refusal = self._refusal_reason(event)
        if not refusal:
            self._apply(Happening(event, ASKED_TO_STOP if event is Event.STOP else None))
        self.get_logger().info(f'{asked}: {refusal or f"now {self._machine.state.value}"}')
        return refusal

    def _refusal_reason(self, event: Event) -> str:
        if not self.parameters.is_configured:
            return ('refused: the supervisor is not configured, so nothing may move. '
                    f'{self.problem or "Configure it"}')
        return supervision.refusal_reason(self._machine, self._seen, self._gate, event,
                                          time.monotonic())

    def _on_gate(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = bool(self._gate) and all(item.is_green for item in self._gate)
        response.message = supervision.gate_report(self._machine, self._seen, self._gate,
                                                   time.monotonic())
        return response

    # Time.

    def _tick(self) -> None:
        now = time.monotonic()
        late_s = now - self._ticked_at - 1.0 / PERMIT_HZ
        self._ticked_at = now
        self._seen = self._seen.after_stall(late_s, now)
        machine = elapse(self._machine, now, time.time())
        if machine is not self._machine:
            self._adopt(machine)
        self._apply_all(supervision.silence_events(self._machine, self._seen, now))
        self._publish_permit()

    def _evaluate_gate(self) -> None:
        now = time.monotonic()
        self._gate = evaluate(GateInputs(
            driver=self._seen.driver, stream=self._seen.stream,
            driver_age_s=now - self._seen.driver_at, stream_age_s=now - self._seen.worked_at,
            is_latched=self._machine.is_latched, duplicates=self._duplicates(now),
            dry_run_s=self._settings['gate.dry_run_s'],
            max_age_ms=self._settings['gate.chunk_age_s'] * 1e3,
            min_expiry_s=self._settings['gate.min_expiry_s']))
        is_green = all(item.is_green for item in self._gate)
        self._apply(Happening(Event.GATE_GREEN if is_green else Event.GATE_RED))
        self._steer()
        self._publish_state()

    def _record_instance(self, name: str, beat: Beat) -> None:
        now = time.monotonic()
        self._instances[name].record(beat.instance, now)
        self._apply_all(supervision.duplicate_events(self._machine, self._duplicates(now)))

    def _duplicates(self, now: float) -> tuple[str, ...]:
        return tuple(name for name, watch in self._instances.items() if watch.is_double(now))

    # Effects.

    def _apply_all(self, happenings: Iterable[Happening]) -> None:
        for happening in happenings:
            self._apply(happening)

    def _apply(self, happening: Happening) -> None:
        if not self.parameters.is_configured:
            # Without settings, latch and permits it must not drive the other nodes.
            return
        if happening.remark:
            self.get_logger().warning(happening.remark)
        machine = react(self._machine, happening.event, time.monotonic(), cause=happening.cause,
                        wall_time=time.time())
        if machine != self._machine:
            self._adopt(machine)

    def _adopt(self, machine: SafeStop) -> None:
        before, self._machine = self._machine, machine
        if machine.state is not before.state:
            self._seen = self._seen.in_new_state()
            self._history.append((machine.state, machine.since))
            for managed in (self._managed_driver, self._managed_stream):
                managed.forget_refusals()
            change = f'{before.state.value} -> {machine.state.value}'
            # One call site per severity: rclpy refuses a site that changes its severity.
            if machine.causes:
                first = machine.causes[0]
                self.get_logger().error(f'{change} ({first.code.name}: {first.text})')
            else:
                self.get_logger().info(change)
            self._store_latch()
            self._publish_permit()
            self._steer()
        self._publish_state()

    def _store_latch(self) -> None:
        causes = self._machine.causes or ((ARMED,) if self._machine.state in MOTION else ())
        try:
            if self._latch is not None:
                self._latch.store(causes)
        except OSError as exc:
            self.get_logger().error(f'the latch cannot be written: {exc}')

    def _steer(self) -> None:
        wanted = supervision.wanted_lifecycles(
            self._machine, self._seen, auto_dry_run=self._settings['auto_dry_run'])
        if wanted is None:
            return
        seen, now = self._seen, time.monotonic()
        for managed, beat, at, target in (
                (self._managed_driver, seen.driver, seen.driver_at, wanted[0]),
                (self._managed_stream, seen.stream, seen.stream_at, wanted[1])):
            if now - at < supervision.DRIVER_LOST_S:
                managed.steer(beat.lifecycle, target)

    def _publish_permit(self) -> None:
        permit = self._machine.permit(time.monotonic())
        self._permits.publish(status_codec.encode('safety/permit', permit))

    def _publish_state(self) -> None:
        safety = supervision.safety_state(self._machine, self._seen, self._gate, self._history,
                                          time.monotonic())
        level = DiagnosticStatus.ERROR if safety.latched else (
            DiagnosticStatus.WARN if safety.state is State.DEGRADED else DiagnosticStatus.OK)
        self._states.publish(status_codec.encode('safety/state', safety, level=level,
                                                 message=safety.why))

    def beat(self) -> SupervisorBeat:
        """Return the present state and epoch."""
        return SupervisorBeat(*self.identity(), state=self._machine.state,
                              epoch=self._machine.epoch)

    def diagnostics(self) -> list[DiagnosticStatus]:
        """Report the state and its causes."""
        machine = self._machine
        why = supervision.why_nothing_moves(machine, self._seen, self._gate, time.monotonic())
        return [status_codec.entry(
            'supervisor: safety', {'state': machine.state,
                                   'causes': [cause.code.name for cause in machine.causes]},
            level=DiagnosticStatus.ERROR if machine.causes else DiagnosticStatus.OK,
            message=why or machine.state.value)]


def main() -> None:
    """Run the node; it configures and activates itself."""
    sys.exit(run(SupervisorNode, autostart=True))


if __name__ == '__main__':
    main()
