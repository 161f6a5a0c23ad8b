# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the supervisor makes of beats, of silence and of requests; time is passed in."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
import time
from typing import Any

from domain_builders import NET_CLOSED, OP_STOP
import pytest

from reflex_ros.domain import safe_stop, supervision
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.gate import GateItem
from reflex_ros.domain.heartbeats import (
    DriverBeat,
    Lifecycle,
    Link,
    MotionState,
    ServiceChange,
    SessionMode,
    StreamBeat,
)
from reflex_ros.domain.safe_stop import APPLYING, CauseRecord, MOTION, react, SafeStop
from reflex_ros.domain.safe_stop import Event as E
from reflex_ros.domain.safe_stop import State as S
from reflex_ros.domain.supervision import (
    driver_events,
    DRIVER_LOST_S,
    duplicate_events,
    end_report,
    EXPIRY_STOP_S,
    gate_report,
    Happening,
    is_promoted_at_service,
    MAX_REFUSALS,
    NodesSeen,
    refusal_reason,
    safety_state,
    silence_events,
    stream_events,
    STREAM_GONE_S,
    STREAM_LOST_S,
    wanted_lifecycles,
    why_nothing_moves,
)

NOW = 100.0
EPOCH = 7
IDLE, LIVE = Lifecycle.INACTIVE, Lifecycle.ACTIVE
DRIVER = DriverBeat(lifecycle=LIVE, epoch=EPOCH, motion=MotionState.PLAYING, cycles=9)
STREAM = StreamBeat(lifecycle=LIVE, link=Link.OPEN, progress=5, expires_s=1000.0,
                    session_mode=SessionMode.APPLY_ACTIONS)
SEEN = NodesSeen(DRIVER, STREAM, NOW, NOW, NOW, driver_beats=9)
BY_HAND = Cause(FaultCode.DEACTIVATED, 'action_stream was deactivated or shut down by hand')
NO_NETWORK = 'Cannot reach the Reflex backend at https://x. Check the network'
BLOCKED = Cause(FaultCode.TRACKING, 'elbow_flex does not follow')
RED = (GateItem('latch', True, ''), GateItem('stream', False, 'the action stream is closed'),
       GateItem('latency', False, 'no chunk yet'))
GREEN = (GateItem('latch', True, ''),)


def system(state: S, **changes: Any) -> SafeStop:
    """Make a system in a state that it entered ten seconds ago."""
    return SafeStop(state, EPOCH, since=NOW - 10.0, **changes)


def seen(driver: dict[str, Any] | None = None, stream: dict[str, Any] | None = None,
         **changes: Any) -> NodesSeen:
    """Change what is seen while all is well and the arm moves."""
    return replace(SEEN, driver=replace(DRIVER, **driver or {}),
                   stream=replace(STREAM, **stream or {}), **changes)


RAW = {'lifecycle': Lifecycle.UNCONFIGURED}
STOPPED_AT = time.strftime('%H:%M:%S', time.localtime(1.0))
STOPPED = system(S.LATCHED, causes=(CauseRecord(FaultCode.OP_STOP, 'asked', 1.0),))


def events(found: list[Happening]) -> list[E]:
    return [happening.event for happening in found]


# Beats of the driver.


@pytest.mark.parametrize(('state', 'driver', 'expected'), [
    (S.ARMING, {'motion': MotionState.PLAYING}, [E.MOVING]),
    (S.ARMING, {'motion': MotionState.HOLD}, []),
    (S.ARMING, {'motion': MotionState.PLAYING, 'epoch': EPOCH - 1}, []),
    (S.ACTIVE, {'motion': MotionState.PLAYING}, []),
    (S.ACTIVE, {'motion': MotionState.HOLD}, [E.SLOWED]),
    (S.ACTIVE, {'motion': MotionState.HOLD, 'epoch': EPOCH - 1}, []),
    (S.DEGRADED, {'motion': MotionState.PLAYING}, [E.RECOVERED]),
    (S.DEGRADED, {'motion': MotionState.HOLD}, []),
    (S.PARKING, {'motion': MotionState.PARKING}, []),
    (S.PARKING, {'parked': True}, [E.PARKED]),
    (S.PARKING, {'parked': True, 'epoch': EPOCH - 1}, []),
    (S.STOPPING, {'motion': MotionState.HOLD, 'at_rest': True}, [E.STANDSTILL]),
    (S.STOPPING, {'motion': MotionState.PASSIVE, 'at_rest': True, 'epoch': 0}, [E.STANDSTILL]),
    (S.STOPPING, {'motion': MotionState.HOLD}, []),
    (S.STOPPING, {'motion': MotionState.STOPPING, 'at_rest': True}, []),
    (S.UNCONFIGURED, {'lifecycle': IDLE}, [E.CONFIGURED]),
    (S.UNCONFIGURED, {'lifecycle': LIVE}, [E.CONFIGURED]),
    (S.UNCONFIGURED, {'lifecycle': Lifecycle.UNCONFIGURED}, []),
    (S.UNCONFIGURED, {'lifecycle': IDLE, 'port_lost': True}, []),
    (S.FAULT, {'lifecycle': IDLE}, [E.CONFIGURED]),
    (S.FAULT, {'lifecycle': IDLE, 'port_lost': True}, []),
    (S.READY, {'lifecycle': IDLE}, []),
    (S.LATCHED, {'lifecycle': IDLE}, []),
])
def test_beat_of_the_driver_becomes_an_event(state: S, driver: dict[str, Any],
                                             expected: list[E]) -> None:
    assert events(driver_events(system(state), seen(driver), 0)) == expected


