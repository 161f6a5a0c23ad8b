# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The transport in this process, with the simulated service and a plain node for everyone else."""

import io
import json
import math
import os
import time
from types import SimpleNamespace

import numpy as np
import pytest

from reflex_ros.client import claimed_robot
from reflex_ros.client.adapters import rows_from_wire
from reflex_ros.client.claimed_robot import ClaimedRobot
from reflex_ros.domain.action import ActionChunk
from reflex_ros.domain.command_tag import CommandTag
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import (
    Commander,
    DriverBeat,
    Lifecycle,
    Link,
    Readiness,
    SessionMode,
    StreamBeat,
)
from reflex_ros.domain.joints import GripperTravel
from reflex_ros.domain.key_values import from_line
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.hardware.so101 import JOINT_NAMES, SO101
from reflex_ros.runner.permit_lease import PermitLease

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('aiohttp')

from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import CompressedImage, JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from reflex_ros.nodes import qos, status_codec  # noqa: E402

from ..unit.conftest import no_settings, Service  # noqa: E402, F401
from .node_rig import LEASE, made  # noqa: E402

INPUT_S = 0.03
EPOCH = 7


def jpeg(shade):
    from PIL import Image
    data = io.BytesIO()
    Image.new('RGB', (32, 24), (shade % 256, 90, 60)).save(data, 'JPEG')
    return data.getvalue()


class World:
    """The stream under test; the test plays driver, camera and supervisor."""

    def __init__(self, rig, service):
        self.rig = rig
        self.service = service
        self.beat = rig.beats(StreamBeat, '_beat/action_stream')
        self.chunks = rig.listen(JointTrajectory, 'action_chunk')
        self.commands = rig.listen(JointTrajectory, 'so101/command')
        self.stops = rig.listen(String, 'safety/stop')
        self.permit = Permit(EPOCH, Mode.HOLD, 0.0)
        self.driver = DriverBeat('driver-1', Lifecycle.INACTIVE)
        self.pose = list(SO101.rest_pose)
        self.gives_permit = self.gives_joints = self.gives_frames = True
        self._permits = rig.publisher(DiagnosticStatus, 'safety/permit', LEASE)
        self._drivers = rig.publisher(DiagnosticStatus, '_beat/so101', LEASE)
        self._joints = rig.peer.create_publisher(JointState, 'joint_states', 10)
        self._frames = rig.peer.create_publisher(
            CompressedImage, 'front/image_raw/compressed', qos.CAMERA_DRIVER)
        self._count = 0
        rig.peer.create_timer(INPUT_S, self._publish)

    def _publish(self):
        self._count += 1
        if self.gives_permit:
            self._permits.publish(status_codec.encode('safety/permit', self.permit))
        self._drivers.publish(status_codec.encode('so101', self.driver, with_empty=False))
        stamp = self.rig.peer.get_clock().now().to_msg()
        if self.gives_joints:
            message = JointState(name=list(JOINT_NAMES), position=self.pose)
            message.header.stamp = stamp
            self._joints.publish(message)
        if self.gives_frames:
            image = CompressedImage(format='jpeg')
            image.data.frombytes(jpeg(self._count))
            self._frames.publish(image)

    def until(self, condition, what):
        return self.rig.until(condition, lambda: f'{what}: {self.beat()}')

    def configure(self):
        assert self.rig.trigger('configure'), self.rig.node.problem

    def open(self):
        """Configure, activate, and wait for chunks of a dry run."""
        self.configure()
        assert self.rig.trigger('activate'), self.rig.node.problem
        self.until(lambda: self.beat().link is Link.OPEN, 'open stream')
        self.until(lambda: self.chunks, 'chunks')

    def apply(self, epoch=EPOCH):
        """Permit actions, and wait for commands."""
        self.permit = Permit(epoch, Mode.APPLY_ACTIONS, 1.0)
        self.until(lambda: self.tags() and self.tags()[-1].epoch == epoch, 'commands')
        self.until(lambda: self.beat().session_mode is SessionMode.APPLY_ACTIONS, 'mode')

    def tags(self):
        return [from_line(CommandTag, message.header.frame_id) for message in self.commands]

    def further_chunks(self, count=3):
        before = len(self.chunks)
        self.until(lambda: len(self.chunks) >= before + count, 'further chunks')


