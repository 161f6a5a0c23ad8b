# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A person guides the running arm with a leader, and the policy goes on afterwards."""

import math
import time

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('aiohttp')

from reflex_ros.domain.fault_code import FaultCode  # noqa: E402
from reflex_ros.domain.heartbeats import Commander  # noqa: E402
from reflex_ros.domain.safe_stop import State  # noqa: E402
from reflex_ros.hardware.so101 import GRIPPER  # noqa: E402
from reflex_ros.sim.arm.client import ArmControl  # noqa: E402

from .conftest import bring_back, MAX_STEP_RAD, moving_system, wait_for  # noqa: E402

FOLLOWS_RAD = 0.25
"""Distance to the leader [rad]: it moves with 0.3 rad/s, and dead time and lag are 0.2 s."""
MOVING = (State.ACTIVE, State.DEGRADED)
"""A busy machine slows the arm down."""


@pytest.fixture(scope='module')
def guided():
    with moving_system(leader='sim') as demo:
        leader = ArmControl(f'{demo.world.leader}.sock')
        demo.leader = leader
        try:
            yield demo
        finally:
            leader.close()


@pytest.fixture
def demo(guided):
    bring_back(guided)
    guided.arm.mark()
    return guided


def pose(arm):
    return np.array([joint['position_rad'] for joint in arm.state()['joints'].values()])


def distance(demo):
    """Return how far the arm is from its leader [rad]; grippers have different travels."""
    return np.abs(pose(demo.arm) - pose(demo.leader))[:GRIPPER].max()


def commander(demo):
    return demo.system.view.stream.commander


def meet(demo):
    """
    Take over, and wait until the arm has met its leader.

    A machine that is too busy may stop the arm on the way: then the person begins again.
    """
    said = []

    def meets():
        bring_back(demo)
        if commander(demo) is not Commander.PERSON:
            taken, text = call(demo, 'take_over')
            said.append(text)
            if not taken:
                return False
        deadline = time.monotonic() + 20.0
        while time.monotonic() < deadline and demo.system.view.state in MOVING:
            if distance(demo) < FOLLOWS_RAD:
                return True
            time.sleep(0.05)
        return False
    wait_for(meets, 90.0, lambda: f'meeting: {said[-1:]}, {demo.system.view.causes}')


def call(demo, name):
    answer = demo.system.call(name)
    return answer['success'], answer['message']


def test_arm_follows_the_leader_and_then_the_policy_again(demo):
    meet(demo)
    wait_for(lambda: commander(demo) is Commander.PERSON, 20.0, 'beat')
    # It goes on following: the hand moves each joint by 0.4 rad and more.
    for _ in range(8):
        wait_for(lambda: distance(demo) < FOLLOWS_RAD, 5.0, 'following')
    assert demo.system.view.state in MOVING
    assert call(demo, 'take_over') == (False, 'a person guides the arm already')
    accepted = demo.system.view.stream.accepted
    wait_for(lambda: demo.system.view.stream.accepted > accepted + 3, 20.0, 'answers meanwhile')
    assert call(demo, 'hand_back')[0]
    wait_for(lambda: commander(demo) is Commander.POLICY, 20.0, 'policy')
    played = demo.system.view.driver.accepted
    wait_for(lambda: demo.system.view.driver.accepted > played + 5, 20.0, 'chunks of the policy')
    wait_for(lambda: distance(demo) > 2 * FOLLOWS_RAD, 20.0, 'another way than the leader')
    assert demo.system.view.state in MOVING and not demo.system.view.causes
    # No step beyond the limit, over both borders.
    assert demo.arm.state()['max_goal_step_ticks'] <= math.ceil(
        MAX_STEP_RAD / (2 * math.pi / 4096))
    assert call(demo, 'hand_back') == (False, 'no person guides the arm')


def test_stop_while_a_person_guides_stops_the_arm(demo):
    meet(demo)
    assert call(demo, 'stop')[0]
    demo.system.wait_state(State.LATCHED, timeout_s=5.0)
    wait_for(lambda: commander(demo) is Commander.POLICY, 20.0, 'end of the guidance')
    success, why = call(demo, 'take_over')
    assert not success and 'reflex promote' in why


def test_leader_that_is_pulled_out_stops_the_arm_and_is_found_again(demo):
    meet(demo)
    demo.leader.fault('unplug')
    demo.system.wait_state(State.LATCHED, timeout_s=8.0)
    assert demo.system.view.causes[0].code is FaultCode.LEADER_LOST
    demo.leader.clear('unplug')
    bring_back(demo)
    wait_for(lambda: call(demo, 'take_over')[0], 20.0, 'take over with the leader that is back')
    assert call(demo, 'hand_back')[0]
