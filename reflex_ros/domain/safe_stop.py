# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The system's state machine: one table of all transitions; pure functions, with time passed in.

``make docs`` draws the table into ``doc/interfaces.md``, and lists the states there.

An overheated arm goes through PARKING to LATCHED, because a servo that gets hotter switches its
torque off, and the arm would fall. Only the driver's own beat is the event OVERHEATED: a stop or a
fault of somebody else never moves the arm, whatever code it names.

A parked arm stays in PARKED until a reset, also while the driver is gone: STANDBY opens a session
by itself, and would send camera images again although a person has just parked the arm.

``stop`` is accepted in every state. Stop, reset and the new start are three separate actions, and
a reset moves nothing (safety design, section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.motion_guard import GuardBounds
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
    """
    States of the system.

    :param meaning: what the state means to a person, for ``doc/interfaces.md``.
    """

    UNCONFIGURED = (
        'UNCONFIGURED', 'the driver is missing, or cannot be configured: `why` says why')
    STANDBY = 'STANDBY', 'a session is being opened; `why` says what is missing'
    DRY_RUN = 'DRY_RUN', 'the policy runs and moves nothing; the gate says what is missing'
    READY = 'READY', 'every check of the gate is green; one red check leads back'
    ARMING = 'ARMING', 'the arm is under torque and waits for the first chunk'
    ACTIVE = (
        'ACTIVE', f'the arm follows the policy, for the first {GENTLE_S:g} s at '
        f'{GENTLE_SCALE:.0%} of the speed')
    DEGRADED = (
        'DEGRADED', f'the arm is at rest because no chunk is left; the driver stops for good '
        f'after {GuardBounds().starved_s:g} s')
    STOPPING = 'STOPPING', 'the arm slows down to rest'
    LATCHED = 'LATCHED', 'stopped, torque on; only `reset` leads on'
    PARKING = 'PARKING', 'the arm goes slowly to its rest pose'
    PARKED = 'PARKED', 'at rest, torque off; only `reset` leads on'
    FAULT = 'FAULT', 'the driver is gone, or has lost its port'
    SHUTDOWN = 'SHUTDOWN', 'the supervisor has ended'

    meaning: str

    def __new__(cls, name: str, meaning: str) -> State:
        """Make the member whose value is its name."""
        state = object.__new__(cls)
        state._value_ = name
        state.meaning = meaning
        return state


class Event(Enum):
    """What can happen to the system."""

    CONFIGURED = 'driver configured'
    NODE_LOST = 'a node is gone'
    SESSION_OPEN = 'session open'
    SESSION_ENDED = 'session ended'
    GATE_GREEN = 'gate green'
    GATE_RED = 'gate red'
    PROMOTE = 'promote'
    MOVING = 'first chunk played'
    SLOWED = 'nothing to play'
    RECOVERED = 'a chunk is played'
    FAULT = 'fault'
    OVERHEATED = 'too hot'
    STOP = 'operator stop'
    TIMEOUT = 'deadline passed'
    DEMOTE = 'demote'
    PARK = 'park'
    PARKED = 'parked'
    STANDSTILL = 'standstill'
    RESET = 'reset'
    SHUTDOWN = 'shutdown'


@dataclass(frozen=True, slots=True)
class CauseRecord:
    """
    One cause of a stop and how often it was seen.

    :param at: wall-clock time of the first sight, seconds since 1970, for people only; 0 when
        nobody saw when it happened.
    """

    code: FaultCode
    text: str
    at: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class SafeStop:
    """
    The state of the system.

    :param since: monotonic instant at which the state was entered [s].
    :param goal: in STOPPING, the state that follows the standstill; None stands for LATCHED.
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
        """Return what the connector may do now (monotonic) [s]."""
        if self.state in APPLYING:
            gentle = self.state is not State.ACTIVE or now - self.since < GENTLE_S
            return Permit(self.epoch, Mode.APPLY_ACTIONS, GENTLE_SCALE if gentle else 1.0)
        if self.state is State.PARKING:
            return Permit(self.epoch, Mode.PARK)
        return Permit(self.epoch, Mode.HOLD, 0.0)


@dataclass(frozen=True, slots=True)
class Guard:
    """
    A condition of a transition.

    :param text: the condition in words, for the drawing.
    :param holds: takes the machine before the event, and returns whether the condition is met.
    """

    text: str
    holds: Callable[[SafeStop], bool]


@dataclass(frozen=True, slots=True)
class Deadline:
    """
    How long a state may last, and the fault if it lasts longer.

    :param after_s: longest time in the state [s].
    :param text: what the fault says.
    """

    after_s: float
    code: FaultCode
    text: str


@dataclass(frozen=True, slots=True)
class Transition:
    """
    One row of the table.

    :param guard: further condition. If several rows have the same state and event, the first
        one whose guard holds counts.
    :param goal: state that follows the standstill, if the target is STOPPING.
    :param latches: whether the cause of the event is recorded. Then only a reset leads on.
    :param is_new_start: whether the epoch grows, so that earlier chunks and permits are refused.
    """

    state: State
    event: Event
    target: State
    guard: Guard | None = None
    goal: State | None = None
    latches: bool = False
    is_new_start: bool = False


S, E = State, Event
IDLE = (S.UNCONFIGURED, S.STANDBY, S.DRY_RUN, S.READY, S.PARKED)
APPLYING = (S.ARMING, S.ACTIVE, S.DEGRADED)
"""States in which the policy's actions are applied."""
MOTION = frozenset({*APPLYING, S.STOPPING, S.PARKING})
"""States in which the driver may be active."""

FAULTS = (E.FAULT, E.OVERHEATED, E.STOP)
LATCHED = Guard('a cause is latched', lambda machine: machine.is_latched)
PLANNED = Guard('planned stop', lambda machine: machine.goal is S.DRY_RUN)
TO_PARK = Guard('parking follows', lambda machine: machine.goal is S.PARKING)


def _rows(states: State | Iterable[State], events: Event | Iterable[Event],
          target: State | None = None, *, guard: Guard | None = None, goal: State | None = None,
          latches: bool = False, is_new_start: bool = False) -> Iterator[Transition]:
    """Make a row for each state and event; without a target the state stays."""
    for state in (states,) if isinstance(states, State) else states:
        for event in (events,) if isinstance(events, Event) else events:
            yield Transition(state, event, target or state, guard, goal, latches, is_new_start)


TABLE: tuple[Transition, ...] = (
    # Nothing is applied.
    *_rows(S.UNCONFIGURED, E.CONFIGURED, S.STANDBY, is_new_start=True),
    *_rows(S.STANDBY, E.SESSION_OPEN, S.DRY_RUN),
    *_rows(S.DRY_RUN, E.GATE_GREEN, S.READY),
    *_rows(S.READY, E.GATE_RED, S.DRY_RUN),
    *_rows((S.DRY_RUN, S.READY), E.SESSION_ENDED, S.STANDBY),
    *_rows((S.STANDBY, S.DRY_RUN, S.READY), E.PARK, S.PARKING, is_new_start=True),
    *_rows((S.STANDBY, S.DRY_RUN, S.READY), E.NODE_LOST, S.UNCONFIGURED),
    *_rows(IDLE, E.STOP, S.LATCHED, latches=True),
    # The policy moves the arm.
    *_rows(S.READY, E.PROMOTE, S.ARMING, is_new_start=True),
    *_rows(S.ARMING, E.MOVING, S.ACTIVE),
    *_rows(S.ACTIVE, E.SLOWED, S.DEGRADED),
    *_rows(S.DEGRADED, E.RECOVERED, S.ACTIVE),
    *_rows(APPLYING, (E.DEMOTE, E.SESSION_ENDED), S.STOPPING, goal=S.DRY_RUN),
    *_rows(APPLYING, E.PARK, S.STOPPING, goal=S.PARKING),
    *_rows(APPLYING, E.OVERHEATED, S.STOPPING, goal=S.PARKING, latches=True),
    *_rows(APPLYING, (E.FAULT, E.STOP), S.STOPPING, latches=True),
    *_rows((S.ARMING, S.DEGRADED), E.TIMEOUT, S.STOPPING, latches=True),
    # The arm comes to rest. A park that had to stop first gets its new epoch here.
    *_rows(S.STOPPING, E.STANDSTILL, S.DRY_RUN, guard=PLANNED),
    *_rows(S.STOPPING, E.STANDSTILL, S.PARKING, guard=TO_PARK, is_new_start=True),
    *_rows(S.STOPPING, E.STANDSTILL, S.LATCHED),
    *_rows(S.STOPPING, E.OVERHEATED, guard=TO_PARK, goal=S.PARKING, latches=True),
    *_rows(S.STOPPING, FAULTS, latches=True),
    *_rows(S.STOPPING, E.TIMEOUT, S.LATCHED, latches=True),
    # The arm goes to its rest pose.
    *_rows(S.PARKING, E.PARKED, S.LATCHED, guard=LATCHED),
    *_rows(S.PARKING, E.PARKED, S.PARKED),
    *_rows(S.PARKING, E.DEMOTE, S.STOPPING, guard=LATCHED),
    *_rows(S.PARKING, E.DEMOTE, S.STOPPING, goal=S.DRY_RUN),
    *_rows(S.PARKING, (*FAULTS, E.TIMEOUT), S.STOPPING, latches=True),
    # A stop is latched.
    *_rows((S.LATCHED, S.FAULT), FAULTS, latches=True),
    *_rows((*APPLYING, S.STOPPING, S.PARKING, S.LATCHED), E.NODE_LOST, S.FAULT, latches=True),
    *_rows(S.FAULT, E.CONFIGURED, S.LATCHED, is_new_start=True),
    *_rows((S.LATCHED, S.PARKED), E.RESET, S.STANDBY, is_new_start=True),
    *_rows([state for state in S if state is not S.SHUTDOWN], E.SHUTDOWN, S.SHUTDOWN),
)
"""All transitions. A state and event without a row change nothing."""

DEADLINES = {
    S.ARMING: Deadline(ARMING_DEADLINE_S, FaultCode.ARM_TIMEOUT, 'no valid chunk within '
                       f'{ARMING_DEADLINE_S:g} s after the promotion'),
    # The driver gives up much sooner; this is for one that does not.
    S.DEGRADED: Deadline(DEGRADED_DEADLINE_S, FaultCode.UNDERRUN,
                         f'nothing was played for {DEGRADED_DEADLINE_S:g} s'),
    S.PARKING: Deadline(PARKING_DEADLINE_S, FaultCode.PARK_TIMEOUT,
                        f'the rest pose was not reached within {PARKING_DEADLINE_S:g} s'),
    S.STOPPING: Deadline(STANDSTILL_DEADLINE_S, FaultCode.STOP_FAILED, 'no standstill seen within '
                         f'{STANDSTILL_DEADLINE_S:g} s. Switch the servo supply off if the arm '
                         'moves'),
}
"""When one has passed, TIMEOUT happens with its fault as the cause."""

_BY_EVENT: dict[tuple[State, Event], tuple[Transition, ...]] = {}
for _row in TABLE:
    _BY_EVENT[_row.state, _row.event] = (*_BY_EVENT.get((_row.state, _row.event), ()), _row)


def find_transition(machine: SafeStop, event: Event) -> Transition | None:
    """Return the row that counts now; None when the event changes nothing."""
    for row in _BY_EVENT.get((machine.state, event), ()):
        if row.guard is None or row.guard.holds(machine):
            return row
    return None


def react(machine: SafeStop, event: Event, now: float, *, cause: Cause | None = None,
          wall_time: float = 0.0) -> SafeStop:
    """
    Apply one event, and return the system after it. There is no other way to change the state.

    :param now: monotonic instant [s].
    :param cause: cause of the event; required for FAULT, OVERHEATED, NODE_LOST, STOP
        and TIMEOUT.
    :param wall_time: seconds since 1970, recorded with the cause for people.
    """
    row = find_transition(machine, event)
    if row is None:
        return machine
    causes = () if event is Event.RESET else machine.causes
    if row.latches:
        cause = cause or Cause(FaultCode.INTERNAL, f'{event.value} without a cause')
        causes = _record(causes, cause, wall_time)
    since = machine.since if row.target is machine.state else now
    return replace(machine, state=row.target, since=since, causes=causes, goal=row.goal,
                   epoch=machine.epoch + row.is_new_start)


def elapse(machine: SafeStop, now: float, wall_time: float = 0.0) -> SafeStop:
    """
    Apply the deadline of the present state if it has passed, and return the system after it.

    :param now: monotonic instant [s].
    :param wall_time: seconds since 1970, recorded with the cause for people.
    """
    deadline = DEADLINES.get(machine.state)
    if deadline is None or now - machine.since <= deadline.after_s:
        return machine
    return react(machine, Event.TIMEOUT, now, wall_time=wall_time,
                 cause=Cause(deadline.code, deadline.text))


def refusal_reason(machine: SafeStop, event: Event, now: float) -> str:
    """
    Return why an operator's request is refused now, and the next step.

    The text is empty when the request is not refused.
    """
    state = machine.state.value
    if machine.state is State.SHUTDOWN and event is not Event.STOP:
        return f'refused in {state}: the supervisor ends. Start it again'
    if event is Event.PROMOTE and machine.state is not State.READY:
        if machine.is_latched:
            return (f'refused in {state}: stopped by {machine.causes[0].code.name}. Repair the '
                    'cause, then run `reflex reset`')
        if machine.state is State.PARKED:
            return f'refused in {state}: the arm is parked. Run `reflex reset` first'
        return f'refused in {state}: promote needs READY. `reflex gate` says what is missing'
    if event is Event.RESET:
        if machine.state is State.FAULT:
            return 'refused in FAULT: the driver is not back yet. Repair it, then reset again'
        if machine.state is State.PARKED:
            return ''
        if machine.state is not State.LATCHED:
            if machine.state is State.STOPPING:
                return f'refused in {state}: the arm is not at rest yet. Try again in a second'
            return (f'refused in {state}: nothing is latched. `reflex gate` says what is '
                    'missing')
        if now - machine.since < RESET_DELAY_S:
            return f'refused: within {RESET_DELAY_S:g} s of the stop. Look at the arm, then reset'
    if event is Event.PARK and find_transition(machine, event) is None:
        first = '. Run `reflex reset` first' if machine.is_latched else ''
        return f'refused in {state}: park needs STANDBY, DRY_RUN, READY or ACTIVE{first}'
    if event is Event.DEMOTE and find_transition(machine, event) is None:
        return (f'refused in {state}: nothing is applied, so there is nothing to demote. '
                '`reflex stop` is accepted in every state')
    return ''


def _record(causes: tuple[CauseRecord, ...], cause: Cause,
            wall_time: float) -> tuple[CauseRecord, ...]:
    for index, known in enumerate(causes):
        if known.code == cause.code:
            again = replace(known, count=known.count + 1)
            return (*causes[:index], again, *causes[index + 1:])
    # The first cause says what happened, the newest one what still has to be repaired.
    return (*causes[:MAX_CAUSES - 1], CauseRecord(cause.code, cause.text, wall_time))