@pytest.fixture(scope='module')
def running_service():
    service = Service()
    yield service
    service.stop()


@pytest.fixture
def service(running_service):
    running_service.clear()
    running_service.settings(latency_ms=5.0)
    yield running_service
    running_service.clear()


@pytest.fixture
def world(ros, service, no_settings, monkeypatch, tmp_path):  # noqa: F811
    from reflex_ros.nodes.action_stream_node import ActionStreamNode
    monkeypatch.setenv('REFLEX_API_KEY', service.key)
    monkeypatch.setenv('REFLEX_CONFIG_DIR', str(tmp_path / 'config'))
    with made(ros, ActionStreamNode, '-p', f'service.rpc_url:="{service.url}"', '-p',
              f'service.actions_url:="{service.actions_url}"', '-p', 'replan_s:=0.05', '-p',
              'prompt:=wave') as rig:
        yield World(rig, service)
        if rig.node.lifecycle is not Lifecycle.FINALIZED:
            rig.node.trigger_shutdown()


def sessions(world):
    """Return the modes of the sessions that the service holds open."""
    return [row['mode'] for row in world.service.state()['sessions'] if row['status'] == 'active']


# Before a session.


def test_inactive_stream_has_checked_the_account_and_opens_no_session(world):
    asked = world.service.count('rpc_calls')
    world.configure()
    assert world.service.count('rpc_calls') > asked and not sessions(world)
    world.until(lambda: world.beat().lifecycle is Lifecycle.INACTIVE, 'inactive beat')
    beat = world.beat()
    assert (beat.link, beat.session_mode) == (Link.CLOSED, SessionMode.NONE)
    assert beat.progress >= 0 and not world.chunks and not world.commands


def test_joints_that_are_never_heard_are_listened_to_anew(world, monkeypatch):
    from sensor_msgs.msg import JointState

    from reflex_ros.nodes import action_stream_node

    monkeypatch.setattr(action_stream_node, 'SILENT_S', 0.2)
    world.configure()
    node = world.rig.node
    # As a subscription that the middleware or the executor has lost: it exists, and hears nothing.
    node.destroy_subscription(node._joint_states)
    node._joint_states = deaf = node.create_subscription(
        JointState, 'nowhere', lambda _: None, 1)
    world.until(lambda: node._joint_states is not deaf, 'another subscription')
    heard = node._joints_at
    world.until(lambda: node._joints_at > heard and not node._observer.joint_states(
        time.monotonic())[1], 'joints')


def test_key_that_is_refused_keeps_the_node_unconfigured(world, monkeypatch):
    monkeypatch.setenv('REFLEX_API_KEY', 'rfx_of_nobody')
    assert not world.rig.trigger('configure')
    assert world.rig.node.lifecycle is Lifecycle.UNCONFIGURED
    world.until(lambda: 'reflex login' in world.beat().problem, 'beat with the next step')
    monkeypatch.setenv('REFLEX_API_KEY', world.service.key)
    world.configure()


def set_up(service, name, *, paired=True):
    """Make a robot of that name and a deployment for its schema; return the ids of both."""
    schema_id = service.call(
        'registerRobotSchema', name='SO-101', schemaVersion='robot_schema.v1', schemaJson='{}',
        hasExplicitSafeStop=True, robotKind='so101', actionDim=6)['robotSchemaId']
    robot_id = service.call('registerRobot', name=name, robotSchemaId=schema_id)['robotId']
    if paired:
        token = service.call('createRobotPairingToken', robotId=robot_id)['token']
        service.call('claimRobotPairingToken', token=token)
    return robot_id, service.call('createDeployment', name='pick', modelId='model_sim',
                                  mode='apply_actions', robotSchemaId=schema_id)['deploymentId']


def use(world, **values):
    """Set parameters of ``service``."""
    world.rig.node.set_parameters([
        rclpy.parameter.Parameter(f'service.{name}', value=value)
        for name, value in values.items()])


