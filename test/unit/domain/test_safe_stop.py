# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Every (state, event) pair, every sequence of four events, and every state that can be reached.

The machine is pure, so all of it is walked; sets of machines keep the walk short.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
import re

from domain_builders import OP_STOP
import pytest

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.domain.safe_stop import (
    ARMING_DEADLINE_S,
    CauseRecord,
    DEADLINES,
    elapse,
    find_transition,
    GENTLE_S,
    MAX_CAUSES,
    MOTION,
    PARKING_DEADLINE_S,
    react,
    refusal_reason,
    RESET_DELAY_S,
    SafeStop,
    STANDSTILL_DEADLINE_S,
    TABLE,
    Transition,
)
from reflex_ros.domain.safe_stop import (
    Event as E,
)
from reflex_ros.domain.safe_stop import (
    State as S,
)

HEAT = Cause(FaultCode.OVERHEAT, 'elbow_flex is at 63 degC')
CAUSES = {E.FAULT: Cause(FaultCode.TRACKING, 'elbow_flex does not follow'), E.STOP: OP_STOP,
          E.OVERHEATED: HEAT,
          E.NODE_LOST: Cause(FaultCode.DRIVER_DEAD, 'no sign of life from so101'),
          E.TIMEOUT: Cause(FaultCode.UNDERRUN, 'nothing was played')}
APPLYING = {S.ARMING, S.ACTIVE, S.DEGRADED}
LATCHING = {S.STOPPING, S.LATCHED, S.FAULT, S.SHUTDOWN}
OPERATOR = (E.PROMOTE, E.DEMOTE, E.PARK, E.RESET)
LONG = 100.0
"""Longer than every deadline [s]."""


def fire(machine: SafeStop, event: E, now: float = 1.0) -> SafeStop:
    """Apply an event with the cause that belongs to it."""
    return react(machine, event, now, cause=CAUSES.get(event))


def run(*events: E, start: SafeStop | None = None) -> SafeStop:
    """Apply events one second apart."""
    machine = start or SafeStop()
    for number, event in enumerate(events, 1):
        machine = fire(machine, event, float(number))
    return machine


TO_READY = (E.CONFIGURED, E.SESSION_OPEN, E.GATE_GREEN)
TO_ACTIVE = (*TO_READY, E.PROMOTE, E.MOVING)
WAY = {
    S.UNCONFIGURED: (), S.STANDBY: TO_READY[:1], S.DRY_RUN: TO_READY[:2], S.READY: TO_READY,
    S.ARMING: TO_ACTIVE[:4], S.ACTIVE: TO_ACTIVE, S.DEGRADED: (*TO_ACTIVE, E.SLOWED),
    S.STOPPING: (*TO_ACTIVE, E.FAULT), S.LATCHED: (*TO_ACTIVE, E.STOP, E.STANDSTILL),
    S.PARKING: (E.CONFIGURED, E.PARK), S.PARKED: (E.CONFIGURED, E.PARK, E.PARKED),
    S.FAULT: (*TO_ACTIVE, E.NODE_LOST), S.SHUTDOWN: (E.SHUTDOWN,)}


def is_only_hot(machine: SafeStop) -> bool:
    """Tell whether heat alone has stopped the arm: then it may still be parked."""
    return {cause.code for cause in machine.causes} == {HEAT.code}


def mode(machine: SafeStop) -> Mode:
    return machine.permit(machine.since).mode


def check_machine(machine: SafeStop) -> None:
    """Assert what holds of every machine that can be reached."""
    expected = (Mode.APPLY_ACTIONS if machine.state in APPLYING
                else Mode.PARK if machine.state is S.PARKING else Mode.HOLD)
    permit = machine.permit(machine.since + LONG)
    assert permit.mode is expected
    assert permit.epoch == machine.epoch
    assert (permit.speed_scale > 0.0) == (expected is not Mode.HOLD)
    assert machine.is_latched == bool(machine.causes)
    if machine.is_latched and not is_only_hot(machine):
        assert machine.state in LATCHING
        assert machine.goal is None, 'a stop by fault would lead on by itself'
    if machine.state in (S.LATCHED, S.FAULT):
        assert machine.is_latched
    if machine.state not in (S.STOPPING, S.SHUTDOWN):
        assert machine.goal is None
    elif machine.state is S.STOPPING and not machine.is_latched:
        assert machine.goal in (S.DRY_RUN, S.PARKING)