@pytest.mark.parametrize('state', (S.UNCONFIGURED, S.FAULT))
@pytest.mark.parametrize('lifecycle', Lifecycle)
def test_arm_waits_for_no_stream(state: S, lifecycle: Lifecycle) -> None:
    nodes = seen({'lifecycle': IDLE}, {'lifecycle': lifecycle, 'problem': NO_NETWORK})
    assert events(driver_events(system(state), nodes, 0)) == [E.CONFIGURED]


@pytest.mark.parametrize('state', (S.UNCONFIGURED, S.FAULT))
def test_arm_can_be_reset_and_parked_while_the_stream_has_no_network(state: S) -> None:
    nodes = seen({'lifecycle': IDLE}, {'lifecycle': Lifecycle.UNCONFIGURED, 'link': Link.CLOSED,
                                       'problem': NO_NETWORK})
    causes = STOPPED.causes if state is S.FAULT else ()
    machine = react(system(state, causes=causes), E.CONFIGURED, NOW - 5.0)
    if causes:
        assert machine.state is S.LATCHED
        assert refusal_reason(machine, nodes, RED, E.RESET, NOW) == ''
        machine = react(machine, E.RESET, NOW)
    assert machine.state is S.STANDBY
    assert why_nothing_moves(machine, nodes, RED, NOW) == (
        f'no session: action_stream: {NO_NETWORK}')
    assert refusal_reason(machine, nodes, RED, E.PARK, NOW) == ''
    assert react(machine, E.PARK, NOW).state is S.PARKING


@pytest.mark.parametrize(('nodes', 'said'), [
    (seen({'lifecycle': Lifecycle.UNCONFIGURED, 'problem': 'no servo answers'}),
     'refused in FAULT: so101: no servo answers. Repair it, then reset again'),
    (replace(SEEN, driver_at=NOW - 1.1),
     'refused in FAULT: so101 is not running. Repair it, then reset again'),
    (SEEN, 'refused in FAULT: the driver is not back yet. Repair it, then reset again')])
def test_reset_in_fault_names_what_is_missing(nodes: NodesSeen, said: str) -> None:
    assert refusal_reason(system(S.FAULT, causes=STOPPED.causes), nodes, RED, E.RESET, NOW) == said


@pytest.mark.parametrize('beats', range(4))
def test_standstill_counts_from_the_second_beat_after_the_stop(beats: int) -> None:
    at_rest = seen({'motion': MotionState.HOLD, 'at_rest': True}).in_new_state()
    for _ in range(beats):
        at_rest = at_rest.with_driver(at_rest.driver, NOW)
    found = driver_events(system(S.STOPPING), at_rest, 0)
    assert events(found) == ([E.STANDSTILL] if beats >= 2 else [])


@pytest.mark.parametrize('state', S)
def test_cause_of_the_driver_is_a_fault_in_motion_only(state: S) -> None:
    found = driver_events(system(state), seen({'cause': BLOCKED}), 0)
    assert (Happening(E.FAULT, BLOCKED) in found) == (state in MOTION)


def test_heat_is_an_event_of_its_own_from_the_driver_alone() -> None:
    heat = Cause(FaultCode.OVERHEAT, 'elbow_flex is at 63 degC')
    assert driver_events(system(S.ACTIVE), seen({'cause': heat}), 0) == [
        Happening(E.OVERHEATED, heat)]
    assert stream_events(system(S.ACTIVE), seen(stream={'fault': heat})) == [
        Happening(E.FAULT, heat)]


@pytest.mark.parametrize('state', sorted(MOTION, key=str))
def test_cause_of_an_older_activation_is_no_fault(state: S) -> None:
    found = driver_events(system(state), seen({'cause': BLOCKED, 'epoch': EPOCH - 1}), 0)
    assert E.FAULT not in events(found)


def test_fault_and_standstill_may_come_in_one_beat() -> None:
    at_rest = seen({'cause': BLOCKED, 'at_rest': True, 'motion': MotionState.HOLD})
    assert events(driver_events(system(S.STOPPING), at_rest, 0)) == [E.FAULT, E.STANDSTILL]