def test_configured_stream_makes_its_deployment_ready_before_it_has_a_session(world):
    robot_id, deployment_id = set_up(world.service, 'left')
    claimed_robot.save(claimed_robot.path(os.environ), world.service.url,
                       ClaimedRobot(robot_id, 'left'))
    use(world, deployment=deployment_id)
    world.configure()
    world.until(lambda: world.beat().readiness is Readiness.READY, 'ready deployment')
    beat = world.beat()
    assert (beat.robot, beat.deployment, beat.unready) == (robot_id, deployment_id, {})
    assert not sessions(world)
    # Another node in the same place goes on: the heartbeats end with cleanup.
    assert world.rig.trigger('cleanup')
    world.until(lambda: world.beat().robot == '', 'beat without a robot')


def test_deployment_that_is_not_ready_permits_a_dry_run_in_the_name_of_the_robot(world):
    robot_id, deployment_id = set_up(world.service, 'right', paired=False)
    use(world, deployment=deployment_id, robot='right')
    world.open()
    world.until(lambda: world.beat().readiness is Readiness.BLOCKED, 'blocked deployment')
    assert f'reflex robots pair {robot_id}' in world.beat().unready['robot_paired']
    row = next(row for row in world.service.state()['sessions'] if row['status'] == 'active')
    assert (row['robotId'], row['deploymentId'], row['mode']) == (
        robot_id, deployment_id, 'dry_run')


def set_parameters(world, **values):
    found = world.rig.node.set_parameters(
        [Parameter(name, value=value) for name, value in values.items()])
    assert all(each.successful for each in found), found


def deployment_of(service, **side):
    """Make a deployment whose robot schema describes states and rows so; return its id."""
    schema = {'observations': {'state': side}, 'actions': {'action': side}}
    schema_id = service.call(
        'registerRobotSchema', name='bench', schemaVersion='robot_schema.v1',
        schemaJson=json.dumps(schema), hasExplicitSafeStop=True)['robotSchemaId']
    return service.call('createDeployment', name='bench', modelId='model_sim', mode='dry_run',
                        robotSchemaId=schema_id)['deploymentId']


def test_deployment_for_another_arm_is_refused_with_the_difference(world):
    names = [*JOINT_NAMES[:5], 'hand']
    set_parameters(world, **{
        'service.deployment': deployment_of(world.service, shape=[14], names=names)})
    assert not world.rig.trigger('configure')
    for part in ('a row of 14 numbers, here 6', 'joints only there: hand',
                 'joints only here: gripper', "Set 'adapter' or 'mapping.joints'"):
        assert part in world.rig.node.problem
    world.until(lambda: 'joints only there: hand' in world.beat().problem, 'beat that says so')


def test_mapping_that_lacks_a_joint_is_refused_and_one_that_fits_runs(world):
    set_parameters(world, **{'adapter': 'aloha_joint', 'mapping.joints': list(JOINT_NAMES[:5])})
    assert not world.rig.trigger('configure')
    assert 'missing: gripper' in world.rig.node.problem
    set_parameters(world, **{'mapping.joints': [*JOINT_NAMES, *['-'] * 8]})
    # Reading declares the parameters of each joint that is listed; padding has none.
    world.rig.node.parameters.read()
    assert not world.rig.node.has_parameter('mapping.-.unit')
    set_parameters(world, **{
        'prompt': 'hold', 'mapping.gripper.closed': 0.0, 'mapping.gripper.open': 0.5,
        'mapping.wrist_roll.sign': -1})
    world.pose[4:] = [0.3, SO101.upper[5]]
    world.open()
    seen = world.service.observations()[-1]
    assert (len(seen['state']), seen['state'][4:6]) == (14, [-0.3, 0.5])


# A person guides the arm.


class Leader:
    """The pose of a leader arm, published by a node of its own."""

    def __init__(self, world, name='leader'):
        self.pose = [0.1] * 6
        self._publisher = world.rig.publisher(
            JointState, 'leader/joint_states', qos.JOINT_STATES, by=name)
        world.rig.other(name).create_timer(0.02, self._publish)

    def _publish(self):
        self._publisher.publish(JointState(name=list(reversed(JOINT_NAMES)), position=self.pose))


