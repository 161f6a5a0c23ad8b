# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Driver and stream as parts that are brought to a state, in threads of their own."""

import threading

from arm_fixture import wait_for
import pytest

from reflex_ros.domain.heartbeats import Lifecycle
from reflex_ros.errors import ReflexError
from reflex_ros.runner.connect.managed_part import ManagedPart

IDLE, LIVE = Lifecycle.INACTIVE, Lifecycle.ACTIVE


@pytest.fixture
def part():
    """Return a part that writes down its transitions, and what its start raises."""
    made = ManagedPart('arm', lambda: start(), lambda: made.log.append('stop'))
    made.log, made.error, made.may_start = [], None, threading.Event()

    def start():
        made.log.append('start')
        made.may_start.wait(5.0)
        if made.error is not None:
            raise made.error

    made.may_start.set()
    yield made
    made.end()


def test_part_is_brought_to_a_state_and_back(part):
    part.steer(LIVE)
    assert part.lifecycle is Lifecycle.UNCONFIGURED and part.log == []
    part.configured()
    part.steer(LIVE)
    wait_for(lambda: part.lifecycle is LIVE, 'active')
    part.steer(LIVE)
    part.steer(IDLE)
    wait_for(lambda: part.lifecycle is IDLE, 'inactive')
    assert part.log == ['start', 'stop'] and part.identity == ('arm', IDLE, '', '')


def test_caller_is_not_held_up_by_a_transition(part):
    part.may_start.clear()
    part.configured()
    part.steer(LIVE)
    wait_for(lambda: part.log, 'the start')
    # It is still starting; the newest wish counts when it has started.
    part.steer(IDLE)
    assert part.lifecycle is IDLE
    part.may_start.set()
    wait_for(lambda: part.log == ['start', 'stop'], 'the stop')


@pytest.mark.parametrize('error', [ReflexError('no permit'), ValueError('a mistake')])
def test_refused_transition_is_counted_and_not_tried_again_at_once(part, error):
    part.error = error
    part.configured()
    part.steer(LIVE)
    wait_for(lambda: part.refusals, 'the refusal')
    assert str(error).removeprefix("ValueError('").removesuffix("')") in part.problem
    part.steer(LIVE)
    part.error = None
    part.forget_refusals()
    part.steer(LIVE)
    wait_for(lambda: part.lifecycle is LIVE, 'active')
    assert part.problem == '' and part.refusals == 0 and len(part.log) in (2, 3)
