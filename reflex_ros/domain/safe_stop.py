# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The system's state machine: one table, pure, with time passed in.

::

    UNCONFIGURED -> STANDBY -> DRY_RUN <-> READY -> ARMING -> ACTIVE <-> DEGRADED
                       ^          ^                    |         |          |
                       |          +---- (demote) --- STOPPING <--+----------+
                       |                               | (fault, stop)
                       +---------- (reset) --------- LATCHED <--- FAULT (driver gone)
                       +---------- (reset) --------- PARKED <--- PARKING

A fault that is heat goes through PARKING to LATCHED: at its trip the servo would let the arm fall.

A parked arm stays PARKED instead of going back to STANDBY by itself: STANDBY opens a session, and
nobody who has just put the arm to rest wants its cameras streamed again.

``stop`` is accepted in every state. A stop, the reset and the new start are three separate acts;
the reset moves nothing (safety design, section 4).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode, Reaction
from reflex_ros.domain.permit import Mode, Permit

RESET_DELAY_S = 0.5
ARMING_DEADLINE_S = 10.0
PARKING_DEADLINE_S = 15.0
DEGRADED_DEADLINE_S = 12.0
STANDSTILL_DEADLINE_S = 1.0
GENTLE_S = 3.0
GENTLE_SCALE = 0.5
MAX_CAUSES = 20


class State(Enum):
    """States of the system."""

    UNCONFIGURED = 'UNCONFIGURED'
    STANDBY = 'STANDBY'
    DRY_RUN = 'DRY_RUN'
    READY = 'READY'
    ARMING = 'ARMING'
    ACTIVE = 'ACTIVE'
    DEGRADED = 'DEGRADED'
    STOPPING = 'STOPPING'
    LATCHED = 'LATCHED'
    PARKING = 'PARKING'
    PARKED = 'PARKED'
    FAULT = 'FAULT'
    SHUTDOWN = 'SHUTDOWN'


class Event(Enum):
    """What can happen to the system."""

    CONFIGURED = 'configured'
    NODE_LOST = 'a node is gone'
    SESSION_OPEN = 'session open'
    SESSION_ENDED = 'session ended'
    GATE_GREEN = 'gate green'
    GATE_RED = 'gate red'
    PROMOTE = 'promote'
    MOVING = 'first chunk accepted'
    SLOWED = 'slowed down'
    RECOVERED = 'recovered'
    FAULT = 'fault'
    STOP = 'operator stop'
    DEMOTE = 'demote'
    PARK = 'park'
    PARKED = 'parked'
    STANDSTILL = 'standstill'
    RESET = 'reset'
    SHUTDOWN = 'shutdown'


S, E = State, Event
MOTION = frozenset({S.ARMING, S.ACTIVE, S.DEGRADED, S.STOPPING, S.PARKING})
"""States in which the driver may be active."""

TABLE: dict[tuple[State, Event], State] = {
    (S.UNCONFIGURED, E.CONFIGURED): S.STANDBY,
    (S.STANDBY, E.SESSION_OPEN): S.DRY_RUN,
    (S.STANDBY, E.NODE_LOST): S.UNCONFIGURED,
    (S.STANDBY, E.PARK): S.PARKING,
    (S.DRY_RUN, E.GATE_GREEN): S.READY,
    (S.DRY_RUN, E.SESSION_ENDED): S.STANDBY,
    (S.DRY_RUN, E.NODE_LOST): S.UNCONFIGURED,
    (S.DRY_RUN, E.PARK): S.PARKING,
    (S.READY, E.GATE_RED): S.DRY_RUN,
    (S.READY, E.SESSION_ENDED): S.STANDBY,
    (S.READY, E.NODE_LOST): S.UNCONFIGURED,
    (S.READY, E.PROMOTE): S.ARMING,
    (S.READY, E.PARK): S.PARKING,
    (S.ARMING, E.MOVING): S.ACTIVE,
    (S.ACTIVE, E.SLOWED): S.DEGRADED,
    (S.DEGRADED, E.RECOVERED): S.ACTIVE,
    (S.PARKING, E.PARKED): S.PARKED,
    (S.PARKED, E.RESET): S.STANDBY,
    (S.PARKED, E.NODE_LOST): S.UNCONFIGURED,
    (S.LATCHED, E.RESET): S.STANDBY,
    (S.FAULT, E.CONFIGURED): S.LATCHED,
    (S.LATCHED, E.NODE_LOST): S.FAULT,
    **{(state, event): S.STOPPING for state in (S.ARMING, S.ACTIVE, S.DEGRADED)
       for event in (E.FAULT, E.STOP, E.DEMOTE, E.PARK, E.SESSION_ENDED)},
    **{(S.PARKING, event): S.STOPPING for event in (E.FAULT, E.STOP, E.DEMOTE)},
    **{(state, E.NODE_LOST): S.FAULT for state in MOTION},
    **{(state, E.STOP): S.LATCHED
       for state in (S.UNCONFIGURED, S.STANDBY, S.DRY_RUN, S.READY, S.PARKED)},
    **{(state, E.SHUTDOWN): S.SHUTDOWN for state in State},
}
"""Pairs that are not listed change nothing; STOPPING ends in ``_after_stopping``."""