def test_commands_of_person_and_policy_are_one_row_of_numbers(world):
    world.open()
    leader = Leader(world)
    for name in ('take_over', 'hand_back'):
        world.rig.client(f'action_stream/{name}')
    refused = world.rig.call('action_stream/take_over')
    assert not refused.success and 'reflex promote' in refused.message
    world.driver = DriverBeat('driver-1', Lifecycle.ACTIVE, setpoint=tuple(world.pose))
    world.apply()
    assert world.rig.call('action_stream/take_over').success
    world.until(lambda: world.beat().commander is Commander.PERSON, 'beat')
    led = len(world.commands)
    world.until(lambda: len(world.commands) > led + 20, 'guided commands')
    guided = world.commands[-1]
    assert len(guided.points) == 12 and guided.joint_names == list(JOINT_NAMES)
    # Towards the leader, and never back to the policy meanwhile.
    assert guided.points[-1].positions[1] > guided.points[0].positions[1]
    assert all(len(message.points) == 12 for message in world.commands[led + 1:])
    leader.pose = [math.nan] * 6
    world.until(lambda: world.stops, 'stop')
    assert 'LEADER_LOST' in world.stops[-1].data
    leader.pose = [0.1] * 6
    # Nobody commands until the arm is activated anew.
    until, count = time.monotonic() + 0.3, len(world.commands)
    world.until(lambda: time.monotonic() > until, 'leader again')
    assert len(world.commands) <= count + 1
    assert not world.rig.call('action_stream/take_over').success
    world.permit = Permit(EPOCH, Mode.HOLD, 0.0)
    world.until(lambda: world.beat().commander is Commander.POLICY, 'end of the guidance')
    world.commands.clear()
    world.apply(EPOCH + 1)
    assert world.rig.call('action_stream/take_over').success
    assert world.rig.call('action_stream/hand_back').success
    world.until(lambda: world.beat().commander is Commander.POLICY, 'policy again')
    further = len(world.commands)
    world.until(lambda: len(world.commands) > further + 2, 'commands of the policy')
    numbers = [tag.seq for tag in world.tags()]
    assert numbers == sorted(set(numbers)), numbers


def test_leader_that_is_never_heard_is_listened_to_anew(world, monkeypatch):
    from reflex_ros.nodes import action_stream_node

    monkeypatch.setattr(action_stream_node, 'SILENT_S', 0.2)
    world.configure()
    Leader(world)
    node = world.rig.node
    node.destroy_subscription(node._leader)
    node._leader = deaf = node.create_subscription(JointState, 'nowhere', lambda _: None, 1)
    world.until(lambda: node._leader is not deaf, 'another subscription')
    heard = node._leader_at
    world.until(lambda: node._leader_at > heard + 0.05, 'the leader')


def test_two_leaders_stop_the_arm_and_are_refused(world):
    world.open()
    Leader(world)
    world.driver = DriverBeat('driver-1', Lifecycle.ACTIVE, setpoint=tuple(world.pose))
    world.apply()
    world.rig.client('action_stream/take_over')
    world.until(lambda: world.rig.call('action_stream/take_over').success, 'take over')
    Leader(world, 'stranger')
    world.until(lambda: world.stops and 'TWO_COMMANDERS' in world.stops[-1].data, 'stop')
    assert '/stranger owns an end of /leader/joint_states' in world.stops[-1].data
    world.apply(EPOCH + 1)
    answer = world.rig.call('action_stream/take_over')
    assert not answer.success and 'which is for /leader alone' in answer.message


# Dry run.


def test_gripper_in_0_to_1_is_a_remark_in_beat_and_diagnostics(world):
    entries = world.rig.diagnostics()
    world.pose = list(rows_from_wire([[0.0, -30.0, 40.0, 30.0, 0.0, 30.0]], SO101)[0])
    world.service.fault('gripper_units', 'fraction')
    world.open()
    remark = world.until(lambda: world.beat().policy_remark, 'remark')
    assert 'the rows of gripper look like 0..1' in remark
    assert world.beat().fault is None and not world.beat().rejected
    world.until(lambda: (link := entries().get('action_stream: stream/link'))
                and (link.level, link.message) == (DiagnosticStatus.WARN, remark), 'warning')