def check_step(before: SafeStop, event: E | None, after: SafeStop) -> None:
    """Assert what holds of every step; ``event`` is None where only time passed."""
    check_machine(after)
    moved = after.state is not before.state
    assert after == before or find_transition(before, event or E.TIMEOUT) is not None, (
        'a change without a row in the table')
    assert after.epoch >= before.epoch
    if before.is_latched and event is not E.RESET:
        known = {cause.code for cause in before.causes}
        assert known <= {cause.code for cause in after.causes}, 'a cause was forgotten'
        assert mode(after) is Mode.HOLD or (
            is_only_hot(after) and after.state is S.PARKING), 'motion without a reset'
    if moved and after.state in (S.ARMING, S.PARKING):
        assert after.epoch > before.epoch, 'an old permit or chunk would count'
    if moved and event in (E.PROMOTE, E.RESET):
        assert after.epoch > before.epoch
    if mode(after) is not Mode.HOLD and mode(after) is not mode(before):
        assert event in (E.PROMOTE, E.PARK) or (event is E.STANDSTILL and before.goal is S.PARKING)
    if event is E.RESET:
        assert after.state not in MOTION or not moved
    if event is E.STOP:
        assert mode(after) is Mode.HOLD
        assert after.is_latched or after.state is S.SHUTDOWN
    if event in (E.FAULT, E.OVERHEATED, E.NODE_LOST) and before.state in MOTION:
        assert mode(after) is Mode.HOLD and after.is_latched
    if before.state is S.SHUTDOWN:
        assert after == before
    if moved:
        assert after.since > before.since
        if after.state in (S.ARMING, S.ACTIVE, S.DEGRADED):
            assert (before.state, event) in {
                (S.READY, E.PROMOTE), (S.ARMING, E.MOVING), (S.ACTIVE, E.SLOWED),
                (S.DEGRADED, E.RECOVERED)}


def steps(machine: SafeStop) -> Iterator[tuple[SafeStop, E | None, SafeStop]]:
    """Yield every step from here: each event at once, a long wait, each event after it."""
    waited = elapse(machine, machine.since + LONG)
    yield machine, None, waited
    for event in E:
        yield machine, event, fire(machine, event, machine.since + 0.01)
        yield waited, event, fire(waited, event, machine.since + LONG + 0.01)


def walk(machines: Iterable[SafeStop]) -> set[SafeStop]:
    """Take every step from every machine, check each, and return where they lead."""
    found = set()
    for machine in machines:
        for before, event, after in steps(machine):
            check_step(before, event, after)
            found.add(after)
    return found


@pytest.mark.parametrize('start', S, ids=lambda state: state.value)
def test_way_of_these_tests_leads_to_each_state(start: S) -> None:
    assert run(*WAY[start]).state is start


def test_every_state_can_be_reached_and_no_sequence_of_events_breaks_an_invariant() -> None:
    seen: set[SafeStop] = set()
    new = {SafeStop()}
    while new:
        seen |= new
        # The epoch, how often a cause was seen and when a state was entered lead nowhere else:
        # without them, 838 machines are all that sequences of any length lead to.
        new = {replace(found, since=0.0, epoch=0, causes=tuple(
            replace(cause, count=1) for cause in found.causes)) for found in walk(new)} - seen
    assert {machine.state for machine in seen} == set(S)


def test_every_row_of_the_table_is_used_and_nothing_changes_without_a_row() -> None:
    used: set[Transition] = set()
    seen: set[SafeStop] = set()
    new = {SafeStop()}
    while new:
        seen |= new
        found = set()
        for machine, event in product(new, E):
            row = find_transition(machine, event)
            after = fire(machine, event)
            if row is None:
                assert after is machine
                continue
            assert after.state is row.target
            used.add(row)
            codes = {record.code: record for record in after.causes}
            found.add(replace(after, since=0.0, epoch=0, causes=tuple(
                CauseRecord(code, '', 0.0) for code in sorted(codes, key=str))))
        new = found - seen
    assert used == set(TABLE), 'a row that nothing reaches'


def test_of_several_rows_for_one_event_only_the_last_has_no_guard() -> None:
    pairs = [(row.state, row.event) for row in TABLE]
    for index, (row, pair) in enumerate(zip(TABLE, pairs, strict=True)):
        assert (row.guard is None) == (pair not in pairs[index + 1:]), row


def test_every_state_with_a_deadline_has_a_row_for_it() -> None:
    assert {row.state for row in TABLE if row.event is E.TIMEOUT} == set(DEADLINES)


