# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The supervisor of one robot, without ROS: beats, requests and time become permits and states.

All decisions are pure functions (``domain.supervision``, ``domain.safe_stop``, ``domain.gate``).
This object remembers what they need, and its owner carries out what follows: the node
``supervisor`` over topics and services, ``reflex connect`` within its process.

Belongs to one thread. Nothing blocks, except for writing the latch file, at each change of state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
import logging
import math
import time

from reflex_ros.domain import supervision
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.duplicate_nodes import InstanceWatch
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.gate import evaluate, GateInputs, GateItem, MIN_EXPIRY_S
from reflex_ros.domain.heartbeats import (
    Beat,
    DRIVER,
    DriverBeat,
    Lifecycle,
    STREAM,
    StreamBeat,
    SUPERVISOR,
)
from reflex_ros.domain.permit import Permit
from reflex_ros.domain.safe_stop import elapse, Event, MOTION, react, SafeStop, State
from reflex_ros.domain.stop_devices import StopDevices
from reflex_ros.domain.supervision import Happening, NodesSeen, SafetyState
from reflex_ros.hardware.clock import suspended_s
from reflex_ros.runner.latch_file import ARMED, LatchFile

_log = logging.getLogger(__name__)

PERMIT_HZ = 50.0
"""How often ``tick`` is due, and a permit after it."""
GATE_S = 0.1
"""How often ``evaluate_gate`` is due."""
HISTORY = 30
REHEARSAL_S = 1.0
"""How often it is tried whether a latch could be stored, while nothing moves [s]."""
SUSPENDED_S = 0.2
"""A longer suspension of the machine stops the arm [s], as in the driver."""
ASKED_TO_STOP = Cause(FaultCode.OP_STOP, 'a person asked to stop')


@dataclass(frozen=True, slots=True)
class GateSettings:
    """
    What the gate asks for.

    :param dry_run_s: time for which the policy must have run in dry_run [s].
    :param chunk_age_s: largest age of the observation that a chunk answers [s].
    :param min_expiry_s: time that must be left until the session ends [s].
    :param allow_remarks: whether rows that look like a mistake in units bar nothing.
    """

    dry_run_s: float = 10.0
    chunk_age_s: float = 2.0
    min_expiry_s: float = MIN_EXPIRY_S
    allow_remarks: bool = False