@dataclass(frozen=True, slots=True)
class CauseRecord:
    """
    One cause of a stop and how often it was seen.

    :param at: wall-clock time of the first sight, seconds since 1970, for people only.
    """

    code: FaultCode
    text: str
    at: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class SafeStop:
    """
    Where the system stands.

    :param since: monotonic instant at which the state was entered [s].
    :param goal: where a planned stop leads to; None after a fault.
    """

    state: State = State.UNCONFIGURED
    epoch: int = 0
    causes: tuple[CauseRecord, ...] = ()
    since: float = 0.0
    goal: State | None = None

    @property
    def is_latched(self) -> bool:
        """Whether only a reset leads on."""
        return bool(self.causes)

    def permit(self, now: float) -> Permit:
        """Say what the connector may do now (monotonic) [s]."""
        if self.state in (State.ARMING, State.ACTIVE, State.DEGRADED):
            gentle = self.state is not State.ACTIVE or now - self.since < GENTLE_S
            return Permit(self.epoch, Mode.APPLY_ACTIONS, GENTLE_SCALE if gentle else 1.0)
        if self.state is State.PARKING:
            return Permit(self.epoch, Mode.PARK)
        return Permit(self.epoch, Mode.HOLD, 0.0)


def react(machine: SafeStop, event: Event, now: float, *, cause: Cause | None = None,
          wall_time: float = 0.0) -> SafeStop:
    """
    Apply one event; the only way in which the system's state changes.

    :param now: monotonic instant [s].
    :param cause: why, for events that latch; required with FAULT, NODE_LOST and STOP.
    """
    state = machine.state
    latches = event in (Event.FAULT, Event.STOP) or (
        event is Event.NODE_LOST and state in MOTION | {State.LATCHED})
    if latches and (event is Event.STOP or state in MOTION
                    or state in (State.LATCHED, State.FAULT)) and state is not State.SHUTDOWN:
        cause = cause or Cause(FaultCode.INTERNAL, f'{event.value} without a cause')
        # A second cause while the arm is on its way to rest because of heat: it holds after all.
        parks = _asks_for_rest(cause) and machine.goal is State.PARKING
        machine = replace(machine, causes=_record(machine.causes, cause, wall_time),
                          goal=State.PARKING if parks else None)
    if state is State.STOPPING and event is Event.STANDSTILL:
        return _after_stopping(machine, now)
    following = TABLE.get((state, event), state)
    if following is state:
        return machine
    goal = machine.goal
    if following is State.STOPPING and not machine.causes:
        goal = State.PARKING if event is Event.PARK else State.DRY_RUN
    elif following is State.STOPPING and cause is not None and _asks_for_rest(cause) \
            and state is not State.PARKING:
        goal = State.PARKING
    if following is State.PARKED and machine.causes:
        following = State.LATCHED
    if following is State.UNCONFIGURED and machine.causes:
        following = State.FAULT
    # A park that has to stop first gets its new epoch when the stop is over.
    begins = event in (Event.PROMOTE, Event.RESET, Event.CONFIGURED)
    epoch = machine.epoch + (begins or following is State.PARKING)
    causes = () if event is Event.RESET else machine.causes
    return replace(machine, state=following, since=now, goal=goal, epoch=epoch, causes=causes)


