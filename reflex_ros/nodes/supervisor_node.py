# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
``supervisor``: system state, promotion gate, permit lease, latch, lifecycle of the others.

The decisions are pure (``domain.safe_stop``, ``domain.gate``); this file turns beats into events
and states into permits and lifecycle requests. It never blocks, and it shares its process with
nothing that it supervises.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
import os
from pathlib import Path
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import String
from std_srvs.srv import Trigger

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.duplicate_nodes import InstanceWatch
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.gate import evaluate, GateInputs, GateItem
from reflex_ros.domain.heartbeats import (
    Beat,
    DriverBeat,
    Lifecycle,
    Link,
    MotionState,
    SessionMode,
    StreamBeat,
    SupervisorBeat,
)
from reflex_ros.domain.safe_stop import (
    elapse,
    Event,
    MOTION,
    react,
    refusal_reason,
    SafeStop,
    State,
)
from reflex_ros.domain.supervision import SafetyState
from reflex_ros.nodes import convert, qos, status_codec
from reflex_ros.nodes.base import ReflexNode
from reflex_ros.nodes.managed_node import ManagedNode
from reflex_ros.nodes.parameters import Spec
from reflex_ros.nodes.process import run
from reflex_ros.runner.latch_file import ARMED, LatchFile

TABLE = (
    Spec('gate.dry_run_s', 10.0, 'how long the policy must have run in dry_run', 's', 1.0, 3600.0),
    Spec('gate.chunk_age_s', 1.0, 'oldest observation that a chunk may answer', 's', 0.1, 2.0),
    Spec('gate.min_expiry_s', 300.0, 'time that the session must still have', 's', 0.0, 3600.0),
    Spec('auto_dry_run', True, 'open a session in dry_run as soon as everything is configured'),
    Spec('state_dir', '', 'folder of the latch file; empty takes XDG_STATE_HOME/reflex_ros'),
)
BEAT_HZ = 10.0
PERMIT_HZ = 50.0
GATE_S = 0.1
HISTORY = 30
REPLUG_S = 0.5
"""How often an arm that could not be configured is tried again: its cable may be back."""
REFUSED = 2
"""Times that the driver may refuse to be activated: the first time our permit may still be on its
way. Asked any longer, it would move as soon as somebody has put right by hand what it refused."""
DRIVER_LOST_S = 0.3
STREAM_LOST_S = 0.2
OWN_STALL_S = 0.05
STREAM_GONE_S = 1.0
EXPIRY_STOP_S = 10.0

IDLE, LIVE = Lifecycle.INACTIVE, Lifecycle.ACTIVE
WANTED = {
    State.UNCONFIGURED: (IDLE, IDLE), State.STANDBY: (IDLE, LIVE), State.DRY_RUN: (IDLE, LIVE),
    State.READY: (IDLE, LIVE), State.ARMING: (LIVE, LIVE), State.ACTIVE: (LIVE, LIVE),
    State.DEGRADED: (LIVE, LIVE), State.LATCHED: (IDLE, IDLE), State.FAULT: (IDLE, IDLE),
    State.PARKING: (LIVE, IDLE), State.PARKED: (IDLE, IDLE),
}
"""Lifecycle states of driver and stream; in STOPPING and SHUTDOWN both stay as they are."""


