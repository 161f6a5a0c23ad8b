# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The session state machine, walked through with a clock in hand (protocol i.2)."""

from __future__ import annotations

import pytest

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.refusals import Refusal
from reflex_ros.sim.service.resources.deployments import Mode
from reflex_ros.sim.service.resources.sessions import MOST_RECEIPTS, SESSION_FAULTS, Status
from reflex_ros.sim.service.settings import Settings
from reflex_ros.sim.service.state import ServiceState

EPOCH_S = 1_800_000_000.0


@pytest.fixture
def clock():
    return ServiceClock(source=lambda: 0.0, epoch_s=EPOCH_S)


@pytest.fixture
def sessions(clock):
    return ServiceState(Settings(), clock).sessions


def opened(sessions, expiry_s=60.0, **request):
    sessions._context.settings = Settings(expiry_s=expiry_s)
    return sessions.open('pi0.5', **request)


def ended(sessions, how):
    session = opened(sessions)
    if how == 'close':
        sessions.close(session.id, 'cli_closed')
    else:
        assert sessions.apply_fault(session, how)
    return session


def reason_of(call, *args):
    with pytest.raises(Refusal) as caught:
        call(*args)
    return caught.value.reason.value


def test_session_begins_active_in_dry_run(sessions):
    session = opened(sessions)
    assert (session.status, session.mode) == (Status.ACTIVE, Mode.DRY_RUN)
    assert session.expires_at - session.created_at == 60_000
    assert session.created_at == EPOCH_S * 1e3


def test_promote_goes_both_ways_and_may_be_repeated(sessions):
    session = opened(sessions)
    for mode in (Mode.APPLY_ACTIONS, Mode.APPLY_ACTIONS, Mode.DRY_RUN, Mode.DRY_RUN):
        assert sessions.promote(session.id, mode).mode is mode
        assert session.status is Status.ACTIVE


def test_session_expires_at_its_time_and_not_before(sessions, clock):
    session = opened(sessions)
    clock.advance(59.999)
    assert sessions.get(session.id).status is Status.ACTIVE
    clock.advance(0.001)
    assert sessions.get(session.id).status is Status.EXPIRED
    assert session.ended_at == session.expires_at


@pytest.mark.parametrize('how, status, reason', [
    ('close', Status.CLOSED, 'session_closed'),
    ('expire', Status.EXPIRED, 'session_expired'),
    ('fail', Status.FAILED, 'session_failed'),
])
def test_ended_session_stays_as_it_ended(sessions, how, status, reason):
    session = ended(sessions, how)
    for call, argument in (
        (sessions.promote, Mode.APPLY_ACTIONS), (sessions.close, 'cli_closed'),
    ):
        assert reason_of(call, session.id, argument) == reason
    assert not any(sessions.apply_fault(session, name) for name in SESSION_FAULTS)
    assert session.status is status
    assert session.mode is Mode.DRY_RUN


def test_unknown_session_is_not_found(sessions):
    assert reason_of(sessions.promote, 'sess_nobody', Mode.DRY_RUN) == 'session_not_found'
    assert reason_of(sessions.close, 'sess_nobody', 'cli_closed') == 'session_not_found'
    assert sessions.find('sess_nobody') is None


def test_list_filters_by_status_and_notices_expiry(sessions, clock):
    long, short = opened(sessions, 100.0), opened(sessions, 10.0)
    closed = ended(sessions, 'close')
    clock.advance(20.0)
    assert sessions.all() == [long, short, closed]
    assert sessions.all(Status.ACTIVE) == [long]
    assert sessions.all(Status.EXPIRED) == [short]
    assert sessions.all(Status.CLOSED) == [closed]
    assert sessions.all(Status.FAILED) == []


def test_token_opens_the_door_while_its_session_lives(sessions):
    session = opened(sessions)
    assert sessions.has_token(session.token)
    assert not sessions.has_token('')
    sessions.close(session.id, 'sdk_closed')
    assert not sessions.has_token(session.token)


def test_row_leaves_out_what_is_unknown(sessions):
    row = opened(sessions).to_json()
    assert None not in row.values()
    assert '' not in row.values()
    assert row['_id'] == row['id'] == row['sessionId']


@pytest.mark.parametrize('seconds', [-1.0, float('inf'), float('nan')])
def test_clock_moves_forward_only(clock, seconds):
    with pytest.raises(ValueError, match='forward'):
        clock.advance(seconds)
    assert clock.now_s() == EPOCH_S


def test_receipts_are_bounded_and_the_oldest_go_first(sessions):
    for index in range(MOST_RECEIPTS + 5):
        opened(sessions, deployment_id='deploy_sim', robot_id=str(index))
    rows = sessions.receipts.all()
    assert len(rows) == MOST_RECEIPTS
    assert sessions.get(rows[0].session_id).robot_id == '5'
