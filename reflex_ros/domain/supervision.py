# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What the supervisor decides: pure functions, with time passed in.

Beats, silence and duplicate nodes become events of the state machine (``domain.safe_stop``). Its
state becomes wanted lifecycle states, refusals, and the line that says why nothing moves. The
node ``supervisor`` passes messages in and results out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
import time

from reflex_ros.domain import safe_stop
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode, Reaction
from reflex_ros.domain.gate import BEFORE_MOTION, GateItem
from reflex_ros.domain.heartbeats import (
    Beat,
    DRIVER,
    DriverBeat,
    Lifecycle,
    Link,
    MotionState,
    ServiceChange,
    SessionMode,
    STREAM,
    StreamBeat,
)
from reflex_ros.domain.safe_stop import (
    APPLYING,
    CauseRecord,
    Event,
    MOTION,
    SafeStop,
    State,
)

NEVER = -1e9
DRIVER_LOST_S = 0.3
STREAM_LOST_S = 0.2
STREAM_GONE_S = 1.0
NOT_RUNNING_S = 1.0
EXPIRY_STOP_S = 10.0
"""The arm is stopped as planned when the session has less time left."""
OWN_STALL_S = 0.05
"""
A tick of the supervisor that is later is a stall of its own. It reads what waited meanwhile within
the same time.
"""
DAY_S = 86400.0
"""The date of a stop is named when it is longer ago [s]."""
MAX_REFUSALS = 2
"""
How often the driver may refuse to be activated: at the first request the permit may still be on
its way. If it were asked any longer, it would move as soon as a person has repaired by hand what
it refuses.
"""
STANDSTILL_BEATS = 2
"""The first beat after a stop may have been written before it."""

IDLE, LIVE = Lifecycle.INACTIVE, Lifecycle.ACTIVE
WANTED = {
    State.UNCONFIGURED: (IDLE, IDLE), State.STANDBY: (IDLE, LIVE), State.DRY_RUN: (IDLE, LIVE),
    State.READY: (IDLE, LIVE), State.ARMING: (LIVE, LIVE), State.ACTIVE: (LIVE, LIVE),
    State.DEGRADED: (LIVE, LIVE), State.LATCHED: (IDLE, IDLE), State.FAULT: (IDLE, IDLE),
    State.PARKING: (LIVE, IDLE), State.PARKED: (IDLE, IDLE),
}
"""Lifecycle states of driver and stream; in STOPPING and SHUTDOWN both stay as they are."""


@dataclass(frozen=True, slots=True)
class SafetyState:
    """
    The content of the topic ``safety/state``; ``domain.key_values`` says how it is written.

    :param latched: whether only a reset leads on.
    :param causes: causes of the stop, the first one first.
    :param history: the last states, oldest first, each with the monotonic instant at which it
        was entered [s].
    :param why: why nothing moves, in one line; empty when the arm may move.
    :param for_s: how long the present state has lasted [s].
    :param pace: speed of the motion that the service can feed, 0..1; 1 is the policy's own.
    :param remark: what looks like a mistake of the policy, and stops nothing; else empty.
    :param gate: items of the promotion gate; empty before the first evaluation.
    """

    state: State = State.UNCONFIGURED
    epoch: int = 0
    latched: bool = False
    causes: tuple[CauseRecord, ...] = ()
    history: tuple[tuple[State, float], ...] = ()
    why: str = ''
    for_s: float = 0.0
    pace: float = 1.0
    remark: str = ''
    gate: tuple[GateItem, ...] = ()