def test_operator_s_request_is_refused_exactly_when_it_would_change_nothing() -> None:
    for start, event in product(S, OPERATOR):
        machine = run(*WAY[start])
        now = machine.since + LONG
        changes = fire(machine, event, now).state is not machine.state
        refusal = refusal_reason(machine, event, now)
        assert (refusal == '') == changes, (start, event)
        if refusal:
            assert refusal.startswith('refused in ' + start.value + ': '), 'it names no state'
            assert re.search(r'`reflex \w+`|needs|again', refusal), f'no next step: {refusal}'


@pytest.mark.parametrize('state', S, ids=lambda state: state.value)
def test_stop_is_accepted_in_every_state_and_may_be_repeated(state: S) -> None:
    machine = run(*WAY[state])
    assert refusal_reason(machine, E.STOP, machine.since) == ''
    for _ in range(1000):
        machine = fire(machine, E.STOP, machine.since + 0.001)
        check_machine(machine)
    if state is not S.SHUTDOWN:
        record = next(cause for cause in machine.causes if cause.code == FaultCode.OP_STOP)
        assert record.count >= 1000
        assert len(machine.causes) <= 2


EXPECTED = """
UNCONFIGURED: CONFIGURED>STANDBY STOP>LATCHED PROMOTE>UNCONFIGURED RESET>UNCONFIGURED
STANDBY: SESSION_OPEN>DRY_RUN PARK>PARKING PROMOTE>STANDBY NODE_LOST>UNCONFIGURED
    GATE_GREEN>STANDBY
DRY_RUN: GATE_GREEN>READY SESSION_ENDED>STANDBY PROMOTE>DRY_RUN NODE_LOST>UNCONFIGURED
READY: PROMOTE>ARMING GATE_RED>DRY_RUN SESSION_ENDED>STANDBY MOVING>READY
ARMING: MOVING>ACTIVE FAULT>STOPPING GATE_RED>ARMING SLOWED>ARMING
ACTIVE: SLOWED>DEGRADED FAULT>STOPPING STOP>STOPPING DEMOTE>STOPPING PARK>STOPPING
    SESSION_ENDED>STOPPING NODE_LOST>FAULT RESET>ACTIVE GATE_RED>ACTIVE SHUTDOWN>SHUTDOWN
DEGRADED: RECOVERED>ACTIVE FAULT>STOPPING STOP>STOPPING NODE_LOST>FAULT
STOPPING: STANDSTILL>LATCHED RECOVERED>STOPPING RESET>STOPPING NODE_LOST>FAULT PROMOTE>STOPPING
LATCHED: RESET>STANDBY PROMOTE>LATCHED GATE_GREEN>LATCHED PARK>LATCHED NODE_LOST>FAULT
    MOVING>LATCHED
FAULT: CONFIGURED>LATCHED RESET>FAULT PROMOTE>FAULT
PARKING: PARKED>PARKED STOP>STOPPING FAULT>STOPPING NODE_LOST>FAULT SESSION_ENDED>PARKING
PARKED: RESET>STANDBY PROMOTE>PARKED SESSION_OPEN>PARKED NODE_LOST>PARKED CONFIGURED>PARKED
SHUTDOWN: CONFIGURED>SHUTDOWN STOP>SHUTDOWN
"""


def expected_steps() -> Iterator[tuple[S, E, S]]:
    """Read the table: start, then event > where it leads."""
    start = S.UNCONFIGURED
    for word in EXPECTED.split():
        if word.endswith(':'):
            start = S[word[:-1]]
        else:
            event, leads_to = word.split('>')
            yield start, E[event], S[leads_to]


@pytest.mark.parametrize(('state', 'event', 'expected'), list(expected_steps()),
                         ids=lambda value: getattr(value, 'name', None))
def test_event_leads_where_the_safety_design_says(state: S, event: E, expected: S) -> None:
    assert run(*WAY[state], event).state is expected


@pytest.mark.parametrize(('events', 'expected'), [
    ((E.DEMOTE, E.STANDSTILL), S.DRY_RUN),
    ((E.SESSION_ENDED, E.STANDSTILL), S.DRY_RUN),
    ((E.PARK, E.STANDSTILL), S.PARKING),
    ((E.PARK, E.STANDSTILL, E.PARKED), S.PARKED),
    ((E.PARK, E.STANDSTILL, E.PARKED, E.RESET), S.STANDBY),
    ((E.DEMOTE, E.FAULT, E.STANDSTILL), S.LATCHED),
    ((E.PARK, E.STOP, E.STANDSTILL), S.LATCHED),
    ((E.PARK, E.STANDSTILL, E.STOP, E.STANDSTILL), S.LATCHED),
    ((E.FAULT, E.DEMOTE, E.STANDSTILL), S.LATCHED),
    ((E.STOP, E.PARK, E.STANDSTILL), S.LATCHED),
    ((E.STOP, E.STANDSTILL, E.RESET), S.STANDBY),
    ((E.NODE_LOST, E.CONFIGURED, E.RESET), S.STANDBY),
])
def test_stop_ends_where_it_was_meant_to_and_latches_when_anything_is_wrong(
        events: tuple[E, ...], expected: S) -> None:
    assert run(*TO_ACTIVE, *events).state is expected


