# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A process that hangs or ends again and again, in the whole system."""

import signal

import pytest

from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.safe_stop import State

from .conftest import wait_for

pytestmark = pytest.mark.faults


def stopped(demo, name):
    """Stop a process as a debugger does; return its id."""
    child = demo.system.group.children[name]
    child.popen.send_signal(signal.SIGSTOP)
    return child.pid


def test_supervisor_that_hangs_is_said_at_once_ended_and_started_again(demo):
    view = demo.system.view
    demo.bring_to_motion()
    pid = stopped(demo, 'supervisor')
    warning = wait_for(lambda: view.warning, 2.5, 'warning')
    assert 'no news from the supervisor' in warning and 'the driver' in warning
    wait_for(lambda: demo.system.group.children['supervisor'].pid != pid, 8.0, 'new supervisor')
    demo.system.wait(lambda: view.state is State.LATCHED and not view.warning, 15.0, 'latch')
    assert view.causes[0].code is FaultCode.SUPERVISOR_DEAD
    assert 'it hung' in demo.system.group.children['supervisor'].log.read_text()
    wait_for(lambda: demo.system.call('reset')['success'], 15.0, 'reset')
    demo.bring_to_motion()


def test_monitor_that_hangs_shows_the_age_of_the_view_and_stops_nothing(demo):
    view = demo.system.view
    demo.bring_to_motion()
    pid = stopped(demo, 'monitor')
    assert 'no news from the monitor' in wait_for(lambda: view.warning, 2.5, 'warning')
    wait_for(lambda: demo.system.group.children['monitor'].pid != pid, 8.0, 'new monitor')
    wait_for(lambda: not view.warning, 10.0, 'news')
    assert view.state is State.ACTIVE and not view.causes


def test_node_that_ends_again_and_again_is_left_alone_and_said(demo):
    view, child = demo.system.view, demo.system.group.children['action_stream']
    demo.system.wait_state(State.DRY_RUN, State.READY, timeout_s=30.0)
    for _ in range(4):
        wait_for(child.is_running, 5.0, 'process')
        child.kill()
    wait_for(lambda: FaultCode.CRASH_LOOP in [cause.code for cause in view.causes], 5.0, 'cause')
    assert 'action_stream' in view.causes[-1].text and 'not started again' in view.answer
    assert view.state is State.LATCHED and not child.is_running()