@pytest.mark.parametrize('state', S)
def test_lost_port_is_a_lost_node_while_the_arm_moves_or_is_latched(state: S) -> None:
    found = driver_events(system(state), seen({'port_lost': True}), 0)
    if state in MOTION | {S.LATCHED}:
        [happening] = found
        assert happening.event is E.NODE_LOST
        assert happening.cause == Cause(FaultCode.USB_GONE, 'the port is gone')
    else:
        assert E.NODE_LOST not in events(found)


def test_cause_that_came_with_the_lost_port_is_kept() -> None:
    found = driver_events(system(S.ACTIVE), seen({'port_lost': True, 'cause': BLOCKED}), 0)
    assert found == [Happening(E.NODE_LOST, BLOCKED)]


@pytest.mark.parametrize('state', [S.ARMING, S.PARKING])
@pytest.mark.parametrize('refusals', range(4))
def test_arm_that_refuses_to_be_activated_is_latched_after_two_refusals(
        state: S, refusals: int) -> None:
    refused = seen({'problem': 'shoulder_lift reports overload', 'motion': MotionState.PASSIVE})
    found = driver_events(system(state), refused, refusals)
    if refusals >= MAX_REFUSALS:
        assert found == [Happening(E.FAULT, Cause(FaultCode.ARM_REFUSED,
                                                  'shoulder_lift reports overload'))]
    else:
        assert found == []


def test_refusals_without_a_problem_are_no_fault() -> None:
    assert driver_events(system(S.ARMING), seen({'motion': MotionState.HOLD}), 9) == []


# Beats of the stream.


@pytest.mark.parametrize(('state', 'stream', 'expected'), [
    (S.STANDBY, {}, [E.SESSION_OPEN]),
    (S.STANDBY, {'link': Link.OPENING}, [E.SESSION_ENDED]),
    (S.STANDBY, {'lifecycle': IDLE}, [E.SESSION_ENDED]),
    (S.DRY_RUN, {}, []),
    (S.DRY_RUN, {'link': Link.LOST}, [E.SESSION_ENDED]),
    (S.READY, {'lifecycle': IDLE}, [E.SESSION_ENDED]),
    (S.STOPPING, {'link': Link.LOST}, [E.SESSION_ENDED]),
    (S.ACTIVE, {}, []),
    (S.ACTIVE, {'expires_s': -1.0}, []),
    (S.ACTIVE, {'expires_s': EXPIRY_STOP_S}, []),
    (S.ACTIVE, {'expires_s': EXPIRY_STOP_S - 0.1}, [E.DEMOTE]),
    (S.ACTIVE, {'expires_s': 0.0}, [E.DEMOTE]),
    (S.ARMING, {'expires_s': 1.0}, []),
    (S.DEGRADED, {'expires_s': 1.0}, []),
    (S.DRY_RUN, {'expires_s': 1.0}, []),
    *((state, {'session_mode': SessionMode.APPLY_ACTIONS,
               'service_change': ServiceChange.DEMOTED}, [E.DEMOTE]) for state in APPLYING),
    # Before the promotion has reached the service.
    (S.ARMING, {'session_mode': SessionMode.DRY_RUN,
                'service_change': ServiceChange.DEMOTED}, []),
    (S.DRY_RUN, {'service_change': ServiceChange.DEMOTED}, []),
    (S.READY, {'service_change': ServiceChange.PROMOTED}, []),
])
def test_beat_of_the_stream_becomes_an_event(state: S, stream: dict[str, Any],
                                             expected: list[E]) -> None:
    assert events(stream_events(system(state), seen(stream=stream))) == expected


def test_planned_stop_before_the_session_ends_is_said_in_the_log() -> None:
    [happening] = stream_events(system(S.ACTIVE), seen(stream={'expires_s': 3.0}))
    assert happening.cause is None and 'session ends' in happening.remark
    after = react(system(S.ACTIVE), happening.event, NOW)
    assert (after.state, after.goal, after.is_latched) == (S.STOPPING, S.DRY_RUN, False)


@pytest.mark.parametrize(('before', 'beat', 'expected'), [
    (ServiceChange.NONE, ServiceChange.PROMOTED, True),
    (ServiceChange.DEMOTED, ServiceChange.PROMOTED, True),
    (ServiceChange.PROMOTED, ServiceChange.PROMOTED, False),
    (ServiceChange.PROMOTED, ServiceChange.NONE, False),
    (ServiceChange.NONE, ServiceChange.DEMOTED, False),
])
def test_promotion_at_the_service_is_an_event_once(before: ServiceChange, beat: ServiceChange,
                                                   expected: bool) -> None:
    old, new = (StreamBeat('a', service_change=change) for change in (before, beat))
    assert is_promoted_at_service(old, new) is expected
    # A supervisor or a stream that has just started does not know how old it is.
    assert not is_promoted_at_service(replace(old, instance=''), new)