def test_viewers_see_where_the_policy_wants_the_arm_to_be(world):
    heard = []
    world.open()
    world.further_chunks()
    world.rig.peer.create_subscription(JointState, 'policy/joint_states', heard.append, 10)
    world.until(lambda: len(heard) >= 5, 'wanted poses')
    assert list(heard[0].name) == list(JOINT_NAMES) and len(heard[0].position) == 6
    rows = np.array([point.positions for point in world.chunks[-1].points])
    low, high = rows.min(axis=0) - 0.2, rows.max(axis=0) + 0.2
    assert all((low <= message.position).all() and (message.position <= high).all()
               for message in heard)


def test_dry_run_publishes_chunks_of_standard_meaning_and_commands_nothing(world):
    world.open()
    world.further_chunks()
    chunk = world.chunks[-1]
    assert chunk.header.frame_id == ''
    assert list(chunk.joint_names) == list(JOINT_NAMES) and len(chunk.points) == 50
    now = world.rig.node.get_clock().now().nanoseconds / 1e9
    age_s = now - chunk.header.stamp.sec - chunk.header.stamp.nanosec / 1e9
    assert 0.0 <= age_s < 2.0, 'the stamp is not that of the observation'
    beat = world.until(lambda: world.beat().accepted >= 3 and world.beat(), 'beat with counts')
    assert beat.session_mode is SessionMode.DRY_RUN and beat.lifecycle is Lifecycle.ACTIVE
    # A beat may come between the two counts of one chunk.
    assert 0 <= beat.session_received - beat.session_accepted <= 1 and not beat.rejected
    assert beat.expires_s > 0.0
    assert beat.rtt_ms_p50 > 0.0 and beat.fault is None
    assert not world.commands and sessions(world) == ['dry_run']


def test_beats_show_progress_while_the_session_works(world):
    world.open()
    first = world.beat().progress
    world.until(lambda: world.beat().progress > first + 10, 'progress')


def test_prompt_may_change_while_the_policy_runs(world):
    world.open()
    assert world.beat().prompt == 'wave'
    world.rig.publisher(String, 'prompt').publish(String(data='sweep the table'))
    world.until(lambda: world.beat().prompt == 'sweep the table', 'new prompt')


def test_gripper_travel_of_the_driver_becomes_the_limits_of_its_rows(world):
    travel = GripperTravel(-0.2, 1.2)
    world.driver = DriverBeat(gripper_closed_rad=travel.closed, gripper_open_rad=travel.opened)
    world.configure()
    world.until(lambda: world.rig.node._travel == travel, 'travel')
    assert world.rig.trigger('activate')
    world.until(lambda: world.chunks, 'chunks')
    world.driver = DriverBeat(gripper_closed_rad=-0.2, gripper_open_rad=2.0)
    world.until(lambda: world.rig.node._travel == GripperTravel(-0.2, 2.0), 'new travel')
    # A beat that names no travel takes none away.
    world.driver = DriverBeat()
    world.further_chunks()
    assert world.rig.node._travel == GripperTravel(-0.2, 2.0)


@pytest.mark.parametrize('missing, code', [
    ('joints', FaultCode.JOINTS_STALE), ('frames', FaultCode.CAM_LOST)])
def test_missing_input_is_named_and_no_session_is_lost(world, missing, code):
    world.open()
    setattr(world, f'gives_{missing}', False)
    world.until(lambda: world.beat().gap and world.beat().gap.code is code, 'gap')
    setattr(world, f'gives_{missing}', True)
    world.further_chunks()
    world.until(lambda: world.beat().gap is None, 'no gap')
    assert world.beat().link is Link.OPEN


def test_lost_link_is_opened_again_while_nothing_is_applied(world):
    world.open()
    world.service.fault('close', times=1)
    world.until(lambda: world.beat().lost is not None, 'the loss')
    world.chunks.clear()
    world.until(lambda: world.chunks and world.beat().link is Link.OPEN, 'another session')
    assert not world.stops and world.beat().fault is None


# Actions are applied.