class SupervisorNode(ReflexNode):
    """The one who permits, stops and resets."""

    def __init__(self) -> None:
        super().__init__('supervisor', TABLE, BEAT_HZ)
        self._machine = SafeStop()
        self._driver, self._stream = DriverBeat(), StreamBeat()
        self._driver_at = self._stream_at = self._worked_at = -1e9
        self._ticked_at = time.monotonic()
        self._items: tuple[GateItem, ...] = ()
        self._instances = {name: InstanceWatch()
                           for name in ('supervisor', 'so101', 'action_stream')}
        self._history: deque[tuple[State, float]] = deque(maxlen=HISTORY)
        self._latch: LatchFile | None = None
        self._settings: Mapping[str, Any] = {}
        self._stopping_beats = 0
        self._permits = self.create_publisher(DiagnosticStatus, 'safety/permit', qos.LEASE)
        self._states = self.create_publisher(DiagnosticStatus, 'safety/state', qos.STATE)
        self._stops = self.create_publisher(String, 'safety/stop', qos.STOP)
        self.create_subscription(DiagnosticStatus, 'beat/so101', self._on_driver, qos.LEASE)
        self.create_subscription(DiagnosticStatus, 'beat/action_stream', self._on_stream,
                                 qos.LEASE)
        self.create_subscription(DiagnosticStatus, 'beat/supervisor', self._on_supervisor,
                                 qos.LEASE)
        self.create_subscription(String, 'safety/stop', self._on_stop, qos.STOP)
        self._managed = (ManagedNode(self, 'so101', REPLUG_S), ManagedNode(self, 'action_stream'))
        for event, name in ((Event.PROMOTE, 'promote'), (Event.DEMOTE, 'demote'),
                            (Event.STOP, 'stop'), (Event.PARK, 'park'), (Event.RESET, 'reset')):
            self.create_service(Trigger, f'~/{name}', self._handler(event))
        self.create_service(Trigger, '~/gate', self._on_gate)
        self._timers: list[Any] = []

    def _setup(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        folder = Path(settings['state_dir'] or Path(
            os.environ.get('XDG_STATE_HOME') or '~/.local/state') / 'reflex_ros').expanduser()
        name = self.get_namespace().strip('/').replace('/', '_') or 'default'
        self._latch = LatchFile(folder / f'latch-{name}.json')
        causes = self._latch.load()
        # Epochs must not repeat over a restart: a late message of the old one must not count.
        epoch = int(time.time()) % 10 ** 8
        self._machine = SafeStop(State.FAULT if causes else State.UNCONFIGURED, epoch, causes,
                                 time.monotonic())
        self._history.append((self._machine.state, self._machine.since))
        self._timers = [self.every(1.0 / PERMIT_HZ, self._tick),
                        self.every(GATE_S, self._evaluate_gate)]

    def _teardown(self) -> None:
        if self._machine.state is not State.UNCONFIGURED:
            self._apply(Event.SHUTDOWN)
            self._publish_permit()
            self._publish_state()
        for timer in self._timers:
            self.destroy_timer(timer)
        self._timers = []

    # Events from outside.

    def _on_driver(self, message: DiagnosticStatus) -> None:
        self._driver = status_codec.decode(DriverBeat, message)
        self._driver_at = time.monotonic()
        self._record_instance('so101', self._driver)
        self._stopping_beats += 1
        self._check_driver()

    def _on_stream(self, message: DiagnosticStatus) -> None:
        beat, now = status_codec.decode(StreamBeat, message), time.monotonic()
        self._record_instance('action_stream', beat)
        if beat.progress != self._stream.progress or beat.lifecycle is not Lifecycle.ACTIVE:
            self._worked_at = now
        self._stream, self._stream_at = beat, now
        self._check_stream()

    def _on_supervisor(self, message: DiagnosticStatus) -> None:
        self._record_instance('supervisor', status_codec.decode(SupervisorBeat, message))

    def _on_stop(self, message: String) -> None:
        cause = convert.from_stop(message)
        if message.data.startswith(f'{self.get_name()}:'):
            return
        self._apply(Event.FAULT if message.data.startswith('action_stream:') else Event.STOP,
                    cause)

    def _handler(self, event: Event) -> Any:
        def handle(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            refusal = (refusal_reason(self._machine, event, time.monotonic())
                       or self._refusal_reason_now(event))
            if not refusal:
                cause = Cause(FaultCode.OP_STOP, 'a person asked to stop')
                if event is Event.STOP:
                    self._stops.publish(convert.to_stop(self.get_name(), cause))
                self._apply(event, cause if event is Event.STOP else None)
            response.success = not refusal
            response.message = refusal or f'{event.value}: now {self._machine.state.value}'
            self.get_logger().info(f'{event.value}: {response.message}')
            return response
        return handle

    def _refusal_reason_now(self, event: Event) -> str:
        if event is Event.PROMOTE:
            red = [f'{item.name}: {item.text}' for item in self._items if not item.is_green]
            return f'refused, the gate is red: {"; ".join(red)}' if red else ''
        if event is Event.RESET:
            for node, beat, age in (('so101', self._driver, self._age(self._driver_at)),
                                    ('action_stream', self._stream, self._age(self._stream_at))):
                if age > DRIVER_LOST_S:
                    return f'refused: {node} gives no sign of life. Start it, then reset again'
                if beat.lifecycle is Lifecycle.ACTIVE:
                    return f'refused: {node} is not at rest yet. Try again in a second'
            # Whether what it refused to be activated for is gone shows when it is asked again.
            if self._driver.problem and self._driver.lifecycle is not Lifecycle.INACTIVE:
                return f'refused: so101: {self._driver.problem}'
        return ''

    def _on_gate(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = bool(self._items) and all(item.is_green for item in self._items)
        response.message = '\n'.join(
            f'{"ok " if item.is_green else "RED"} {item.name:<11} {item.text}'.rstrip()
            for item in self._items) or f'not judged yet: {self._why()}'
        return response

    # Decisions.

    def _tick(self) -> None:
        now = time.monotonic()
        self._excuse_own_stall(now)
        machine = elapse(self._machine, now, time.time())
        if machine is not self._machine:
            self._adopt(machine)
        self._check_silence()
        self._publish_permit()

    def _excuse_own_stall(self, now: float) -> None:
        # After a stall of ours the timers run before the messages that waited meanwhile: nobody
        # else is to blame for what we have not read yet. The driver judges us by the same stall.
        late = now - self._ticked_at - 1.0 / PERMIT_HZ
        self._ticked_at = now
        if late > OWN_STALL_S:
            self._driver_at, self._stream_at, self._worked_at = (
                min(at + late, now)
                for at in (self._driver_at, self._stream_at, self._worked_at))

    def _check_silence(self) -> None:
        driver_age, worked = self._age(self._driver_at), self._age(self._worked_at)
        if driver_age > DRIVER_LOST_S and self._machine.state is not State.FAULT:
            self._apply(Event.NODE_LOST, Cause(FaultCode.DRIVER_DEAD,
                                               'no sign of life from so101'))
        if worked > STREAM_LOST_S and self._machine.state in (State.ARMING, State.ACTIVE,
                                                              State.DEGRADED):
            self._apply(Event.FAULT, Cause(FaultCode.STREAM_DEAD,
                                           'no sign of work from action_stream'))
        elif worked > STREAM_GONE_S:
            self._apply(Event.SESSION_ENDED)

    def _check_driver(self) -> None:
        driver, state = self._driver, self._machine.state
        if driver.port_lost and state in MOTION | {State.LATCHED}:
            self._apply(Event.NODE_LOST, driver.cause or Cause(FaultCode.USB_GONE,
                                                               'the port is gone'))
            return
        is_ours = driver.epoch == self._machine.epoch
        if driver.cause is not None and is_ours and state in MOTION:
            self._apply(Event.FAULT, driver.cause)
        if state in (State.ARMING, State.PARKING) and driver.problem \
                and self._managed[0].refusals >= REFUSED:
            self._apply(Event.FAULT, Cause(FaultCode.ARM_REFUSED, driver.problem))
        elif state is State.ARMING and is_ours and driver.motion is MotionState.PLAYING:
            self._apply(Event.MOVING)
        elif state is State.ACTIVE and is_ours and driver.motion is MotionState.HOLD:
            self._apply(Event.SLOWED)
        elif state is State.DEGRADED and is_ours and driver.motion is MotionState.PLAYING:
            self._apply(Event.RECOVERED)
        elif state is State.PARKING and is_ours and driver.parked:
            self._apply(Event.PARKED)
        elif state is State.STOPPING and self._stopping_beats >= 2 and driver.at_rest \
                and driver.motion in (MotionState.HOLD, MotionState.PASSIVE):
            self._apply(Event.STANDSTILL)
        configured = driver.lifecycle.is_configured and not driver.port_lost
        if configured and self._stream.lifecycle.is_configured and state in (
                State.UNCONFIGURED, State.FAULT):
            self._apply(Event.CONFIGURED)

    def _check_stream(self) -> None:
        stream, state = self._stream, self._machine.state
        is_open = stream.lifecycle is Lifecycle.ACTIVE and stream.link is Link.OPEN
        if state is State.STANDBY and is_open:
            self._apply(Event.SESSION_OPEN)
        elif state in (State.ARMING, State.ACTIVE, State.DEGRADED):
            if not is_open or stream.fault is not None:
                self._apply(Event.FAULT, stream.fault or stream.lost or Cause(
                    FaultCode.NET_CLOSED, f'the action stream is {stream.link.value}'))
            elif 0.0 <= stream.expires_s < EXPIRY_STOP_S and state is State.ACTIVE:
                self.get_logger().warning('the session ends soon: stopping as planned')
                self._apply(Event.DEMOTE)
        elif not is_open:
            self._apply(Event.SESSION_ENDED)

    def _evaluate_gate(self) -> None:
        self._items = evaluate(GateInputs(
            driver=self._driver, stream=self._stream, driver_age_s=self._age(self._driver_at),
            stream_age_s=self._age(self._worked_at), is_latched=self._machine.is_latched,
            duplicates=self._duplicates(),
            dry_run_s=self._settings['gate.dry_run_s'],
            max_age_ms=self._settings['gate.chunk_age_s'] * 1e3,
            min_expiry_s=self._settings['gate.min_expiry_s']))
        green = all(item.is_green for item in self._items)
        self._apply(Event.GATE_GREEN if green else Event.GATE_RED)
        self._steer()
        self._publish_state()

    def _record_instance(self, name: str, beat: Beat) -> None:
        self._instances[name].record(beat.instance, time.monotonic())
        duplicates = self._duplicates()
        if duplicates and self._machine.state in MOTION:
            self._apply(Event.FAULT, Cause(FaultCode.DUP_NODE, 'two nodes live under the name '
                                           + ', '.join(duplicates)))

    def _duplicates(self) -> tuple[str, ...]:
        now = time.monotonic()
        return tuple(name for name, watch in self._instances.items() if watch.is_double(now))

    # Effects.

    def _apply(self, event: Event, cause: Cause | None = None) -> None:
        machine = react(self._machine, event, time.monotonic(), cause=cause,
                        wall_time=time.time())
        if machine != self._machine:
            self._adopt(machine)

    def _adopt(self, machine: SafeStop) -> None:
        before, self._machine = self._machine, machine
        if machine.state is not before.state:
            self._stopping_beats = 0
            self._history.append((machine.state, machine.since))
            for managed in self._managed:
                managed.forget_refusals()
            reason = f' ({machine.causes[0].code.name}: {machine.causes[0].text})' \
                if machine.causes else ''
            # One call site per severity: rclpy refuses a site that changes its severity.
            if machine.causes:
                self.get_logger().error(f'{before.state.value} -> {machine.state.value}{reason}')
            else:
                self.get_logger().info(f'{before.state.value} -> {machine.state.value}')
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
        wanted = WANTED.get(self._machine.state)
        if wanted is None:
            return
        driver, stream = wanted
        is_applying = self._stream.session_mode is SessionMode.APPLY_ACTIONS
        if self._machine.state is State.ARMING and not is_applying:
            driver = Lifecycle.INACTIVE
        if self._machine.state is State.STANDBY and not self._settings['auto_dry_run']:
            stream = Lifecycle.INACTIVE
        if driver is Lifecycle.ACTIVE and self._driver.lifecycle is Lifecycle.ACTIVE \
                and self._driver.epoch != self._machine.epoch:
            # Active under an older permit: it has to begin anew.
            driver = Lifecycle.INACTIVE
        if self._driver.port_lost:
            driver = Lifecycle.UNCONFIGURED
        for managed, beat, at, target in (
                (self._managed[0], self._driver, self._driver_at, driver),
                (self._managed[1], self._stream, self._stream_at, stream)):
            if self._age(at) < DRIVER_LOST_S:
                managed.steer(beat.lifecycle, target)

    def _why(self) -> str:
        """Say in one line why nothing moves; empty when it may."""
        machine, state = self._machine, self._machine.state
        if machine.causes:
            first = machine.causes[0]
            text = first.text if first.text.endswith(('.', '?', '!')) else f'{first.text}.'
            return f'stopped by {first.code.name}: {text} Repair it, then call supervisor/reset'
        if state is State.UNCONFIGURED:
            for name, beat, at in (('so101', self._driver, self._driver_at),
                                   ('action_stream', self._stream, self._stream_at)):
                if self._age(at) > 1.0:
                    return f'{name} is not running'
                if beat.problem:
                    return f'{name}: {beat.problem}'
            return 'configuring'
        if state is State.STANDBY:
            lost = self._stream.fault or self._stream.lost
            return (f'waiting for a session: {self._stream.remark or self._stream.link.value}'
                    if lost is None else f'no session: {lost}')
        if state is State.DRY_RUN:
            red = next((item for item in self._items if not item.is_green), None)
            return f'dry run; gate: {red.name}: {red.text}' if red else 'dry run'
        return {State.READY: 'ready: call supervisor/promote', State.ARMING: 'arming',
                State.STOPPING: 'stopping', State.PARKING: 'parking', State.SHUTDOWN: 'shut down',
                State.PARKED: 'parked, torque off: call supervisor/reset to go on',
                State.DEGRADED: 'slowed down: no chunk to play'}.get(state, '')

    def _publish_permit(self) -> None:
        permit = self._machine.permit(time.monotonic())
        self._permits.publish(status_codec.encode('safety/permit', permit))

    def _publish_state(self) -> None:
        machine, why = self._machine, self._why()
        level = DiagnosticStatus.ERROR if machine.causes else (
            DiagnosticStatus.WARN if machine.state is State.DEGRADED else DiagnosticStatus.OK)
        self._states.publish(status_codec.encode('safety/state', SafetyState(
            state=machine.state, epoch=machine.epoch, latched=machine.is_latched,
            causes=machine.causes, history=tuple(self._history), why=why,
            for_s=self._age(machine.since), gate=self._items), level=level, message=why))

    def beat(self) -> SupervisorBeat:
        """Tell the state."""
        return SupervisorBeat(*self.identity(), state=self._machine.state,
                              epoch=self._machine.epoch)

    def diagnostics(self) -> list[DiagnosticStatus]:
        """Report the state and its causes."""
        machine = self._machine
        return [status_codec.entry(
            'supervisor: safety', {'state': machine.state,
                                   'causes': [cause.code.name for cause in machine.causes]},
            level=DiagnosticStatus.ERROR if machine.causes else DiagnosticStatus.OK,
            message=self._why() or machine.state.value)]

    @staticmethod
    def _age(at: float) -> float:
        return time.monotonic() - at


def main() -> None:
    """Run the node; it configures and activates itself."""
    sys.exit(run(SupervisorNode, autostart=True))


if __name__ == '__main__':
    main()
