# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who may move the arm, and who may stop it: strangers on the graph, by hand, twins."""

import contextlib
import os
import signal
import time

import pytest

from reflex_ros.bringup import process_table
from reflex_ros.bringup.demo import Demo
from reflex_ros.bringup.processes import Child
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import MotionState
from reflex_ros.domain.safe_stop import State
from reflex_ros.hardware.so101 import SO101

from .conftest import bring_back, first_cause, moving_system, wait_for

rclpy = pytest.importorskip('rclpy')

TOLERANCE_RAD = 0.03


@pytest.fixture(scope='module')
def system():
    # It lives until the file ends, so tests with a graph of their own come before its first test.
    with moving_system() as demo:
        rclpy.init()
        try:
            yield demo
        finally:
            rclpy.try_shutdown()


@pytest.fixture
def demo(system):
    """Bring the system into motion, with a node of this test on its graph."""
    bring_back(system)
    system.arm.mark()
    system.node = rclpy.create_node('stranger')
    try:
        yield system
    finally:
        system.node.destroy_node()
        system.arm.clear()


@pytest.fixture
def fresh(domain, monkeypatch, tmp_path):
    """Start a system of the test's own, whose arm was never under torque."""
    for name, value in domain.items():
        monkeypatch.setenv(name, value)
    demo = Demo(tmp_path, dry_run_s=1.0)
    try:
        demo.start()
        demo.system.wait_state(State.READY, timeout_s=30.0)
        yield demo
    finally:
        demo.close()


@pytest.fixture
def ready(demo):
    """Demote: nothing moves, and the gate is green."""
    assert demo.system.call('demote')['success']
    demo.system.wait_state(State.READY, timeout_s=30.0)
    demo.arm.mark()
    return demo


def trajectory(frame, rows):
    from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

    from reflex_ros.hardware.so101 import JOINT_NAMES
    message = JointTrajectory(joint_names=list(JOINT_NAMES))
    message.header.frame_id = frame
    for index, row in enumerate(rows):
        point = JointTrajectoryPoint(positions=row)
        point.time_from_start.nanosec = index * 33_000_000
        message.points.append(point)
    return message