def test_permit_to_apply_promotes_the_session_and_commands_carry_their_tag(world):
    world.open()
    world.apply()
    assert sessions(world) == ['apply_actions']
    tag = world.tags()[-1]
    assert tag.epoch == EPOCH and tag.seq >= 0 and 0.0 < tag.age_ms < 2000.0
    # The same chunk is public, without the tag.
    command = world.commands[-1]
    world.until(lambda: any(
        chunk.points == command.points and chunk.header.stamp == command.header.stamp
        for chunk in world.chunks), 'public chunk')
    assert all(chunk.header.frame_id == '' for chunk in world.chunks)


def test_chunk_that_was_requested_under_an_older_epoch_commands_nothing(world):
    world.service.settings(latency_ms=250.0)
    world.open()
    world.apply()
    world.until(lambda: world.beat().in_flight >= 1, 'an observation in flight')
    world.permit = Permit(EPOCH + 1, Mode.APPLY_ACTIONS, 1.0)
    lease = world.rig.node._lease
    world.until(lambda: lease.current(0.0).epoch == EPOCH + 1, 'new epoch')
    world.commands.clear()
    answers = world.rig.node.beat().received
    world.until(lambda: world.beat().received >= answers + 3, 'answers')
    world.until(lambda: world.tags(), 'commands of the new epoch')
    # The answer that was in flight is public, and commands nothing.
    assert {tag.epoch for tag in world.tags()} == {EPOCH + 1}


def test_permit_that_is_not_renewed_permits_nothing(world):
    world.open()
    world.apply()
    world.gives_permit = False
    world.until(lambda: world.beat().session_mode is SessionMode.DRY_RUN, 'demoted session')
    assert sessions(world) == ['dry_run']
    world.commands.clear()
    world.further_chunks(5)
    assert not world.commands, 'a command under a permit that is too old'


def test_permit_is_looked_at_again_when_a_chunk_becomes_a_command(world, monkeypatch):
    """The session still applies actions when its permit has just become too old."""
    world.open()
    world.apply()
    node, lease = world.rig.node, world.rig.node._lease
    commands = []
    monkeypatch.setattr(node, '_commands', SimpleNamespace(publish=commands.append))

    def chunk_comes():
        commands.clear()
        node._on_chunk(ActionChunk(10 ** 6, np.zeros((3, 6)), 30.0, time.monotonic(), EPOCH,
                                   joint_names=JOINT_NAMES))
        return len(commands)

    world.until(lambda: lease.current(time.monotonic()).mode is Mode.APPLY_ACTIONS, 'permit')
    assert node._session.is_applying and chunk_comes() >= 1
    later = time.monotonic() + 0.6
    monkeypatch.setattr(lease, 'current', lambda now: PermitLease.current(lease, later))
    assert node._session.is_applying and chunk_comes() == 0


def test_hold_and_park_permit_no_commands(world):
    world.open()
    world.apply()
    for mode in (Mode.HOLD, Mode.PARK):
        world.permit = Permit(EPOCH + 1, mode, 0.0)
        world.until(lambda: world.beat().session_mode is SessionMode.DRY_RUN, 'demoted session')
        world.commands.clear()
        world.further_chunks()
        assert not world.commands


def test_fault_while_actions_are_applied_asks_for_a_stop_and_ends_the_session(world):
    world.open()
    world.apply()
    world.service.fault('reset', times=1)
    world.until(lambda: world.stops, 'stop request')
    assert world.stops[0].data.startswith('action_stream: NET_CLOSED: ')
    world.until(lambda: world.beat().fault is not None, 'beat with the fault')
    assert world.beat().fault.code is FaultCode.NET_CLOSED
    assert world.beat().lifecycle is Lifecycle.ACTIVE
    # No further session before a person has looked: only a new activation opens one.
    world.permit = Permit(EPOCH + 1, Mode.HOLD, 0.0)
    world.chunks.clear()
    assert world.rig.trigger('deactivate') and world.rig.trigger('activate')
    world.until(lambda: world.chunks, 'chunks of the new session')
    assert world.beat().fault is None


