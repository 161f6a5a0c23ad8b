# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Demonstrations that are recorded in the graph, as a data set that the service would take."""

import io
import math
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('av')
Image = pytest.importorskip('PIL.Image')
parquet = pytest.importorskip('pyarrow.parquet')

from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
from sensor_msgs.msg import CompressedImage, JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from reflex_ros.domain.heartbeats import Commander, DriverBeat, Lifecycle, StreamBeat  # noqa: E402
from reflex_ros.hardware.so101 import JOINT_NAMES  # noqa: E402
from reflex_ros.nodes import qos, status_codec  # noqa: E402
from reflex_ros.nodes.episodes_node import EpisodesNode  # noqa: E402
from reflex_ros.recording import dataset_check, dataset_folder  # noqa: E402

from .conftest import running, wait_for  # noqa: E402
from .node_rig import made  # noqa: E402


def jpeg(shade):
    data = io.BytesIO()
    Image.fromarray(np.full((48, 64, 3), shade, np.uint8)).save(data, 'JPEG')
    return data.getvalue()


PICTURES = [jpeg(shade) for shade in range(0, 250, 5)]


class World:
    """A driver and a camera, as far as the node hears them; they go on while the rig spins."""

    def __init__(self, rig):
        self.rig = rig
        self.has_arm = self.has_camera = True
        self._joints = rig.publisher(JointState, 'joint_states', qos.JOINT_STATES)
        self._goals = rig.publisher(JointState, 'so101/goals', qos.JOINT_STATES)
        self._images = rig.publisher(CompressedImage, 'front/image_raw/compressed', 5)
        self.commander = Commander.POLICY
        self._streams = rig.publisher(DiagnosticStatus, '_beat/action_stream', qos.LEASE)
        self._beats = rig.publisher(DiagnosticStatus, '_beat/so101', qos.LEASE)
        self.prompts = rig.publisher(String, 'prompt', qos.PROMPT)
        self._began = time.monotonic()
        self._count = 0
        rig.peer.create_timer(0.01, self._turn)

    def _turn(self):
        self._count += 1
        angle = 0.3 * math.sin(time.monotonic() - self._began)
        if self.has_arm:
            for publisher, offset in ((self._joints, 0.0), (self._goals, math.radians(2.0))):
                publisher.publish(JointState(
                    name=list(reversed(JOINT_NAMES)),
                    position=[angle + offset] * len(JOINT_NAMES)))
        if self.has_camera and not self._count % 3:
            self._images.publish(CompressedImage(
                format='jpeg', data=PICTURES[self._count % len(PICTURES)]))
        if not self._count % 5:
            self._beats.publish(status_codec.encode('so101', DriverBeat(
                '1-1', Lifecycle.ACTIVE, gripper_closed_rad=-0.17, gripper_open_rad=2.0)))
            self._streams.publish(status_codec.encode('action_stream', StreamBeat(
                '2-1', Lifecycle.ACTIVE, commander=self.commander)))

    def call(self, name):
        self.rig.client(f'episodes/{name}')
        answer = self.rig.call(f'episodes/{name}')
        return answer.success, answer.message

    def record(self, seconds=0.8):
        assert self.call('start')[0]
        until = time.monotonic() + seconds
        self.rig.until(lambda: time.monotonic() > until, 'the end of the episode')

    def is_ready(self):
        self.rig.until(lambda: not self.rig.node._sitting.progress().problem, 'all inputs')


@pytest.fixture
def world(ros, tmp_path):
    with made(ros, EpisodesNode, '-p', f'folder:={tmp_path / "data"}', '-p', 'fps:=25') as rig:
        assert rig.trigger('configure') and rig.trigger('activate'), rig.node.problem
        try:
            yield World(rig)
        finally:
            # After a failed test too: its thread would keep the process.
            rig.node._teardown()