@dataclass(frozen=True, slots=True)
class StateChange:
    """
    The system has entered a state: one line that the ``monitor`` process prints.

    :param at: monotonic instant [s].
    :param causes: causes of the stop, the first one first.
    :param why: why nothing moves in this state; empty if that is not known.
    """

    state: State
    at: float
    causes: tuple[CauseRecord, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Happening:
    """
    An event for the state machine.

    :param remark: line for the log; empty if the change of state says enough.
    """

    event: Event
    cause: Cause | None = None
    remark: str = ''


@dataclass(frozen=True, slots=True)
class NodesSeen:
    """
    The last beats of driver and stream, and when they came (monotonic) [s].

    :param driver_at: receipt of the driver's last beat.
    :param stream_at: receipt of the stream's last beat.
    :param worked_at: receipt of the stream's last beat that showed progress. An inactive stream
        has nothing to do, so each of its beats counts.
    :param driver_beats: number of the driver's beats since the system entered its state.
    :param doubles: names under which two processes run.
    """

    driver: DriverBeat = field(default_factory=DriverBeat)
    stream: StreamBeat = field(default_factory=StreamBeat)
    driver_at: float = NEVER
    stream_at: float = NEVER
    worked_at: float = NEVER
    driver_beats: int = 0
    doubles: tuple[str, ...] = ()

    def with_driver(self, beat: DriverBeat, now: float) -> NodesSeen:
        """Return the value after a beat of the driver."""
        return replace(self, driver=beat, driver_at=now, driver_beats=self.driver_beats + 1)

    def with_stream(self, beat: StreamBeat, now: float) -> NodesSeen:
        """Return the value after a beat of the stream."""
        has_progress = beat.progress >= 0 and beat.progress != self.stream.progress
        works = has_progress or beat.lifecycle is not LIVE
        return replace(self, stream=beat, stream_at=now,
                       worked_at=now if works else self.worked_at)

    def in_new_state(self) -> NodesSeen:
        """Return the value after the system has entered another state."""
        return replace(self, driver_beats=0)


# Beats and silence become events.


def driver_events(machine: SafeStop, seen: NodesSeen, refusals: int) -> list[Happening]:
    """
    Return what the driver's last beat means.

    :param refusals: how often the driver refused a transition since the state was entered.
    """
    driver, state = seen.driver, machine.state
    if driver.port_lost and state in MOTION | {State.LATCHED}:
        return [Happening(Event.NODE_LOST, driver.cause or Cause(FaultCode.USB_GONE,
                                                                 'the port is gone'))]
    if driver.lifecycle is Lifecycle.FINALIZED:
        return [] if state is State.FAULT else [Happening(Event.NODE_LOST, Cause(
            FaultCode.DEACTIVATED, f'{DRIVER} was shut down by hand; it starts again by itself'))]
    found = []
    if driver.alone and all(cause.code is not FaultCode.OVERHEAT for cause in machine.causes):
        # It moves without a permit: whatever the state, that is a stop.
        found.append(Happening(Event.STOP, Cause(FaultCode.OVERHEAT, 'the arm was hot and '
                                                  'parks by itself')))
    is_ours = driver.epoch == machine.epoch
    if driver.cause is not None and is_ours and state in MOTION:
        # Holding makes only heat worse: soon the servo switches its torque off.
        is_heat = driver.cause.code.row.reaction is Reaction.REST
        found.append(Happening(Event.OVERHEATED if is_heat else Event.FAULT, driver.cause))
    if driver.shortage and state in MOTION:
        found.append(Happening(Event.FAULT, _shortage(DRIVER, driver)))
    if state is State.STOPPING:
        is_still = driver.at_rest and driver.motion in (MotionState.HOLD, MotionState.PASSIVE)
        if is_still and seen.driver_beats >= STANDSTILL_BEATS:
            found.append(Happening(Event.STANDSTILL))
    elif state in (State.UNCONFIGURED, State.FAULT):
        # The stream may miss its network for hours. A reset and a park need the arm only.
        if driver.lifecycle.is_configured and not driver.port_lost:
            found.append(Happening(Event.CONFIGURED))
    elif not found and state in (State.ARMING, State.PARKING) and driver.problem \
            and refusals >= MAX_REFUSALS:
        found.append(Happening(Event.FAULT, Cause(FaultCode.ARM_REFUSED, driver.problem)))
    elif not found and is_ours:
        event = _progress(state, driver)
        if event is not None:
            found.append(Happening(event))
    return found


def _shortage(name: str, beat: Beat) -> Cause:
    return Cause(FaultCode.MEM_FULL, f'{name}: {beat.shortage}')


def _progress(state: State, driver: DriverBeat) -> Event | None:
    """Return the event of a driver without a fault; None when nothing has changed."""
    is_playing = driver.motion is MotionState.PLAYING
    if state is State.ARMING and is_playing:
        return Event.MOVING
    if state is State.ACTIVE and driver.motion is MotionState.HOLD:
        return Event.SLOWED
    if state is State.DEGRADED and is_playing:
        return Event.RECOVERED
    if state is State.PARKING and driver.parked:
        return Event.PARKED
    return None


def stream_events(machine: SafeStop, seen: NodesSeen) -> list[Happening]:
    """Return what the stream's last beat means."""
    stream, state = seen.stream, machine.state
    is_open = stream.lifecycle is LIVE and stream.link is Link.OPEN
    if state in APPLYING:
        if not is_open or stream.fault is not None:
            if stream.lifecycle in (IDLE, Lifecycle.FINALIZED) and stream.fault is None:
                return [Happening(Event.FAULT, Cause(
                    FaultCode.DEACTIVATED, f'{STREAM} was deactivated or shut down by hand'))]
            return [Happening(Event.FAULT, stream.fault or stream.lost or Cause(
                FaultCode.NET_CLOSED, f'the action stream is {stream.link.value}'))]
        if stream.shortage:
            return [Happening(Event.FAULT, _shortage(STREAM, stream))]
        if 0.0 <= stream.expires_s < EXPIRY_STOP_S and state is State.ACTIVE:
            return [Happening(Event.DEMOTE, remark='the session ends soon: stopping as planned')]
        if stream.service_change is ServiceChange.DEMOTED \
                and stream.session_mode is SessionMode.APPLY_ACTIONS:
            # Not a latch, as the safety design has it: somebody wants the dry run, and it goes
            # on in the same session. Motion needs a new promotion either way.
            return [Happening(Event.DEMOTE, remark='demoted at the service: stopping as planned')]
        return []
    if not is_open:
        return [Happening(Event.SESSION_ENDED)]
    return [Happening(Event.SESSION_OPEN)] if state is State.STANDBY else []


def is_promoted_at_service(before: StreamBeat, beat: StreamBeat) -> bool:
    """
    Tell whether somebody has promoted the session at the service between two beats.

    The first beat of a process does not count: its promotion may be old.
    """
    return (beat.service_change is ServiceChange.PROMOTED is not before.service_change
            and before.instance == beat.instance)


def silence_events(machine: SafeStop, seen: NodesSeen, now: float) -> list[Happening]:
    """
    Return what it means if driver or stream have been silent for too long.

    :param now: monotonic instant until which beats have been read [s].
    """
    if now - seen.driver_at > DRIVER_LOST_S and machine.state is not State.FAULT:
        return [Happening(Event.NODE_LOST, Cause(FaultCode.DRIVER_DEAD,
                                                 f'no sign of life from {DRIVER}'))]
    idle_s = now - seen.worked_at
    if idle_s > STREAM_LOST_S and machine.state in APPLYING:
        return [Happening(Event.FAULT, Cause(FaultCode.STREAM_DEAD,
                                             f'no sign of work from {STREAM}'))]
    return [Happening(Event.SESSION_ENDED)] if idle_s > STREAM_GONE_S else []


def duplicate_events(machine: SafeStop, duplicates: Iterable[str]) -> list[Happening]:
    """
    Return what it means that two processes run under one name.

    :param duplicates: names under which this is so.
    """
    names = tuple(duplicates)
    if not names or machine.state not in MOTION:
        return []
    return [Happening(Event.FAULT, _double(names))]


def _double(names: Iterable[str]) -> Cause:
    return Cause(FaultCode.DUP_NODE, f'two processes run under the name {", ".join(names)}, as '
                 'after a second `reflex up`')


# The state becomes wanted lifecycle states, refusals and texts.


def wanted_lifecycles(machine: SafeStop, seen: NodesSeen, *, auto_dry_run: bool,
                      ) -> tuple[Lifecycle, Lifecycle] | None:
    """
    Return the lifecycle states to which driver and stream are to be brought.

    :param auto_dry_run: whether STANDBY opens a session by itself.
    :returns: of driver and stream; None when both stay as they are.
    """
    wanted = WANTED.get(machine.state)
    if wanted is None:
        return None
    driver, stream = wanted
    is_applying = seen.stream.session_mode is SessionMode.APPLY_ACTIONS
    if machine.state is State.ARMING and not is_applying:
        # The session first: no chunk of the dry run may find the arm active.
        driver = IDLE
    if machine.state is State.STANDBY and not auto_dry_run:
        stream = IDLE
    if driver is LIVE and seen.driver.lifecycle is LIVE and seen.driver.epoch != machine.epoch:
        # Active under an older permit: deactivate it, then activate it again.
        driver = IDLE
    if seen.driver.port_lost:
        driver = Lifecycle.UNCONFIGURED
    return driver, stream


def refusal_reason(machine: SafeStop, seen: NodesSeen, gate: Sequence[GateItem], event: Event,
                   now: float) -> str:
    """
    Return why an operator's request is refused now, and the next step.

    The text is empty when the request is not refused.
    """
    if event is Event.RESET and machine.state is State.FAULT:
        lack = _lack(DRIVER, seen.driver, seen.driver_at, now)
        if lack:
            return f'refused in FAULT: {lack}. Repair it, then reset again'
    reason = safe_stop.refusal_reason(machine, event, now)
    if reason or event not in (Event.PROMOTE, Event.RESET):
        return reason
    if event is Event.PROMOTE:
        red = [f'{item.name}: {item.text}' for item in gate if not item.is_green]
        return f'refused, the gate is red: {"; ".join(red)}' if red else ''
    for name, beat, at in _both(seen):
        if now - at > DRIVER_LOST_S:
            return f'refused: {name} sends no beat. Start it, then reset again'
        if beat.lifecycle is LIVE:
            return f'refused: {name} is not at rest yet. Try again in a second'
    # Whether the driver can be activated again shows only when it is asked to.
    if seen.driver.problem and seen.driver.lifecycle is not IDLE:
        return f'refused: {DRIVER}: {seen.driver.problem}'
    return ''


def counted_items(machine: SafeStop, gate: Sequence[GateItem]) -> tuple[GateItem, ...]:
    """Return the items that count now: an arm that moves has passed some, and keeps the others."""
    return tuple(item for item in gate
                 if machine.state not in MOTION or item.name not in BEFORE_MOTION)


def gate_report(machine: SafeStop, seen: NodesSeen, gate: Sequence[GateItem], now: float,
                wall_time: float = 0.0) -> str:
    """
    Return the whole gate as text: one line for each item that counts in the present state.

    :param wall_time: seconds since 1970.
    """
    gate = counted_items(machine, gate)
    if not gate:
        return f'not evaluated yet: {why_nothing_moves(machine, seen, gate, now, wall_time)}'
    lines = [f'{"ok " if item.is_green else "RED"} {item.name:<11} {item.text}'.rstrip()
             for item in gate]
    if seen.stream.policy_remark and all(
            item.is_green for item in gate if item.name == 'units'):
        lines.append(f'    {"remark":<11} {seen.stream.policy_remark}')
    return '\n'.join(lines)


def why_nothing_moves(machine: SafeStop, seen: NodesSeen, gate: Sequence[GateItem],
                      now: float, wall_time: float = 0.0) -> str:
    """
    Return why nothing moves and the next step, in one line; empty if the arm may move.

    :param wall_time: seconds since 1970; an old stop is named with its date.
    """
    heat = seen.driver.heat
    why = _why_nothing_moves(machine, seen, gate, now, wall_time)
    if heat and machine.state not in APPLYING:
        why = f'HOT: {heat}. {why}'
    is_told = any(cause.code is FaultCode.DUP_NODE for cause in machine.causes)
    if seen.doubles and not is_told and machine.state not in APPLYING:
        # Two graphs take each other's nodes through their states: all else follows from that.
        return f'{_double(seen.doubles)}. {FaultCode.DUP_NODE.row.next_step} {why}'
    return why


def _why_nothing_moves(machine: SafeStop, seen: NodesSeen, gate: Sequence[GateItem],
                       now: float, wall_time: float) -> str:
    state = machine.state
    if machine.causes:
        double = (cause for cause in machine.causes if cause.code is FaultCode.DUP_NODE)
        return _stop_sentence(next(double, machine.causes[0]), seen, now, wall_time)
    if state is State.UNCONFIGURED:
        lacks = (_lack(name, beat, at, now) for name, beat, at in _both(seen))
        return next(filter(None, lacks), 'configuring')
    if state is State.STANDBY:
        lack = _lack(STREAM, seen.stream, seen.stream_at, now)
        if lack:
            return f'no session: {lack}'
        if seen.stream.fault is not None:
            # Only another activation of the stream leads on.
            fault = str(seen.stream.fault).rstrip('.')
            return f'no session: {fault}. To try again: `reflex stop`, then `reflex reset`'
        if seen.stream.lost is not None:
            return f'no session: {seen.stream.lost}'
        return f'waiting for a session: {seen.stream.remark or seen.stream.link.value}'
    if state is State.DRY_RUN:
        red = next((item for item in gate if not item.is_green), None)
        return '; '.join(filter(None, (
            _service_note(seen), 'dry run', f'gate: {red.name}: {red.text}' if red else '')))
    if state is State.PARKED:
        return _parked_sentence(seen, now)
    if state is State.READY:
        return _service_note(seen) or 'ready: run `reflex promote`'
    return {State.ARMING: 'arming',
            State.STOPPING: 'stopping', State.PARKING: 'parking', State.SHUTDOWN: 'shut down',
            State.DEGRADED: 'slowed down: no chunk to play'}.get(state, '')


def _parked_sentence(seen: NodesSeen, now: float) -> str:
    lack = _lack(DRIVER, seen.driver, seen.driver_at, now)
    if lack:
        return f'parked; {lack}. Repair it, then run `reflex reset` to go on'
    return f'parked, {seen.driver.torque_text}: run `reflex reset` to go on'


def _lack(name: str, beat: Beat, at: float, now: float) -> str:
    """Return why a node is not configured, as far as it is known; empty if it is."""
    if now - at > NOT_RUNNING_S:
        return f'{name} is not running'
    if beat.problem and not beat.lifecycle.is_configured:
        return f'{name}: {beat.problem}'
    return ''


def _stop_sentence(cause: CauseRecord, seen: NodesSeen, now: float, wall_time: float) -> str:
    """Return cause, time, what the arm does now, and the next step; the same in every view."""
    text = cause.text if cause.text.endswith(('.', '?', '!')) else f'{cause.text}.'
    if now - seen.driver_at > DRIVER_LOST_S:
        arm = 'Nobody says what the arm does.'
    elif not seen.driver.torque_known:
        arm = 'Its torque is unknown: the servos may still hold it.'
    elif not seen.driver.torque:
        arm = 'Its torque is off.'
    else:
        arm = 'The arm holds.' if seen.driver.at_rest else 'The arm is coming to rest.'
    step = cause.code.row.next_step.rstrip('.')
    reset = ': `reflex reset`' if 'reset' in step.lower() else '. Then run `reflex reset`'
    at = _time_text(cause.at, wall_time)
    return f'stopped{at} by {cause.code.name}: {text} {arm} {step}{reset}'


def end_report(causes: Sequence[CauseRecord], wall_time: float, *, is_kept: bool) -> str:
    """
    Return what stopped the arm and the next step, in one line, for when the graph has ended.

    :param causes: at least one, the first one first.
    :param wall_time: seconds since 1970; an old stop is named with its date.
    :param is_kept: whether the next graph of this robot begins with this stop.
    """
    first = causes[0]
    codes = ', '.join(cause.code.name for cause in causes)
    at = _time_text(first.at, wall_time)
    step = first.code.row.next_step
    if 'reset' in step.lower():
        # Nobody is left who could reset.
        step = 'Look at the arm.'
    start = 'The stop stays latched: after the next start, run `reflex reset`' if is_kept else \
        'Then start again'
    return f'{codes}: {first.text.rstrip(".")}{at and f" ({at.strip()})"}. {step} {start}'


def _time_text(at: float, wall_time: float) -> str:
    """Return ' at' and the time, with the date if it was not within a day; empty if unknown."""
    if at == 0.0:
        return ''
    form = '%H:%M:%S' if abs(wall_time - at) < DAY_S else '%Y-%m-%d %H:%M:%S'
    try:
        return time.strftime(f' at {form}', time.localtime(at))
    except (OverflowError, ValueError, OSError):
        # The latch file may hold any number.
        return ''


def _service_note(seen: NodesSeen) -> str:
    """Return what somebody did to the session at the service; empty if nothing."""
    change = seen.stream.service_change
    if change is ServiceChange.NONE:
        return ''
    return f'{change.value} at the service; the arm waits for `reflex promote`'


def safety_state(machine: SafeStop, seen: NodesSeen, gate: Sequence[GateItem],
                 history: Iterable[tuple[State, float]], now: float,
                 wall_time: float = 0.0) -> SafetyState:
    """
    Return the present content of ``safety/state``.

    :param wall_time: seconds since 1970.
    """
    return SafetyState(
        state=machine.state, epoch=machine.epoch, latched=machine.is_latched,
        causes=machine.causes, history=tuple(history), for_s=now - machine.since,
        pace=seen.driver.pace, why=why_nothing_moves(machine, seen, gate, now, wall_time),
        remark=seen.stream.policy_remark, gate=tuple(gate))


def _both(seen: NodesSeen) -> tuple[tuple[str, Beat, float], tuple[str, Beat, float]]:
    """Return name, last beat and its receipt (monotonic) [s] of driver and stream."""
    return ((DRIVER, seen.driver, seen.driver_at),
            (STREAM, seen.stream, seen.stream_at))