def elapse(machine: SafeStop, now: float, wall_time: float = 0.0) -> SafeStop:
    """Apply the deadlines that have passed at ``now`` (monotonic) [s]."""
    waited = now - machine.since
    if machine.state is State.ARMING and waited > ARMING_DEADLINE_S:
        return react(machine, Event.FAULT, now, wall_time=wall_time, cause=Cause(
            FaultCode.ARM_TIMEOUT,
            f'no valid chunk within {ARMING_DEADLINE_S:g} s after the promotion'))
    if machine.state is State.DEGRADED and waited > DEGRADED_DEADLINE_S:
        # The driver gives up much sooner; this is for one that does not.
        return react(machine, Event.FAULT, now, wall_time=wall_time, cause=Cause(
            FaultCode.UNDERRUN, f'nothing was played for {DEGRADED_DEADLINE_S:g} s'))
    if machine.state is State.PARKING and waited > PARKING_DEADLINE_S:
        return react(machine, Event.FAULT, now, wall_time=wall_time, cause=Cause(
            FaultCode.PARK_TIMEOUT,
            f'the rest pose was not reached within {PARKING_DEADLINE_S:g} s'))
    if machine.state is State.STOPPING and waited > STANDSTILL_DEADLINE_S:
        cause = Cause(FaultCode.STOP_FAILED,
                      f'no standstill seen within {STANDSTILL_DEADLINE_S:g} s. '
                      'Switch the servo supply off if the arm moves')
        causes = _record(machine.causes, cause, wall_time)
        return replace(machine, state=State.LATCHED, since=now, causes=causes, goal=None)
    return machine


def refusal_reason(machine: SafeStop, event: Event, now: float) -> str:
    """Say why an operator's request is refused now, with the next step; empty when it is not."""
    state = machine.state.value
    if machine.state is State.SHUTDOWN and event is not Event.STOP:
        return f'refused in {state}: the supervisor ends. Start it again'
    if event is Event.PROMOTE and machine.state is not State.READY:
        if machine.is_latched:
            return (f'refused in {state}: stopped by {machine.causes[0].code.name}. Repair the '
                    'cause, then call supervisor/reset')
        return f'refused in {state}: promote needs READY. supervisor/gate says what is missing'
    if event is Event.RESET:
        if machine.state is State.FAULT:
            return 'refused in FAULT: the driver is not back yet. Repair it, then reset again'
        if machine.state is State.PARKED:
            return ''
        if machine.state is not State.LATCHED:
            if machine.state is State.STOPPING:
                return f'refused in {state}: the arm is not at rest yet. Try again in a second'
            return (f'refused in {state}: nothing is latched. supervisor/gate says what is '
                    'missing')
        if now - machine.since < RESET_DELAY_S:
            return f'refused: within {RESET_DELAY_S:g} s of the stop. Look at the arm, then reset'
    if event is Event.PARK and TABLE.get((machine.state, event)) is None:
        first = '. Call supervisor/reset first' if machine.is_latched else ''
        return f'refused in {state}: park needs STANDBY, DRY_RUN, READY or ACTIVE{first}'
    if event is Event.DEMOTE and TABLE.get((machine.state, event)) is None:
        return (f'refused in {state}: nothing is applied, so there is nothing to demote. '
                'supervisor/stop is accepted in every state')
    return ''


def _asks_for_rest(cause: Cause) -> bool:
    # The one kind of fault that holding makes worse: soon the servo lets go, wherever the arm is.
    return cause.code.row.reaction is Reaction.REST


def _after_stopping(machine: SafeStop, now: float) -> SafeStop:
    if machine.goal is None:
        return replace(machine, state=State.LATCHED, since=now, goal=None)
    epoch = machine.epoch + (machine.goal is State.PARKING)
    return replace(machine, state=machine.goal, since=now, goal=None, epoch=epoch)


def _record(causes: tuple[CauseRecord, ...], cause: Cause,
            wall_time: float) -> tuple[CauseRecord, ...]:
    for index, known in enumerate(causes):
        if known.code == cause.code:
            again = replace(known, count=known.count + 1)
            return (*causes[:index], again, *causes[index + 1:])
    # The first one says what happened; the newest is what still has to be repaired.
    return (*causes[:MAX_CAUSES - 1], CauseRecord(cause.code, cause.text, wall_time))