def test_reset_forgets_the_causes_and_starts_nothing() -> None:
    latched = run(*WAY[S.LATCHED])
    clean = fire(latched, E.RESET, LONG)
    assert (clean.state, clean.causes, mode(clean)) == (S.STANDBY, (), Mode.HOLD)
    assert clean.epoch > latched.epoch


@pytest.mark.parametrize(('wait_s', 'is_refused'), [
    (0.0, True), (RESET_DELAY_S - 0.01, True), (RESET_DELAY_S, False), (LONG, False)])
def test_reset_is_refused_right_after_the_stop(wait_s: float, is_refused: bool) -> None:
    machine = run(*WAY[S.LATCHED])
    assert bool(refusal_reason(machine, E.RESET, machine.since + wait_s)) == is_refused


def test_refused_promotion_of_a_parked_arm_names_the_reset() -> None:
    parked = SafeStop(S.PARKED)
    assert refusal_reason(parked, E.PROMOTE, 1.0) == (
        'refused in PARKED: the arm is parked. Run `reflex reset` first')


def test_refused_promotion_names_the_stop() -> None:
    refusal = refusal_reason(run(*WAY[S.LATCHED]), E.PROMOTE, LONG)
    assert 'OP_STOP' in refusal and '`reflex reset`' in refusal


@pytest.mark.parametrize(('state', 'deadline_s', 'expected', 'code'), [
    (S.ARMING, ARMING_DEADLINE_S, S.STOPPING, FaultCode.ARM_TIMEOUT),
    (S.PARKING, PARKING_DEADLINE_S, S.STOPPING, FaultCode.PARK_TIMEOUT),
    (S.STOPPING, STANDSTILL_DEADLINE_S, S.LATCHED, FaultCode.STOP_FAILED)])
def test_state_that_must_not_last_ends_at_its_deadline(
        state: S, deadline_s: float, expected: S, code: str) -> None:
    machine = run(*WAY[state])
    assert elapse(machine, machine.since + deadline_s) is machine
    late = elapse(machine, machine.since + deadline_s + 0.001, wall_time=1234.0)
    assert (late.state, late.causes[-1].code, late.causes[-1].at) == (expected, code, 1234.0)
    assert late.since == machine.since + deadline_s + 0.001


def test_planned_stop_without_standstill_latches_too() -> None:
    machine = run(*TO_ACTIVE, E.DEMOTE)
    late = elapse(machine, machine.since + 1.001)
    assert (late.state, late.causes[0].code) == (S.LATCHED, FaultCode.STOP_FAILED)
    assert 'supply' in late.causes[0].text


@pytest.mark.parametrize('state', sorted(
    set(S) - {S.ARMING, S.DEGRADED, S.PARKING, S.STOPPING}, key=lambda state: state.value))
def test_other_states_last(state: S) -> None:
    machine = run(*WAY[state])
    assert elapse(machine, machine.since + 1e6) is machine


@pytest.mark.parametrize(('events', 'since_s', 'scale'), [
    ((), 0.0, 0.5), ((), GENTLE_S - 0.01, 0.5), ((), GENTLE_S, 1.0),
    ((E.SLOWED,), LONG, 0.5), ((E.SLOWED, E.RECOVERED), 0.0, 0.5),
    ((E.SLOWED, E.RECOVERED), GENTLE_S, 1.0)])
def test_motion_begins_gently_after_every_start(
        events: tuple[E, ...], since_s: float, scale: float) -> None:
    machine = run(*TO_ACTIVE, *events)
    assert machine.permit(machine.since + since_s) == Permit(
        machine.epoch, Mode.APPLY_ACTIONS, scale)


@pytest.mark.parametrize('state', [S.STOPPING, S.LATCHED, S.FAULT])
@pytest.mark.parametrize('event', [E.FAULT, E.STOP])
def test_fault_after_a_stop_is_added_to_the_causes(state: S, event: E) -> None:
    before = run(*WAY[state])
    for _ in range(3):
        after = react(before, event, LONG, cause=Cause(FaultCode.OVERHEAT,
                                                       'gripper is at 63 degC'),
                      wall_time=9.0)
        assert after.state is state
        assert after.causes[0].code == before.causes[0].code
        assert after.causes[-1].code == FaultCode.OVERHEAT
        before = after
    assert before.causes[-1] == CauseRecord(FaultCode.OVERHEAT, 'gripper is at 63 degC', 9.0, 3)