@pytest.mark.parametrize('state', APPLYING)
@pytest.mark.parametrize(('stream', 'cause'), [
    ({'fault': NET_CLOSED}, NET_CLOSED),
    ({'link': Link.LOST, 'lost': NET_CLOSED}, NET_CLOSED),
    ({'link': Link.LOST, 'fault': BLOCKED, 'lost': NET_CLOSED}, BLOCKED),
    ({'link': Link.CLOSED}, Cause(FaultCode.NET_CLOSED, 'the action stream is closed')),
    ({'lifecycle': IDLE}, BY_HAND), ({'lifecycle': Lifecycle.FINALIZED}, BY_HAND),
    ({'lifecycle': IDLE, 'fault': BLOCKED}, BLOCKED),
])
def test_stream_that_fails_while_actions_are_applied_is_a_fault(
        state: S, stream: dict[str, Any], cause: Cause) -> None:
    assert stream_events(system(state), seen(stream=stream)) == [Happening(E.FAULT, cause)]


# Silence.


@pytest.mark.parametrize('state', S)
@pytest.mark.parametrize('age_s', [DRIVER_LOST_S - 0.01, DRIVER_LOST_S + 0.01])
def test_silent_driver_is_lost(state: S, age_s: float) -> None:
    found = silence_events(system(state), seen(driver_at=NOW - age_s), NOW)
    if age_s > DRIVER_LOST_S and state is not S.FAULT:
        [happening] = found
        assert happening.event is E.NODE_LOST
        assert happening.cause is not None and happening.cause.code is FaultCode.DRIVER_DEAD
    else:
        assert found == []


@pytest.mark.parametrize('state', S)
@pytest.mark.parametrize('age_s', [
    STREAM_LOST_S - 0.01, STREAM_LOST_S + 0.01, STREAM_GONE_S + 0.01])
def test_stream_without_work_is_a_fault_while_actions_are_applied(state: S, age_s: float) -> None:
    found = silence_events(system(state), seen(worked_at=NOW - age_s), NOW)
    if age_s > STREAM_LOST_S and state in APPLYING:
        [happening] = found
        assert happening.event is E.FAULT
        assert happening.cause is not None and happening.cause.code is FaultCode.STREAM_DEAD
    else:
        assert events(found) == ([E.SESSION_ENDED] if age_s > STREAM_GONE_S else [])


def test_when_both_are_silent_the_driver_is_named() -> None:
    found = silence_events(system(S.ACTIVE), seen(driver_at=0.0, worked_at=0.0), NOW)
    assert events(found) == [E.NODE_LOST]


def test_beat_that_shows_no_progress_proves_no_work() -> None:
    same = SEEN.with_stream(STREAM, NOW + 1.0)
    assert (same.stream_at, same.worked_at) == (NOW + 1.0, NOW)
    more = SEEN.with_stream(replace(STREAM, progress=6), NOW + 1.0)
    assert more.worked_at == NOW + 1.0
    # Whoever publishes there: a beat without a number is no work either.
    none = SEEN.with_stream(replace(STREAM, progress=-1), NOW + 1.0)
    assert none.worked_at == NOW


def test_inactive_stream_has_nothing_to_do() -> None:
    idle = replace(STREAM, lifecycle=IDLE)
    assert replace(SEEN, stream=idle).with_stream(idle, NOW + 1.0).worked_at == NOW + 1.0


@pytest.mark.parametrize('state', S)
def test_nodes_that_live_twice_stop_the_arm(state: S) -> None:
    found = duplicate_events(system(state), ('so101', 'action_stream'))
    assert [happening.event for happening in found] == ([E.FAULT] if state in MOTION else [])
    for happening in found:
        assert happening.cause is not None and happening.cause.code is FaultCode.DUP_NODE
        assert 'so101, action_stream' in happening.cause.text
    assert duplicate_events(system(state), ()) == []


@pytest.mark.parametrize('state', S)
def test_second_graph_is_named_first_with_the_next_step(state: S) -> None:
    machine = replace(system(state), causes=(
        CauseRecord(FaultCode.SEQ_EPOCH, 'the permit has epoch 2', 0.0),))
    why = why_nothing_moves(machine, replace(SEEN, doubles=('so101', 'supervisor')), RED, NOW)
    assert why.startswith(
        'DUP_NODE: two processes run under the name so101, supervisor, as after a second '
        '`reflex up`. End one of them, or give each robot a namespace. '
        'stopped by SEQ_EPOCH') is (state not in APPLYING)
    assert 'SEQ_EPOCH' in why