def test_session_that_dies_of_a_mistake_is_a_fault_in_the_beat(world):
    world.open()
    world.rig.node._job.future.set_exception(ZeroDivisionError('oops'))
    world.until(lambda: world.beat().fault is not None, 'fault')
    assert world.beat().fault.code is FaultCode.INTERNAL and 'oops' in world.beat().fault.text
    before = world.beat().progress
    count = len(world.beat.messages)
    world.until(lambda: len(world.beat.messages) > count + 5, 'further beats')
    assert world.beat().progress == before, 'a dead session shows progress'


# Deactivate, clean up, end.


def test_deactivated_stream_has_closed_its_session_and_publishes_nothing(world):
    world.open()
    world.apply()
    assert world.rig.trigger('deactivate')
    assert not sessions(world), 'the session is left open at the service'
    world.until(lambda: world.beat().lifecycle is Lifecycle.INACTIVE, 'inactive beat')
    beat = world.beat()
    assert (beat.link, beat.session_mode, beat.in_flight) == (
        Link.CLOSED, SessionMode.NONE, 0)
    world.chunks.clear(), world.commands.clear()
    count = len(world.beat.messages)
    world.until(lambda: len(world.beat.messages) > count + 10, 'further beats')
    assert not world.chunks and not world.commands
    accepted = beat.accepted
    assert world.rig.trigger('activate')
    world.until(lambda: world.beat().accepted > accepted, 'counters that go on')


def test_cleanup_ends_thread_and_subscriptions_and_may_be_repeated(world):
    world.open()
    node = world.rig.node
    thread = node._thread
    assert world.rig.trigger('deactivate') and world.rig.trigger('cleanup')
    node._teardown()
    with pytest.raises(RuntimeError, match='closed'):
        thread.schedule(lambda: None)
    world.until(lambda: node.count_subscribers('front/image_raw/compressed') == 0,
                'end of the subscription')
    assert node.lifecycle is Lifecycle.UNCONFIGURED
    world.chunks.clear()
    world.open()


def test_shutdown_while_actions_are_applied_closes_the_session(world):
    world.open()
    world.apply()
    assert world.rig.trigger('shutdown')
    assert not sessions(world) and world.rig.node.lifecycle is Lifecycle.FINALIZED


def test_error_in_a_transition_closes_the_session_and_can_be_configured_again(world):
    world.open()
    world.rig.node._stop = lambda: 1 / 0
    assert not world.rig.trigger('deactivate')
    assert world.rig.node.lifecycle is Lifecycle.UNCONFIGURED
    assert 'ZeroDivisionError' in world.rig.node.problem
    del world.rig.node._stop
    world.rig.node._teardown()
    assert not sessions(world)
    world.chunks.clear()
    world.open()


def test_diagnostics_name_the_link_and_each_input(ros, service, no_settings,  # noqa: F811
                                                  monkeypatch):
    from reflex_ros.nodes.action_stream_node import ActionStreamNode
    monkeypatch.setenv('REFLEX_API_KEY', service.key)
    with made(ros, ActionStreamNode, '-r', '__ns:=/left', '-p',
              f'service.rpc_url:="{service.url}"', '-p',
              f'service.actions_url:="{service.actions_url}"') as rig:
        assert rig.trigger('configure')
        entries = rig.diagnostics()
        rig.until(entries, 'entries')
        assert set(entries()) == {
            'left/action_stream: stream/link', 'left/action_stream: cameras/front',
            'left/action_stream: joint_states', 'left/action_stream: robot'}
        robot = entries()['left/action_stream: robot']
        assert robot.level == DiagnosticStatus.WARN
        assert robot.message.startswith('deployment: no deployment is set')
        assert {entry.hardware_id for entry in entries().values()} == {'left'}
        link = entries()['left/action_stream: stream/link']
        assert (link.level, link.message) == (DiagnosticStatus.OK, 'closed')
        assert status_codec.pairs(link)['fault'] == ''
        assert entries()['left/action_stream: cameras/front'].message == (
            'CAM_LOST: camera front: no frame yet: nothing publishes '
            '/left/front/image_raw/compressed or /left/front/image_raw. Start the camera driver')
        rig.node.trigger_shutdown()