@pytest.mark.parametrize('state', sorted(MOTION | {S.LATCHED}, key=lambda state: state.value))
def test_loss_of_the_driver_is_a_cause(state: S) -> None:
    assert run(*WAY[state], E.NODE_LOST).causes[-1].code == FaultCode.DRIVER_DEAD


def test_cause_is_never_missing() -> None:
    machine = react(run(*TO_ACTIVE), E.FAULT, LONG)
    assert machine.causes[0].code == FaultCode.INTERNAL


def test_causes_are_bounded_and_keep_the_first_and_the_newest() -> None:
    machine = run(*TO_ACTIVE)
    faults = list(FaultCode)[:2 * MAX_CAUSES]
    for code in faults:
        machine = react(machine, E.FAULT, LONG, cause=Cause(code, ''))
    codes = [cause.code for cause in machine.causes]
    assert len(codes) == MAX_CAUSES
    assert (codes[0], codes[-1]) == (faults[0], faults[-1])


def test_restart_with_a_latch_file_comes_up_latched() -> None:
    machine = SafeStop(S.FAULT, 5, (CauseRecord(FaultCode.OP_STOP, '', 1.0),))
    for events in product((E.SESSION_OPEN, E.GATE_GREEN, E.PROMOTE, E.CONFIGURED, E.PARK),
                          repeat=4):
        assert mode(run(*events, start=machine)) is Mode.HOLD
    assert run(E.CONFIGURED, E.RESET, start=machine).causes == ()


def test_reset_is_refused_while_the_arm_still_stops() -> None:
    refusal = refusal_reason(run(*WAY[S.STOPPING]), E.RESET, LONG)
    assert 'nothing is latched' not in refusal
    assert 'rest' in refusal


@pytest.mark.parametrize('state', (S.ARMING, S.ACTIVE, S.DEGRADED))
def test_hot_arm_is_parked_and_latched(state: S) -> None:
    machine = fire(SafeStop(state, epoch=4), E.OVERHEATED)
    # The driver says it again with every beat.
    machine = fire(machine, E.OVERHEATED, 1.1)
    assert machine.state is S.STOPPING
    machine = fire(machine, E.STANDSTILL, 1.5)
    assert (machine.state, machine.epoch) == (S.PARKING, 5)
    assert machine.permit(1.6) == Permit(5, Mode.PARK) and machine.is_latched
    machine = fire(machine, E.PARKED, 4.0)
    assert machine.state is S.LATCHED
    assert [cause.code for cause in machine.causes] == [FaultCode.OVERHEAT]
    assert fire(machine, E.RESET, 9.0).state is S.STANDBY


@pytest.mark.parametrize('event', (E.FAULT, E.STOP))
@pytest.mark.parametrize('when', (0, 1))
def test_second_cause_or_a_person_keeps_a_hot_arm_from_parking(event: E, when: int) -> None:
    machine = fire(SafeStop(S.ACTIVE, epoch=4), E.OVERHEATED)
    if when:
        machine = fire(machine, E.STANDSTILL, 1.5)
    machine = fire(fire(machine, event, 2.0), E.STANDSTILL, 2.5)
    assert machine.state is S.LATCHED and len(machine.causes) == 2


def test_arm_that_gets_too_hot_while_it_is_parked_holds() -> None:
    machine = fire(SafeStop(S.PARKING, epoch=4), E.OVERHEATED)
    assert machine.state is S.STOPPING
    assert fire(machine, E.STANDSTILL, 2.0).state is S.LATCHED


def test_heat_in_a_planned_stop_latches() -> None:
    machine = fire(SafeStop(S.ACTIVE, epoch=4), E.DEMOTE, 1.0)
    machine = fire(machine, E.OVERHEATED, 1.1)
    assert fire(machine, E.STANDSTILL, 2.0).state is S.LATCHED


@pytest.mark.parametrize('state', S, ids=lambda state: state.value)
@pytest.mark.parametrize('event', (E.FAULT, E.STOP))
def test_heat_that_somebody_else_names_moves_nothing(state: S, event: E) -> None:
    machine = react(run(*WAY[state]), event, LONG, cause=HEAT)
    machine = fire(machine, E.STANDSTILL, LONG + 1.0)
    assert mode(machine) is Mode.HOLD