def test_second_graph_among_the_causes_is_the_one_that_is_told() -> None:
    machine = replace(system(S.LATCHED), causes=(
        CauseRecord(FaultCode.SEQ_EPOCH, 'the permit has epoch 2', 0.0),
        CauseRecord(FaultCode.DUP_NODE, 'two processes run under the name so101', 0.0)))
    for doubles in ((), ('so101',)):
        why = why_nothing_moves(machine, replace(SEEN, doubles=doubles), RED, NOW)
        assert why.startswith('stopped by DUP_NODE: two processes run under the name so101. ')
        assert 'End one of them, or give each robot a namespace' in why


# Wanted lifecycle states.


@pytest.mark.parametrize(('state', 'expected'), [
    (S.UNCONFIGURED, (IDLE, IDLE)), (S.STANDBY, (IDLE, LIVE)), (S.DRY_RUN, (IDLE, LIVE)),
    (S.READY, (IDLE, LIVE)), (S.ARMING, (LIVE, LIVE)), (S.ACTIVE, (LIVE, LIVE)),
    (S.DEGRADED, (LIVE, LIVE)), (S.PARKING, (LIVE, IDLE)), (S.PARKED, (IDLE, IDLE)),
    (S.LATCHED, (IDLE, IDLE)), (S.FAULT, (IDLE, IDLE)), (S.STOPPING, None), (S.SHUTDOWN, None)])
def test_state_wants_lifecycle_states(
        state: S, expected: tuple[Lifecycle, Lifecycle] | None) -> None:
    assert wanted_lifecycles(system(state), SEEN, auto_dry_run=True) == expected


@pytest.mark.parametrize('mode', SessionMode)
def test_driver_is_activated_only_after_the_session_was_promoted(mode: SessionMode) -> None:
    wanted = wanted_lifecycles(system(S.ARMING), seen(stream={'session_mode': mode}),
                               auto_dry_run=True)
    assert wanted == (LIVE if mode is SessionMode.APPLY_ACTIONS else IDLE, LIVE)


def test_no_session_is_opened_by_itself_without_auto_dry_run() -> None:
    assert wanted_lifecycles(system(S.STANDBY), SEEN, auto_dry_run=False) == (IDLE, IDLE)
    assert wanted_lifecycles(system(S.DRY_RUN), SEEN, auto_dry_run=False) == (IDLE, LIVE)


@pytest.mark.parametrize('state', [S.ARMING, S.ACTIVE, S.PARKING])
def test_driver_that_is_active_under_an_older_permit_begins_anew(state: S) -> None:
    wanted = wanted_lifecycles(system(state), seen({'epoch': EPOCH - 1}), auto_dry_run=True)
    assert wanted is not None and wanted[0] is IDLE


@pytest.mark.parametrize('state', sorted(set(S) - {S.STOPPING, S.SHUTDOWN}, key=str))
def test_driver_without_a_port_is_configured_again(state: S) -> None:
    wanted = wanted_lifecycles(system(state), seen({'port_lost': True}), auto_dry_run=True)
    assert wanted is not None and wanted[0] is Lifecycle.UNCONFIGURED


# Requests.


def test_promotion_is_refused_while_the_gate_is_red() -> None:
    assert refusal_reason(system(S.READY), SEEN, GREEN, E.PROMOTE, NOW) == ''
    refusal = refusal_reason(system(S.READY), SEEN, RED, E.PROMOTE, NOW)
    assert refusal == ('refused, the gate is red: stream: the action stream is closed; '
                       'latency: no chunk yet')


RESTING = seen({'lifecycle': IDLE}, {'lifecycle': IDLE})


@pytest.mark.parametrize(('nodes', 'words'), [
    (RESTING, ''),
    (replace(RESTING, driver_at=NOW - DRIVER_LOST_S - 0.01), 'so101 sends no beat'),
    (replace(RESTING, stream_at=NOW - DRIVER_LOST_S - 0.01),
     'action_stream sends no beat'),
    (seen({'lifecycle': LIVE}, {'lifecycle': IDLE}), 'so101 is not at rest yet'),
    (seen({'lifecycle': IDLE}, {'lifecycle': LIVE}), 'action_stream is not at rest yet'),
    (seen({'lifecycle': Lifecycle.UNCONFIGURED, 'problem': 'no servo answers'},
          {'lifecycle': IDLE}), 'so101: no servo answers'),
    # What it refused to be activated for may be gone: that shows when it is asked again.
    (seen({'lifecycle': IDLE, 'problem': 'overload'}, {'lifecycle': IDLE}), ''),
])
def test_reset_is_refused_while_a_cause_persists(nodes: NodesSeen, words: str) -> None:
    refusal = refusal_reason(STOPPED, nodes, RED, E.RESET, NOW)
    assert bool(refusal) == bool(words)
    assert words in refusal and refusal.startswith('refused: ' if words else '')


