# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who may command the arm, and when the driver may become active."""

from __future__ import annotations

import pytest

from reflex_ros.domain.authority import CommanderWatch, Handshake, HANDSHAKES, UNKNOWN, UNKNOWN_S
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.safe_stop import CauseRecord, State
from reflex_ros.domain.supervision import SafetyState

OWNERS = {'/so101/command': '/action_stream', '/safety/permit': '/supervisor'}


@pytest.mark.parametrize('state', list(State), ids=lambda state: state.value)
def test_driver_becomes_active_only_while_the_supervisor_arms(state: State) -> None:
    handshake = Handshake()
    assert 'has not begun to arm' in handshake.refusal(5)
    handshake.record(SafetyState(state, 5))
    assert (handshake.refusal(5) == '') == (state in HANDSHAKES)
    assert handshake.refusal(6) != ''


def test_latch_holds_until_its_own_reset() -> None:
    handshake = Handshake()
    handshake.record(SafetyState(State.LATCHED, 5, latched=True))
    for said in (SafetyState(State.ARMING, 5), SafetyState(State.STANDBY, 5)):
        handshake.record(said)
        assert 'reflex reset' in handshake.refusal(5)
    # Another clock after a restart: smaller, and a reset all the same.
    handshake.record(SafetyState(State.STANDBY, 3))
    handshake.record(SafetyState(State.ARMING, 4))
    assert handshake.refusal(4) == ''


@pytest.mark.parametrize(('codes', 'is_allowed'), [
    ([FaultCode.OVERHEAT], True), ([], False), ([FaultCode.OP_STOP], False),
    ([FaultCode.OVERHEAT, FaultCode.OP_STOP], False)])
def test_arm_that_was_stopped_for_heat_alone_is_parked(codes: list[FaultCode],
                                                       is_allowed: bool) -> None:
    causes = tuple(CauseRecord(code, 'told', 0.0) for code in codes)
    handshake = Handshake()
    handshake.record(SafetyState(State.STOPPING, 5, latched=True, causes=causes))
    handshake.record(SafetyState(State.PARKING, 6, latched=True, causes=causes))
    assert (handshake.refusal(6) == '') is is_allowed
    assert handshake.refusal(5) != ''
    handshake.record(SafetyState(State.ARMING, 6, latched=True, causes=causes))
    assert handshake.refusal(6) != ''


def test_owner_alone_is_no_intruder() -> None:
    watch = CommanderWatch(OWNERS)
    found = {'/so101/command': ['/action_stream', '/action_stream'], '/other': ['/anybody']}
    assert watch.intruders(found, 0.0) == '' and watch.intruders({}, 0.0) == ''


def test_others_are_named_with_what_they_own() -> None:
    said = CommanderWatch(OWNERS).intruders(
        {'/so101/command': ['/action_stream', '/b', '/a'], '/safety/permit': ['/left/supervisor']},
        0.0)
    assert said == ('/a owns an end of /so101/command, which is for /action_stream alone; '
                    '/b owns an end of /so101/command, which is for /action_stream alone; '
                    '/left/supervisor owns an end of /safety/permit, which is for /supervisor '
                    'alone')


def test_node_without_a_name_has_a_second_to_tell_it() -> None:
    watch = CommanderWatch(OWNERS)
    nameless = {'/so101/command': ['/action_stream', f'/{UNKNOWN}']}
    assert watch.intruders(nameless, 10.0) == ''
    assert watch.intruders(nameless, 10.0 + UNKNOWN_S / 2) == ''
    assert 'a program without a name owns' in watch.intruders(nameless, 10.0 + UNKNOWN_S)
    assert watch.intruders({'/so101/command': ['/action_stream']}, 12.0) == ''
    assert watch.intruders(nameless, 13.0) == ''


def test_node_without_a_name_is_not_waited_for_before_an_activation() -> None:
    nameless = {'/safety/permit': ['/supervisor', f'/{UNKNOWN}']}
    assert 'a program without a name' in CommanderWatch(OWNERS).intruders(
        nameless, 10.0, unknown_s=0.0)
