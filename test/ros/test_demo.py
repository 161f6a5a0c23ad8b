# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The whole system, as a user sees it: reflex demo."""

import signal

import pytest

from reflex_ros.bringup.demo import fault_named

from .conftest import (
    bring_back,
    descendants,
    is_alive,
    moving_system,
    run_demo,
    running,
    wait_for,
)

MAX_STEP_RAD = 2.0 * 0.01 + 2.0 * 3.1416 / 4096
HELD_MS = 400.0
LEAD_RAD = 0.175
FAULTS = ('kill_supervisor', 'kill_driver', 'kill_service', 'drop_link', 'stop', 'pause_stream',
          'unplug', 'mute_servo')


def check_fault(result):
    """Check what holds of every fault after which the arm runs again."""
    fault = result['fault']
    # The bound of the safety design, not a speed: beyond it the stop is broken.
    assert fault['held_ms'] <= HELD_MS, fault
    assert fault['latched'] and fault['recovered'], fault
    assert not fault['moved_after_rest'], fault
    assert result['torque_on'] and result['ok'], result
    assert result['max_step_rad'] <= MAX_STEP_RAD


def in_order(names, wanted):
    """Tell whether ``wanted`` is a subsequence of ``names``."""
    rest = iter(names)
    return all(name in rest for name in wanted)


def test_demo_passes_all_states_moves_and_parks(domain):
    result, done = run_demo('--seconds', '2', env=domain)
    assert result['ok'], (result, done.stderr)
    assert done.returncode == 0
    assert in_order([state['name'] for state in result['states']],
                    ['STANDBY', 'DRY_RUN', 'READY', 'ARMING', 'ACTIVE', 'STOPPING', 'PARKED'])
    assert result['final_state'] == 'PARKED' and not result['torque_on']
    assert result['moved_rad'] > 0.2
    assert 0.0 < result['max_step_rad'] <= MAX_STEP_RAD
    assert result['chunks_rejected'] == {}
    assert result['chunks_received'] == result['chunks_accepted'] > 5
    assert result['observations_sent'] >= result['chunks_received']
    assert result['bus_cycles'] > 400


@pytest.mark.faults
def test_command_reports_a_fault_and_the_recovery(domain):
    result, done = run_demo('--seconds', '1', '--fault', 'kill_stream', '--recover', env=domain)
    assert 'fault' in result, (result, done.stderr)
    check_fault(result)
    assert done.returncode == 0


@pytest.mark.parametrize('words', ['starting', 'DRY_RUN', 'ACTIVE', 'stopping as planned'])
def test_ctrl_c_ends_everything_without_a_traceback(words, domain):
    with running('demo', '--seconds', '2', env=domain) as demo:
        said = []
        for line in demo.stderr:
            said.append(line)
            if words in line:
                break
        assert words in said[-1], said
        if words == 'starting':
            wait_for(lambda: descendants(demo.pid), 10, 'process of the demo')
        children = descendants(demo.pid)
        demo.send_signal(signal.SIGINT)
        # Nobody is patient: the second one must change nothing.
        demo.send_signal(signal.SIGINT)
        rest = demo.communicate(timeout=10)
        assert demo.returncode == 130, rest
        assert 'Traceback' not in rest[1]
        # One that was being started when the signal came dies with its parent, a moment later.
        wait_for(lambda: not any(map(is_alive, children)), 5, 'end of every process')


def test_nothing_is_left_behind_when_the_demo_itself_is_killed(domain):
    with running('demo', '--seconds', '2', env=domain) as demo:
        for line in demo.stderr:
            if 'ACTIVE' in line:
                break
        children = descendants(demo.pid)
        assert len(children) >= 6
        demo.kill()
        demo.wait()
        wait_for(lambda: not any(map(is_alive, children)), 10, 'end of every process')


def test_unknown_fault_is_refused_in_one_line(domain):
    result, done = run_demo('--fault', 'nonsense', env=domain)
    assert done.returncode == 1 and not result['ok']
    assert "'nonsense'" in result['error'] and 'kill_stream' in result['error']
    assert done.stderr == ''


@pytest.fixture(scope='module')
def system():
    # It lives until the file ends, so tests with a graph of their own come before its first test.
    with moving_system() as demo:
        yield demo


@pytest.fixture
def break_one(system, request):
    """Return a function that breaks something while the arm moves; see ``Demo.break_once``."""
    def run(name, *, recover=False):
        fault = fault_named(name)
        if fault.repair and not recover:
            request.addfinalizer(lambda: fault.repair(system))
        bring_back(system)
        return system.break_once(fault, recover=recover)
    return run


@pytest.mark.faults
@pytest.mark.parametrize('name', FAULTS)
def test_arm_comes_to_rest_holds_says_why_and_runs_again(name, break_one):
    check_fault(break_one(name, recover=True))


@pytest.mark.faults
def test_arm_rests_at_the_end_of_its_chunk_when_the_link_goes_silent(break_one):
    result = break_one('silent_link', recover=True)
    assert result['ok'], result
    assert result['fault']['cause'] == 'NET_SILENT'


@pytest.mark.faults
def test_fault_without_recovery_ends_latched_with_the_arm_under_torque(break_one):
    result = break_one('stop')
    assert result['ok'] and result['final_state'] == 'LATCHED' and result['torque_on']
    assert result['fault']['cause'] == 'OP_STOP'


@pytest.mark.faults
def test_hot_arm_is_brought_to_its_rest_pose_and_let_go(break_one):
    result = break_one('overheat')
    assert result['fault']['cause'] == 'OVERHEAT' and result['final_state'] == 'LATCHED'
    assert 'PARKING' in [state['name'] for state in result['states']]
    assert not result['torque_on'] and result['ok']