def test_reset_within_half_a_second_of_the_stop_is_refused() -> None:
    assert 'Look at the arm' in refusal_reason(
        replace(STOPPED, since=NOW - 0.4), RESTING, (), E.RESET, NOW)


def test_what_the_state_machine_refuses_is_refused() -> None:
    for state, event in product(S, (E.PROMOTE, E.DEMOTE, E.PARK, E.RESET)):
        machine = system(state)
        reason = safe_stop.refusal_reason(machine, event, NOW)
        if reason:
            assert refusal_reason(machine, RESTING, GREEN, event, NOW) == reason


@pytest.mark.parametrize('state', S)
def test_stop_is_never_refused(state: S) -> None:
    assert refusal_reason(system(state), NodesSeen(), RED, E.STOP, NOW) == ''


# Words.


@pytest.mark.parametrize(('machine', 'nodes', 'gate', 'why'), [
    (system(S.UNCONFIGURED), NodesSeen(), (), 'so101 is not running'),
    (system(S.UNCONFIGURED), replace(SEEN, stream_at=NOW - 1.1), (),
     'action_stream is not running'),
    (system(S.UNCONFIGURED), seen({'problem': 'no servo answers', **RAW}), (),
     'so101: no servo answers'),
    (system(S.UNCONFIGURED), seen(stream={'problem': 'API key is required', **RAW}), (),
     'action_stream: API key is required'),
    (system(S.STANDBY), replace(SEEN, stream_at=NOW - 1.1), (),
     'no session: action_stream is not running'),
    (system(S.STANDBY), seen(stream={'problem': 'API key is required', **RAW}), (),
     'no session: action_stream: API key is required'),
    (system(S.UNCONFIGURED), SEEN, (), 'configuring'),
    (system(S.STANDBY), seen(stream={'link': Link.OPENING, 'remark': 'attempt 3'}), (),
     'waiting for a session: attempt 3'),
    (system(S.STANDBY), seen(stream={'link': Link.OPENING}), (),
     'waiting for a session: opening'),
    (system(S.STANDBY), seen(stream={'lost': NET_CLOSED}), (),
     'no session: NET_CLOSED: the stream is closed'),
    (system(S.STANDBY), seen(stream={'lost': NET_CLOSED, 'fault': BLOCKED}), (),
     'no session: TRACKING: elbow_flex does not follow. To try again: `reflex stop`, then '
     '`reflex reset`'),
    (system(S.DRY_RUN), SEEN, RED, 'dry run; gate: stream: the action stream is closed'),
    (system(S.DRY_RUN), SEEN, GREEN, 'dry run'),
    (system(S.DRY_RUN), seen(stream={'service_change': ServiceChange.PROMOTED}), RED,
     'promoted at the service; the arm waits for `reflex promote`; dry run; gate: stream: the '
     'action stream is closed'),
    (system(S.READY), SEEN, GREEN, 'ready: run `reflex promote`'),
    (system(S.READY), seen(stream={'service_change': ServiceChange.PROMOTED}), GREEN,
     'promoted at the service; the arm waits for `reflex promote`'),
    (system(S.READY), seen(stream={'service_change': ServiceChange.DEMOTED}), GREEN,
     'demoted at the service; the arm waits for `reflex promote`'),
    (system(S.ARMING), SEEN, GREEN, 'arming'),
    (system(S.ACTIVE), SEEN, GREEN, ''),
    (system(S.DEGRADED), SEEN, GREEN, 'slowed down: no chunk to play'),
    (system(S.STOPPING), SEEN, GREEN, 'stopping'),
    (system(S.PARKING), SEEN, GREEN, 'parking'),
    (system(S.PARKED), SEEN, GREEN, 'parked, torque off: run `reflex reset` to go on'),
    (system(S.PARKED), replace(SEEN, driver_at=NOW - 1.1), GREEN,
     'parked; so101 is not running. Repair it, then run `reflex reset` to go on'),
    (system(S.PARKED), seen({'problem': 'no servo answers', **RAW}), GREEN,
     'parked; so101: no servo answers. Repair it, then run `reflex reset` to go on'),
    (system(S.PARKED), seen({'torque_known': False}), GREEN,
     'parked, torque unknown: run `reflex reset` to go on'),
    (system(S.SHUTDOWN), SEEN, GREEN, 'shut down'),
    (STOPPED, seen(driver={'torque': True, 'at_rest': True}), GREEN,
     f'stopped at {STOPPED_AT} by OP_STOP: asked. The arm holds. Look at the arm, then reset: '
     '`reflex reset`'),
    (STOPPED, seen(driver={'torque': True, 'at_rest': False}), GREEN,
     f'stopped at {STOPPED_AT} by OP_STOP: asked. The arm is coming to rest. Look at the arm, '
     'then reset: `reflex reset`'),
    (STOPPED, replace(SEEN, driver_at=NOW - 1.0), GREEN,
     f'stopped at {STOPPED_AT} by OP_STOP: asked. Nobody says what the arm does. Look at the arm, '
     'then reset: `reflex reset`'),
    (replace(STOPPED, causes=(CauseRecord(FaultCode.UNPOWERED, 'Is the supply on?', 1.0),
                              *STOPPED.causes)), seen(driver={'torque': False}), GREEN,
     f'stopped at {STOPPED_AT} by UNPOWERED: Is the supply on? Its torque is off. Switch the '
     'servo supply on. Then run `reflex reset`'),
    (STOPPED, seen(driver={'torque': False, 'torque_known': False}), GREEN,
     f'stopped at {STOPPED_AT} by OP_STOP: asked. Its torque is unknown: the servos may still '
     'hold it. Look at the arm, then reset: `reflex reset`'),
])
def test_one_line_says_why_nothing_moves(machine: SafeStop, nodes: NodesSeen,
                                         gate: tuple[GateItem, ...], why: str) -> None:
    assert why_nothing_moves(machine, nodes, gate, NOW) == why