def publish_until(demo, publisher, message, condition, what, timeout_s=10.0):
    """Publish again and again until the system shows that it was heard."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f'no {what}: {demo.system.view.snapshot}'
        publisher.publish(message)
        rclpy.spin_once(demo.node, timeout_sec=0.05)


def red_items(view):
    return {item.name for item in view.safety.gate if not item.is_green}


@pytest.mark.parametrize('verb', ['promote', 'park'])
def test_arm_that_may_not_be_driven_is_said_so_at_once_and_does_not_move_later(fresh, verb):
    demo, system, view = fresh, fresh.system, fresh.system.view
    demo.arm.fault('error_bits', ids=[2], bits=0x20)
    demo.arm.mark()
    assert system.call(verb)['success']
    system.wait_state(State.LATCHED, timeout_s=8.0)
    assert view.causes[0].code is FaultCode.ARM_REFUSED and 'shoulder_lift' in view.causes[0].text
    # Somebody puts it right, by hand.
    demo.arm.clear()
    for _ in range(50):
        answer = system.call('reset')
        if answer['success']:
            break
        time.sleep(0.1)
    assert answer['success'], answer
    joints = demo.arm.state()['joints'].values()
    assert not any(joint['torque'] or joint['travel_rad'] > 0.01 for joint in joints)
    system.wait_state(State.READY, timeout_s=30.0)
    assert system.call('promote')['success']
    system.wait_state(State.ACTIVE, timeout_s=15.0)


def test_two_drivers_under_one_name_stop_the_system(fresh, tmp_path):
    # In a system whose supervisor was killed, the graph shows two of them for some seconds.
    demo = fresh
    demo.bring_to_motion()
    twin = Child(next(process for process in process_table.nodes(None, demo.world)
                      if process.name == 'so101'), tmp_path / 'twin.log')
    try:
        demo.system.wait_state(State.LATCHED, State.FAULT, timeout_s=15.0)
    finally:
        twin.kill()
        twin.close()
    assert demo.system.view.causes[0].code is FaultCode.DUP_NODE
    assert all(joint['torque'] for joint in demo.arm.state()['joints'].values())


def test_a_stranger_cannot_move_the_arm(ready):
    from trajectory_msgs.msg import JointTrajectory

    from reflex_ros.nodes import qos
    demo = ready
    publisher = demo.node.create_publisher(JointTrajectory, 'so101/command', qos.CHUNK)
    pose = [joint['position_rad'] for joint in demo.arm.state()['joints'].values()]
    rows = [[value + 0.01 * index for value in pose] for index in range(10)]
    view = demo.system.view
    for frame in ('', 'base_link'):
        before = view.driver.rejected.get(FaultCode.SEQ_EPOCH, 0)
        publish_until(demo, publisher, trajectory(frame, rows),
                      lambda before=before: view.driver.rejected.get(
                          FaultCode.SEQ_EPOCH, 0) > before, f'refusal of {frame!r}')
        demo.system.wait(lambda: 'commander' in red_items(view), 5.0, 'red gate')
    # Well-formed, of another epoch: taken by nobody, since nothing is active.
    for _ in range(20):
        publisher.publish(trajectory('epoch=1 seq=5 age_ms=10.0', rows))
        rclpy.spin_once(demo.node, timeout_sec=0.02)
    joints = demo.arm.state()['joints'].values()
    assert max(joint['travel_rad'] for joint in joints) < TOLERANCE_RAD
    assert all(joint['goal_last_change_ns'] is None for joint in joints)


@pytest.mark.parametrize('tag', ['epoch=1 seq=999999 age_ms=1.0', 'of the policy'])
def test_a_second_commander_stops_the_moving_arm_before_it_is_heard(demo, tag):
    from trajectory_msgs.msg import JointTrajectory

    from reflex_ros.nodes import qos
    view, rows = demo.system.view, [SO101.rest_pose.tolist()] * 30
    publishers = []

    def attack():
        publishers.append(demo.node.create_publisher(JointTrajectory, 'so101/command', qos.CHUNK))
        began = time.monotonic()
        while view.state is not State.LATCHED:
            assert time.monotonic() - began < 10.0, view.snapshot
            publishers[0].publish(trajectory(
                tag if '=' in tag else f'epoch={view.driver.epoch} seq={10 ** 6} age_ms=1.0',
                rows))
            rclpy.spin_once(demo.node, timeout_sec=0.02)

    cause = first_cause(demo, attack, lambda: demo.node.destroy_publisher(publishers.pop()))
    assert cause.code is FaultCode.TWO_COMMANDERS
    assert '/stranger owns an end of /so101/command' in cause.text
    assert demo.arm.state()['max_goal_step_ticks'] < 15


def test_a_stranger_with_permits_and_a_wrong_state_cannot_arm_a_latched_arm(demo):
    from diagnostic_msgs.msg import DiagnosticStatus
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    from reflex_ros.domain.permit import Mode, Permit
    from reflex_ros.domain.supervision import SafetyState
    from reflex_ros.nodes import qos, status_codec
    demo.system.call('stop')
    demo.system.wait_state(State.LATCHED, timeout_s=5.0)
    view = demo.system.view
    # Hung, the supervisor contradicts nothing.
    supervisor = demo.system.group.children['supervisor'].pid
    os.kill(supervisor, signal.SIGSTOP)
    try:
        demo.arm.mark()
        epoch = view.driver.epoch
        permits = demo.node.create_publisher(DiagnosticStatus, 'safety/permit', qos.LEASE)
        states = demo.node.create_publisher(DiagnosticStatus, 'safety/state', qos.STATE)
        client = demo.node.create_client(ChangeState, 'so101/change_state')
        assert client.wait_for_service(5.0)
        request = ChangeState.Request()
        request.transition.id = Transition.TRANSITION_ACTIVATE

        def attack():
            for said in (SafetyState(State.STANDBY, epoch + 1), SafetyState(State.ARMING, epoch)):
                states.publish(status_codec.encode('safety/state', said))
            future = client.call_async(request)
            while not future.done():
                permits.publish(status_codec.encode(
                    'safety/permit', Permit(epoch, Mode.APPLY_ACTIONS, 1.0)))
                rclpy.spin_once(demo.node, timeout_sec=0.002)
            assert not future.result().success
            return '/stranger' in view.driver.problem

        for _ in range(10):
            attack()
        # Until the driver has found the publishers, the latch alone is its reason.
        wait_for(attack, 10.0, 'refusal that names the stranger')
        assert all(joint['goal_last_change_ns'] is None
                   for joint in demo.arm.state()['joints'].values())
    finally:
        # A process that hangs for long is ended meanwhile.
        with contextlib.suppress(ProcessLookupError):
            os.kill(supervisor, signal.SIGCONT)


def test_anyone_may_stop_with_one_word(demo):
    from std_msgs.msg import String

    from reflex_ros.nodes import qos
    publisher = demo.node.create_publisher(String, 'safety/stop', qos.STOP)
    publish_until(demo, publisher, String(data='that looks wrong'),
                  lambda: demo.system.view.state is State.LATCHED, 'latch')
    assert demo.system.view.causes[0].code is FaultCode.OP_STOP
    assert 'that looks wrong' in demo.system.view.causes[0].text
    assert all(joint['torque'] for joint in demo.arm.state()['joints'].values())


def change_by_hand(demo, node, transition):
    """Request a transition as `ros2 lifecycle set` does, without waiting for its answer."""
    from lifecycle_msgs.srv import ChangeState
    client = demo.node.create_client(ChangeState, f'{node}/change_state')
    assert client.wait_for_service(5.0)
    request = ChangeState.Request()
    request.transition.id = transition
    asked_at = time.monotonic()
    return asked_at, client.call_async(request)


def check_deactivated(demo, asked_at):
    """Look at the first cause and at the arm; the state was left within half a second."""
    view = demo.system.view
    demo.system.wait_state(State.LATCHED, State.FAULT, timeout_s=5.0)
    left_at = next(at for state, at in view.states
                   if at > asked_at and state not in (State.ACTIVE, State.DEGRADED))
    assert left_at - asked_at < 0.5
    assert view.causes[0].code is FaultCode.DEACTIVATED, view.causes
    assert all(joint['torque'] for joint in demo.arm.state()['joints'].values())


def test_deactivating_the_driver_by_hand_stops_and_latches(demo):
    from lifecycle_msgs.msg import Transition
    asked_at, future = change_by_hand(demo, 'so101', Transition.TRANSITION_DEACTIVATE)
    rclpy.spin_until_future_complete(demo.node, future, timeout_sec=5.0)
    assert future.result().success
    check_deactivated(demo, asked_at)


@pytest.mark.parametrize('node', ['so101', 'action_stream'])
def test_node_that_is_shut_down_by_hand_stops_the_arm_and_comes_back(demo, node):
    from lifecycle_msgs.msg import Transition
    before = demo.system.group.children[node].pid
    asked_at, _ = change_by_hand(demo, node, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    check_deactivated(demo, asked_at)
    wait_for(lambda: demo.system.group.children[node].pid != before, 8.0, 'new process')
    wait_for(lambda: demo.system.call('reset')['success'], 15.0, 'reset')
    demo.bring_to_motion()


def test_supervisor_that_dies_while_the_arm_parks_comes_back_latched(demo):
    system = demo.system
    # Far enough from the rest pose for the way back to take a while.
    wait_for(lambda: max(joint['travel_rad'] for joint in demo.arm.state()['joints'].values())
             > 0.3, 20.0, 'motion')
    assert system.call('demote')['success']
    system.wait_state(State.DRY_RUN, State.READY, timeout_s=10.0)
    assert system.call('park')['success']
    system.wait(lambda: system.view.driver.motion is MotionState.PARKING, 10.0, 'motion')
    system.group.children['supervisor'].kill()
    system.wait_state(State.LATCHED, timeout_s=20.0)
    assert system.view.causes[0].code is FaultCode.SUPERVISOR_DEAD
    assert all(joint['torque'] for joint in demo.arm.state()['joints'].values())


def test_a_new_prompt_reaches_the_policy(demo):
    from std_msgs.msg import String

    from reflex_ros.nodes import qos
    publisher = demo.node.create_publisher(String, 'prompt', qos.PROMPT)
    publish_until(demo, publisher, String(data='sweep the table'),
                  lambda: demo.system.view.stream.prompt == 'sweep the table', 'new prompt')
    demo.system.wait(lambda: demo.system.view.stream.chunk_prompt == 'sweep the table', 10.0,
                     'chunk of the new prompt')


def test_service_continues_what_the_arm_executes(demo):
    demo.system.wait(lambda: demo.system.view.stream.prefixes >= 5, 20.0, 'prefixes')
    assert demo.system.view.stream.refused == 0


def test_no_process_shows_the_key(demo):
    from pathlib import Path
    for child in demo.system.group.children.values():
        command = Path(f'/proc/{child.pid}/cmdline').read_bytes().decode()
        assert process_table.SIM_KEY not in command, child.process.name
    logs = ''.join(child.log.read_text() for child in demo.system.group.children.values())
    assert process_table.SIM_KEY not in logs
    assert process_table.SIM_KEY not in str(demo.system.view.snapshot)
    assert os.environ.get('REFLEX_API_KEY') != process_table.SIM_KEY


def test_a_supervisor_that_was_held_up_blames_nobody(ready):
    system, view = ready.system, ready.system.view
    supervisor = system.group.children['supervisor'].popen
    cycles = view.driver.cycles
    before = len(view.states)
    supervisor.send_signal(signal.SIGSTOP)
    try:
        system.wait(lambda: view.driver.cycles > cycles + 100, 15.0, 'second of bus time')
    finally:
        supervisor.send_signal(signal.SIGCONT)
    cycles = view.driver.cycles
    system.wait(lambda: view.driver.cycles > cycles + 100, 15.0, 'second of bus time')
    after = [name for name, _ in view.states[before:]]
    assert not {State.UNCONFIGURED, State.STANDBY} & set(after), after