class Supervisor:
    """
    State machine, latch and gate of one robot.

    :param latch: causes that outlive the process; None: a new process is a new start.
    :param on_change: called after each change of the machine with the machine before and after
        it; the permit that follows from it should go out at once.
    :param auto_dry_run: whether STANDBY opens a session by itself.
    :param allow_remote_promotion: whether a promotion at the service counts as a request.
    :param stop_devices: names of the devices that must be released while the arm may move.
    :param suspended: returns how long the machine has been suspended so far [s].
    :raises ConfigurationError: for a name that is none.
    """

    def __init__(self, gate: GateSettings, latch: LatchFile | None,
                 on_change: Callable[[SafeStop, SafeStop], None], *, auto_dry_run: bool = True,
                 allow_remote_promotion: bool = False,
                 stop_devices: Sequence[str] = (),
                 suspended: Callable[[], float] = suspended_s) -> None:
        self._settings = gate
        self._latch = latch
        self._on_change = on_change
        self._auto_dry_run = auto_dry_run
        self._allow_remote_promotion = allow_remote_promotion
        self._stop_devices = StopDevices(stop_devices)
        self._ticked_at = time.monotonic()
        self._late_s, self._late_at = 0.0, -math.inf
        self._suspended = suspended
        self._suspended_s = suspended()
        self._instances = {name: InstanceWatch() for name in (SUPERVISOR, DRIVER, STREAM)}
        causes = latch.load() if latch is not None else ()
        # Epochs must not repeat after a restart, or a late message of the last run would count.
        epoch = int(time.time()) % 10 ** 8
        self.machine = SafeStop(State.FAULT if causes else State.UNCONFIGURED, epoch, causes,
                                time.monotonic())
        """The state of the system."""
        self.seen = NodesSeen()
        """The last beats."""
        self.gate: tuple[GateItem, ...] = ()
        """The items of the gate; empty before the first evaluation."""
        self._obstacle = ''
        self._rehearsed_at = -math.inf
        self._history: deque[tuple[State, float]] = deque(
            [(self.machine.state, self.machine.since)], maxlen=HISTORY)

    # What comes in.

    def see_driver(self, beat: DriverBeat, refusals: int = 0) -> None:
        """
        Use a beat of the driver.

        :param refusals: how often it refused a transition since the state was entered.
        """
        self.see_instance(DRIVER, beat)
        self.seen = self.seen.with_driver(beat, time.monotonic())
        self._apply_all(supervision.driver_events(self.machine, self.seen, refusals))

    def see_stream(self, beat: StreamBeat) -> None:
        """Use a beat of the stream."""
        self.see_instance(STREAM, beat)
        is_promoted = supervision.is_promoted_at_service(self.seen.stream, beat)
        self.seen = self.seen.with_stream(beat, time.monotonic())
        self._apply_all(supervision.stream_events(self.machine, self.seen))
        if is_promoted and self._allow_remote_promotion:
            self.request(Event.PROMOTE, 'promoted at the service')

    def see_instance(self, name: str, beat: Beat) -> None:
        """Record which process a beat comes from, and what a second one of that name means."""
        now = time.monotonic()
        self._instances[name].record(beat.instance, now)
        self.seen = replace(self.seen, doubles=self._duplicates(now))
        self._apply_all(supervision.duplicate_events(self.machine, self.seen.doubles))

    def see_stop_device(self, name: str, *, is_released: bool) -> Cause | None:
        """
        Use what a stop device says; one that is pressed stops the arm at once.

        :returns: the stop, if somebody has just pressed it: the driver must hear of it, also when
            nothing is driven, because a hot arm parks by itself.
        """
        pressed = self._stop_devices.record(name, time.monotonic(), is_released=is_released)
        self._obey_stop_devices(time.monotonic())
        return pressed

    def stop(self, cause: Cause, *, is_fault: bool) -> None:
        """
        Stop the arm and latch.

        :param is_fault: whether the stream reports a fault; else somebody asked for a stop.
        """
        self.apply(Happening(Event.FAULT if is_fault else Event.STOP, cause))

    def request(self, event: Event, asked: str = '') -> str:
        """
        Apply a request of the operator; return why it is refused, or an empty text.

        :param asked: what was asked, for the log; empty: the name of the event.
        """
        refusal = self.refusal_reason(event)
        if not refusal:
            before = self.machine
            self.apply(Happening(event, ASKED_TO_STOP if event is Event.STOP else None))
            if self.machine is before and self._obstacle:
                refusal = f'refused in {before.state.value}: {self._obstacle}'
        _log.info('%s: %s', asked or event.value,
                  refusal or f'now {self.machine.state.value}')
        return refusal

    def refusal_reason(self, event: Event) -> str:
        """Return why a request would be refused now, and the next step; empty if it would not."""
        now = time.monotonic()
        bar = self._stop_devices.problem(now) if event is Event.RESET else None
        return supervision.refusal_reason(self.machine, self.seen, self.gate, event, now) or (
            f'refused: {bar.text}. Release it, then reset again' if bar is not None else '')

    def shut_down(self) -> None:
        """Permit nothing any more."""
        if self.machine.state is not State.UNCONFIGURED:
            self.apply(Happening(Event.SHUTDOWN))

    # Time.

    def tick(self) -> None:
        """Apply what the passing of time means; due 50 times a second."""
        self._check_suspension()
        now = time.monotonic()
        late_s = now - self._ticked_at - 1.0 / PERMIT_HZ
        self._ticked_at = now
        if late_s > supervision.OWN_STALL_S:
            self._late_s, self._late_at = late_s, now
        machine = elapse(self.machine, now, time.time())
        if machine is not self.machine:
            self._adopt(machine)
        self._apply_all(supervision.silence_events(self.machine, self.seen, self._read_until(now)))
        self._obey_stop_devices(now)

    def _check_suspension(self) -> None:
        """
        Stop an arm that moved, or was about to, when the machine was suspended.

        The monotonic clock stands still meanwhile: to its deadlines, the promotion of last night
        is one of now, and on wake-up the arm would start to move with nobody near it.
        """
        before, self._suspended_s = self._suspended_s, self._suspended()
        slept_s = self._suspended_s - before
        if slept_s > SUSPENDED_S and self.machine.state in MOTION:
            self.apply(Happening(Event.FAULT, Cause(
                FaultCode.DRV_STALL, f'the machine was suspended for {slept_s:.0f} s')))

    def _read_until(self, now: float) -> float:
        """
        Return the instant until which messages have been read: earlier than now after a stall.

        After a stall, timers run before the messages that waited meanwhile, and one message before
        another. Nobody is silent because this process has not read its messages yet. Each stall
        allows for itself only: in a process that is always late, silence still ends in a stop. The
        driver notices the same stall, because no permit came.
        """
        under_way_s = now - self._ticked_at - 1.0 / PERMIT_HZ
        if under_way_s > supervision.OWN_STALL_S:
            return now - under_way_s
        return now - self._late_s if now - self._late_at <= supervision.OWN_STALL_S else now

    def _obey_stop_devices(self, now: float) -> None:
        cause = self._stop_devices.problem(self._read_until(now))
        if cause is not None and self.machine.state in MOTION:
            self.apply(Happening(Event.FAULT, cause))

    def evaluate_gate(self) -> None:
        """Evaluate the gate and apply the result; due 10 times a second."""
        now = time.monotonic()
        self._rehearse_latch(now)
        read_until = self._read_until(now)
        bar = self._stop_devices.problem(read_until)
        self.gate = evaluate(GateInputs(
            driver=self.seen.driver, stream=self.seen.stream,
            driver_age_s=max(read_until - self.seen.driver_at, 0.0),
            stream_age_s=max(read_until - self.seen.worked_at, 0.0),
            is_latched=self.machine.is_latched, latch_obstacle=self._obstacle,
            duplicates=self._duplicates(now),
            dry_run_s=self._settings.dry_run_s, max_age_ms=self._settings.chunk_age_s * 1e3,
            min_expiry_s=self._settings.min_expiry_s, stop_device=bar.text if bar else '',
            allow_remarks=self._settings.allow_remarks))
        is_green = all(item.is_green for item in self.gate)
        self.apply(Happening(Event.GATE_GREEN if is_green else Event.GATE_RED))

    # What follows.

    def permit(self) -> Permit:
        """Return what the connector may do now."""
        return self.machine.permit(time.monotonic())

    def wanted_lifecycles(self) -> tuple[Lifecycle, Lifecycle] | None:
        """Return the states to which driver and stream are brought; None: both stay."""
        return supervision.wanted_lifecycles(self.machine, self.seen,
                                             auto_dry_run=self._auto_dry_run)

    def safety_state(self) -> SafetyState:
        """Return the state of the system for people."""
        return supervision.safety_state(self.machine, self.seen, self.gate, self._history,
                                        time.monotonic(), time.time())

    @property
    def is_gate_green(self) -> bool:
        """Whether every item that counts in the present state is green."""
        items = supervision.counted_items(self.machine, self.gate)
        return bool(items) and all(item.is_green for item in items)

    def gate_report(self) -> str:
        """Return the whole gate as text, one line for each item."""
        return supervision.gate_report(self.machine, self.seen, self.gate, time.monotonic(),
                                       time.time())

    def apply(self, happening: Happening) -> None:
        """Apply one event to the state machine."""
        # Whatever wakes up first: a standstill would otherwise begin to park.
        self._check_suspension()
        if happening.remark:
            _log.warning('%s', happening.remark)
        machine = react(self.machine, happening.event, time.monotonic(), cause=happening.cause,
                        wall_time=time.time())
        if machine != self.machine:
            self._adopt(machine)

    def _apply_all(self, happenings: Iterable[Happening]) -> None:
        for happening in happenings:
            self.apply(happening)

    def _adopt(self, machine: SafeStop) -> None:
        before = self.machine
        if machine.state is not before.state and not self._store_latch(machine) and (
                machine.state in MOTION and before.state not in MOTION):
            # Killed in motion, the supervisor would come up without a cause: so nothing moves.
            return
        self.machine = machine
        if machine.state is not before.state:
            self.seen = self.seen.in_new_state()
            self._history.append((machine.state, machine.since))
        self._on_change(before, machine)

    def _store_latch(self, machine: SafeStop) -> bool:
        """Store what a new process must know; return whether that worked."""
        if self._latch is None:
            return True
        causes = machine.causes or ((ARMED,) if machine.state in MOTION else ())
        try:
            self._latch.store(causes)
        except OSError as exc:
            self._obstacle = self._latch.obstacle_text(exc)
            _log.error('%s', self._obstacle)
            return False
        return True

    def _rehearse_latch(self, now: float) -> None:
        if self._latch is None or self.machine.state in MOTION or (
                now - self._rehearsed_at < REHEARSAL_S):
            return
        self._rehearsed_at = now
        self._obstacle = self._latch.obstacle()

    def _duplicates(self, now: float) -> tuple[str, ...]:
        return tuple(name for name, watch in self._instances.items() if watch.is_double(now))