def on_clock(form: str, at: float) -> str:
    return time.strftime(form, time.localtime(at))


@pytest.mark.parametrize(('at', 'text'), [
    (1.7e9, on_clock(' at %H:%M:%S', 1.7e9)),
    (1.7e9 - 86_399.0, on_clock(' at %H:%M:%S', 1.7e9 + 1.0)),
    (1.7e9 - 86_401.0, on_clock(' at %Y-%m-%d %H:%M:%S', 1.7e9 - 86_401.0)),
    # The clock of the machine was ahead when it was stopped.
    (1.7e9 + 90_000.0, on_clock(' at %Y-%m-%d %H:%M:%S', 1.7e9 + 90_000.0)),
    (0.0, ''), (1e300, ''), (float('inf'), ''), (float('nan'), ''), (-1e18, '')])
def test_stop_is_named_with_its_date_when_it_is_old_and_without_a_time_nobody_knows(
        at: float, text: str) -> None:
    machine = replace(STOPPED, causes=(CauseRecord(FaultCode.OP_STOP, 'asked', at),))
    for said in (why_nothing_moves(machine, SEEN, GREEN, NOW, 1.7e9),
                 safety_state(machine, SEEN, GREEN, (), NOW, 1.7e9).why,
                 gate_report(machine, SEEN, (), NOW, 1.7e9).partition(': ')[2]):
        assert said.startswith(f'stopped{text} by OP_STOP: asked.')


def test_stop_and_reset_activate_a_stream_with_a_fault_again() -> None:
    nodes = seen({'lifecycle': IDLE}, {'link': Link.LOST, 'fault': NET_CLOSED})
    machine = react(system(S.STANDBY), E.STOP, NOW - 1.0, cause=OP_STOP)
    assert wanted_lifecycles(machine, nodes, auto_dry_run=True) == (IDLE, IDLE)
    assert refusal_reason(machine, RESTING, RED, E.RESET, NOW) == ''
    machine = react(machine, E.RESET, NOW)
    assert wanted_lifecycles(machine, RESTING, auto_dry_run=True) == (IDLE, LIVE)


@pytest.mark.parametrize('state', (S.READY, S.DRY_RUN, S.LATCHED, S.STANDBY))
def test_hot_arm_under_torque_is_named_before_everything_else(state: S) -> None:
    nodes = seen(driver={'heat': 'elbow_flex is at 60 degC'})
    why = why_nothing_moves(system(state), nodes, GREEN, NOW)
    assert why.startswith('HOT: elbow_flex is at 60 degC. ')
    # The line is empty when the arm may move.
    assert why_nothing_moves(system(S.ACTIVE), nodes, GREEN, NOW) == ''


@pytest.mark.parametrize('state', (S.READY, S.DRY_RUN, S.STANDBY, S.LATCHED))
def test_arm_that_parks_by_itself_is_latched_once(state: S) -> None:
    nodes = seen(driver={'alone': True, 'motion': MotionState.PARKING, 'lifecycle': IDLE})
    machine = system(state)
    for _ in range(3):
        for happening in driver_events(machine, nodes, 0):
            machine = react(machine, happening.event, NOW, cause=happening.cause)
    assert machine.state is S.LATCHED
    assert [(cause.code, cause.count) for cause in machine.causes] == [(FaultCode.OVERHEAT, 1)]


def test_gate_is_reported_line_by_line() -> None:
    assert gate_report(system(S.DRY_RUN), SEEN, RED, NOW).splitlines() == [
        'ok  latch', 'RED stream      the action stream is closed', 'RED latency     no chunk yet']
    moving = (*RED, GateItem('driver', False, 'active'), GateItem('standstill', False, 'moves'))
    assert gate_report(system(S.ACTIVE), SEEN, moving, NOW) == gate_report(
        system(S.DRY_RUN), SEEN, RED, NOW)
    assert 'RED standstill' in gate_report(system(S.DRY_RUN), SEEN, moving, NOW)
    assert gate_report(system(S.READY), SEEN, (), NOW) == (
        'not evaluated yet: ready: run `reflex promote`')


