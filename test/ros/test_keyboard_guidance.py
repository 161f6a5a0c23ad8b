# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A person guides the running arm with keys, and the policy goes on afterwards."""

import time

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('aiohttp')

from reflex_ros.domain.fault_code import FaultCode  # noqa: E402
from reflex_ros.domain.heartbeats import Commander  # noqa: E402
from reflex_ros.domain.safe_stop import State  # noqa: E402
from reflex_ros.runner.keyboard_guide import STEP_RAD  # noqa: E402

from .conftest import bring_back, moving_system, wait_for  # noqa: E402
from .test_live_keys import Screen  # noqa: E402

pytestmark = pytest.mark.slow
PRESSES = 12
LARGEST_STEP_TICKS = 15


@pytest.fixture(scope='module')
def moving():
    with moving_system() as demo:
        yield demo


@pytest.fixture
def guided(moving):
    """Bring the arm to motion, and let the keys of a terminal guide it."""
    screens = []

    def start():
        bring_back(moving)
        screens.append(Screen(moving.environment, 'take-over', '--keyboard'))
        screens[-1].until('h or q: hand back   space: stop')
        return screens[-1]

    moving.arm.mark()
    yield start
    for screen in screens:
        screen.close()


def commander(demo):
    return demo.system.view.stream.commander


def goals(demo):
    return [joint['goal_rad'] for joint in demo.arm.state()['joints'].values()]


def wait_still(demo):
    """Wait until the goals rest, and return them (joints,) [rad]."""
    def at_rest():
        before = goals(demo)
        time.sleep(0.3)
        return before if goals(demo) == before else None
    return wait_for(at_rest, 20.0, 'rest')


def test_keys_move_one_joint_and_the_policy_goes_on_afterwards(moving, guided):
    screen = guided()
    wait_for(lambda: commander(moving) is Commander.PERSON, 20.0, 'beat')
    start = wait_still(moving)
    assert all(joint['torque'] for joint in moving.arm.state()['joints'].values())
    for _ in range(PRESSES):
        screen.press('d')
        wait_still(moving)
    moved = [now - then for now, then in zip(goals(moving), start, strict=True)]
    assert moved[0] == pytest.approx(PRESSES * STEP_RAD, abs=0.02)
    assert max(map(abs, moved[1:])) < 0.01
    screen.press('h')
    assert screen.end() == 0 and 'follows the policy again' in screen.text
    wait_for(lambda: commander(moving) is Commander.POLICY, 20.0, 'policy')
    moving.arm.mark()
    wait_for(lambda: max(joint['travel_rad'] for joint in moving.arm.state()[
        'joints'].values()) > 0.1, 20.0, 'motion')
    assert moving.arm.state()['max_goal_step_ticks'] < LARGEST_STEP_TICKS


def test_space_stops_the_arm(moving, guided):
    screen = guided()
    screen.press(' ')
    assert screen.end() == 0 and 'stop: now LATCHED' in screen.text
    assert moving.system.view.causes[0].code is FaultCode.OP_STOP


def test_stop_by_somebody_else_ends_the_guidance_and_says_why(moving, guided):
    screen = guided()
    assert moving.system.call('stop')['success']
    assert screen.end() == 1 and 'the guidance was ended: ' in screen.text


def test_arm_that_no_policy_moves_is_not_guided(moving):
    bring_back(moving)
    assert moving.system.call('demote')['success']
    screen = Screen(moving.environment, 'take-over', '--keyboard')
    try:
        assert screen.end() == 1 and 'reflex promote' in screen.text
    finally:
        screen.close()


def test_terminal_that_dies_stops_the_arm(moving, guided):
    screen = guided()
    screen.process.kill()
    moving.system.wait_state(State.LATCHED, timeout_s=8.0)
    assert moving.system.view.causes[0].code is FaultCode.LEADER_LOST
    assert all(joint['torque'] for joint in moving.arm.state()['joints'].values())