def test_services_record_what_is_measured_and_told(world, tmp_path):
    folder = tmp_path / 'data'
    world.is_ready()
    assert world.call('start') == (
        False, "what is shown? Set the parameter 'task', or publish it on the topic prompt")
    assert world.call('finish') == (False, 'no episode is recorded: call start first')
    world.prompts.publish(String(data='wave'))
    world.rig.until(lambda: world.rig.node._prompt, 'the prompt')
    assert world.call('start') == (True, 'episode 1: wave')
    assert world.call('start')[1] == 'an episode is recorded: call finish or discard first'
    assert world.call('repeat') == (True, 'episode 1 dropped. episode 1: wave')
    until = time.monotonic() + 1.0
    world.rig.until(lambda: time.monotonic() > until, 'an episode')
    assert world.call('finish') == (True, 'episode 1 kept')
    assert world.call('start')[0]
    kept, reason = world.call('finish')
    assert not kept and reason.endswith(': too short, dropped')
    world.record()
    assert world.call('discard') == (True, 'episode 2 dropped')
    world.record()
    assert world.call('finish')[0]
    with pytest.raises(Exception, match='another program writes'), dataset_folder.claimed(folder):
        pass
    assert world.rig.trigger('deactivate') and world.rig.trigger('cleanup')
    assert [each.text for each in dataset_check.check(dataset_check.read(folder))
            if each.is_error] == []
    rows = parquet.read_table(folder / 'data').to_pydict()
    assert set(rows['episode_index']) == {0, 1} and len(rows['action']) >= 35
    state, action = (np.array(rows[name]) for name in ('observation.state', 'action'))
    assert np.median(action[:, 0] - state[:, 0]) == pytest.approx(2.0, abs=0.5)
    # Percent of the range that the driver's beat names.
    assert np.median(state[:, 5] - 100.0 * (np.radians(state[:, 0]) + 0.17) / 2.17) == \
        pytest.approx(0.0, abs=0.5)


def test_frames_that_a_person_guides_are_marked(world, tmp_path):
    world.is_ready()
    world.prompts.publish(String(data='wave'))
    world.rig.until(lambda: world.rig.node._prompt, 'the prompt')
    world.record(0.5)
    world.commander = Commander.PERSON
    until = time.monotonic() + 0.5
    world.rig.until(lambda: time.monotonic() > until, 'guided frames')
    assert world.call('finish')[0]
    assert world.rig.trigger('deactivate') and world.rig.trigger('cleanup')
    marks = parquet.read_table(tmp_path / 'data' / 'data').to_pydict()[dataset_folder.GUIDED]
    assert marks == sorted(marks) and min(marks.count(0.0), marks.count(1.0)) >= 8


def test_what_is_missing_is_said_and_costs_the_episode_only(world, tmp_path):
    world.is_ready()
    world.prompts.publish(String(data='wave'))
    world.rig.until(lambda: world.rig.node._prompt, 'the prompt')
    world.record()
    world.has_camera = False
    world.rig.until(lambda: not world.rig.node._sitting.progress().is_recording, 'the drop')
    assert world.call('start') == (False, 'no picture of camera front yet')
    world.has_camera = True
    world.is_ready()
    world.record()
    world.has_arm = False
    world.rig.until(lambda: not world.rig.node._sitting.progress().is_recording, 'the drop')
    assert world.call('start') == (False, 'no joint_states are heard (does the driver run?)')
    world.has_arm = True
    world.is_ready()
    world.record()
    assert world.call('finish')[0]
    assert world.rig.trigger('deactivate') and world.rig.trigger('cleanup')
    assert dataset_folder.DatasetFolder(tmp_path / 'data', 'so101_follower', 25).episodes == 1


def test_folder_must_be_named(ros):
    with made(ros, EpisodesNode) as rig:
        assert not rig.trigger('configure')
        assert "parameter 'folder' is empty: name the folder of the data set" in rig.node.problem
        rig.client('episodes/start')
        answer = rig.call('episodes/start')
        assert not answer.success and "parameter 'folder'" in answer.message


def test_running_graph_is_recorded_by_the_node_beside_it(domain, ros, tmp_path):
    folder = tmp_path / 'data'
    with running('up', '--sim', env=domain), ros() as rclpy, subprocess.Popen(
            [sys.executable, '-m', 'reflex_ros.nodes.episodes_node', '--ros-args', '-p',
             f'folder:={folder}', '-p', 'task:=wave']) as node:
        person = rclpy.create_node('person')
        try:
            def call(name):
                client = person.create_client(Trigger, f'episodes/{name}')
                assert client.wait_for_service(20.0), name
                future = client.call_async(Trigger.Request())
                rclpy.spin_until_future_complete(person, future, timeout_sec=10.0)
                return future.result()

            wait_for(lambda: call('start').success, 40, 'all inputs')
            time.sleep(1.0)
            answer = call('finish')
            assert answer.success and answer.message.startswith('episode 1 kept'), answer
        finally:
            person.destroy_node()
            node.send_signal(signal.SIGINT)
        assert node.wait(20) == 0
    assert [each.text for each in dataset_check.check(dataset_check.read(folder))
            if each.is_error] == []
    rows = parquet.read_table(folder / 'data').to_pydict()
    assert len(rows['action']) >= 25