def test_remark_about_the_policy_is_no_item_of_the_gate() -> None:
    seen = replace(SEEN, stream=replace(STREAM, policy_remark='the rows look like 0..1'))
    assert gate_report(system(S.READY), seen, RED[:1], NOW).splitlines() == [
        'ok  latch', '    remark      the rows look like 0..1']
    assert safety_state(system(S.READY), seen, RED[:1], (), NOW).remark == (
        'the rows look like 0..1')


def test_safety_state_holds_all_of_it() -> None:
    history = [(S.READY, 80.0), (S.LATCHED, 90.0)]
    safety = safety_state(STOPPED, SEEN, RED, history, NOW)
    assert (safety.state, safety.epoch, safety.latched) == (S.LATCHED, EPOCH, True)
    assert safety.causes == STOPPED.causes and safety.history == tuple(history)
    assert safety.for_s == 10.0 and safety.gate == RED
    assert safety.why == why_nothing_moves(STOPPED, SEEN, RED, NOW)


def test_whole_run_from_beats_alone() -> None:
    """Drive the machine by what the nodes say, as the supervisor does."""
    machine, nodes = SafeStop(epoch=EPOCH), NodesSeen()
    now = NOW

    def step(driver: DriverBeat, stream: StreamBeat) -> S:
        nonlocal machine, nodes, now
        now += 0.02
        for beat in (driver, stream):
            nodes = (nodes.with_driver(beat, now) if isinstance(beat, DriverBeat)
                     else nodes.with_stream(beat, now))
            found = (driver_events(machine, nodes, 0) if isinstance(beat, DriverBeat)
                     else stream_events(machine, nodes))
            for happening in found + silence_events(machine, nodes, now):
                before = machine.state
                machine = react(machine, happening.event, now, cause=happening.cause)
                if machine.state is not before:
                    nodes = nodes.in_new_state()
        return machine.state

    idle = DriverBeat(lifecycle=IDLE, at_rest=True)
    # Before the stream is heard it counts as gone, which changes nothing here.
    assert step(idle, StreamBeat(lifecycle=IDLE)) is S.STANDBY
    assert step(idle, replace(STREAM, progress=6)) is S.DRY_RUN
    for event, state in ((E.GATE_GREEN, S.READY), (E.PROMOTE, S.ARMING)):
        machine = react(machine, event, now)
        assert machine.state is state
    playing = replace(DRIVER, epoch=machine.epoch)
    assert step(playing, replace(STREAM, progress=7)) is S.ACTIVE
    assert step(playing, replace(STREAM, progress=8, expires_s=5.0)) is S.STOPPING
    still = replace(playing, motion=MotionState.HOLD, at_rest=True)
    assert step(still, replace(STREAM, progress=9)) is S.STOPPING
    assert step(still, replace(STREAM, progress=10)) is S.DRY_RUN
    assert not machine.is_latched


def test_operator_stop_is_the_cause() -> None:
    machine = react(system(S.ACTIVE), E.STOP, NOW, cause=OP_STOP)
    assert why_nothing_moves(machine, SEEN, (), NOW).partition(' by ')[2].startswith('OP_STOP')
    assert supervision.WANTED[S.LATCHED] == (IDLE, IDLE)


@pytest.mark.parametrize('is_kept, start', [
    (True, 'The stop stays latched: after the next start, run `reflex reset`'),
    (False, 'Then start again')])
def test_after_the_end_a_stop_is_told_once_with_a_step_that_works_without_a_graph(
        is_kept: bool, start: str) -> None:
    causes = (CauseRecord(FaultCode.OP_STOP, 'monitor: a person asked to stop', 1.7e9),
              CauseRecord(FaultCode.NET_CLOSED, 'closed', 1.7e9))
    at = time.strftime('%H:%M:%S', time.localtime(1.7e9))
    assert end_report(causes, 1.7e9, is_kept=is_kept) == (
        f'OP_STOP, NET_CLOSED: monitor: a person asked to stop (at {at}). Look at the arm. '
        f'{start}')
    assert end_report(causes[1:], 1.7e9, is_kept=is_kept) == (
        f'NET_CLOSED: closed (at {at}). {FaultCode.NET_CLOSED.row.next_step} {start}')


def test_after_the_end_the_time_is_left_out_when_it_is_not_known() -> None:
    causes = (CauseRecord(FaultCode.OP_STOP, 'asked.', 0.0),)
    assert end_report(causes, 1.7e9, is_kept=False).startswith('OP_STOP: asked. Look at')
