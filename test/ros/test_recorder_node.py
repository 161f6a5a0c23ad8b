# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The recorder in this process: what it writes of a run, and of a stop."""

from collections import namedtuple
import os

import pytest

from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.safe_stop import CauseRecord, State
from reflex_ros.domain.supervision import SafetyState
from reflex_ros.recording import reader
from reflex_ros.recording import recorder as recorder_module

pytest.importorskip('rclpy')
pytest.importorskip('mcap_ros2')

from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from sensor_msgs.msg import CompressedImage, JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from reflex_ros.nodes import qos, recorder_node, status_codec  # noqa: E402

from .node_rig import made  # noqa: E402

Space = namedtuple('Space', 'f_bavail f_frsize')
ACTIVE = SafetyState(State.ACTIVE, 3)
LATCHED = SafetyState(State.LATCHED, 3, True,
                      (CauseRecord(FaultCode.USB_GONE, 'the port is gone', 1234.5, 1),))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(recorder_module, 'COMMIT_S', 0.02)
    monkeypatch.setattr(recorder_module, 'AFTER_STOP_S', 0.1)
    monkeypatch.setattr(recorder_node, 'AFTER_RUN_S', 0.1)
    monkeypatch.setattr(recorder_node, 'LOOK_S', 0.05)


@pytest.fixture
def graph(ros, tmp_path):
    """Return a function that makes a graph around a recorder with some parameters."""
    class Graph:
        def __init__(self, rig):
            self.rig = rig
            assert rig.trigger('configure') and rig.trigger('activate'), rig.node.problem
            self._states = rig.publisher(DiagnosticStatus, 'safety/state', qos.STATE)
            self._joints = rig.publisher(JointState, 'joint_states', qos.JOINT_STATES)

        def state(self, state):
            self._states.publish(status_codec.encode('safety', state))

        def joints(self, position):
            self._joints.publish(JointState(name=['shoulder_pan'], position=[position]))

        def status(self):
            return self.rig.node._recorder.status()

        def files(self, folder='.'):
            return sorted((tmp_path / 'r' / folder).glob('*.mcap'))

    def enter(*parameters):
        stack.append(made(ros, recorder_node.RecorderNode, '-p', f'folder:={tmp_path / "r"}',
                          *parameters))
        return Graph(stack[-1].__enter__())

    stack = []
    yield enter
    for context in stack:
        context.__exit__(None, None, None)


def rows(path, topic):
    return [row.value for row in reader.messages(path, [topic])]


def test_run_is_recorded_as_it_was_sent(graph):
    made = graph()
    made.joints(0.25)
    made.rig.until(lambda: made.rig.node._recorder._ring, 'message')
    assert not made.files()
    made.state(ACTIVE)
    made.rig.until(lambda: made.status().file, 'file')
    camera = made.rig.publisher(CompressedImage, 'front/image_raw/compressed', qos.CAMERA_DRIVER)
    goals = made.rig.publisher(JointState, 'so101/goals', qos.JOINT_STATES)
    camera.publish(CompressedImage(format='jpeg', data=b'picture'))
    goals.publish(JointState(name=['shoulder_pan'], position=[0.5]))
    made.joints(0.75)
    made.rig.until(lambda: made.status().messages >= 5, 'messages')
    made.state(SafetyState(State.DRY_RUN, 3))
    made.rig.until(lambda: not made.status().file, 'end of the file')
    (path,) = made.files()
    assert [row.position[0] for row in rows(path, '/joint_states')] == [0.25, 0.75]
    assert [row.position[0] for row in rows(path, '/so101/goals')] == [0.5]
    assert bytes(rows(path, '/front/image_raw/compressed')[0].data) == b'picture'
    kinds = {topic.name: topic.kind for topic in reader.info(path).topics}
    assert kinds['/safety/state'] == 'diagnostic_msgs/msg/DiagnosticStatus'


def test_bytes_in_the_file_are_those_of_ros(graph, tmp_path):
    from mcap.reader import make_reader

    made = graph('-p', 'record:=always')
    message = String(data='put the cube in the box')
    made.rig.publisher(String, 'prompt', qos.PROMPT).publish(message)
    made.rig.until(lambda: made.status().messages, 'message')
    assert made.rig.trigger('deactivate') and made.rig.trigger('cleanup')
    with made.files()[0].open('rb') as stream:
        found = [row[2].data for row in make_reader(stream).iter_messages(topics=['/prompt'])]
    assert found == [serialize_message(message)]


@pytest.mark.parametrize('mode', ['off', 'runs'])
def test_stop_leaves_its_last_seconds_with_the_cause(graph, mode):
    made = graph('-p', f'record:={mode}')
    made.state(ACTIVE)
    made.joints(0.25)
    made.rig.until(lambda: len(made.rig.node._recorder._ring) >= 2, 'messages')
    made.state(LATCHED)
    (path,) = made.rig.until(lambda: made.files('stops'), 'file of the stop')
    made.rig.until(lambda: reader.is_whole(path) and reader.info(path).messages, 'messages')
    about = reader.info(path).about
    assert (about['code'], about['text']) == ('USB_GONE', 'the port is gone')
    assert [row.position[0] for row in rows(path, '/joint_states')] == [0.25]


def test_old_latch_that_the_recorder_finds_when_it_starts_is_a_stop_once(graph):
    made = graph()
    made.state(LATCHED)
    made.rig.until(lambda: made.files('stops'), 'file of the stop')
    made.state(LATCHED)
    made.joints(0.25)
    made.rig.until(lambda: len(made.rig.node._recorder._ring) >= 3, 'messages')
    assert len(made.files('stops')) == 1


def test_bytes_that_are_no_message_change_nothing_that_is_known(graph):
    made = graph()
    made.state(ACTIVE)
    made.rig.until(lambda: made.status().file, 'file')
    for data in (b'', b'\0', b'\0\1\0\0', b'\0\1\0\0' + b'\xff' * 40):
        made._states.publish(data)
    made.joints(0.25)
    made.rig.until(lambda: made.status().messages >= 2, 'messages')
    assert made.rig.node._safety == ACTIVE


@pytest.mark.parametrize('is_required', [False, True])
def test_run_that_cannot_be_recorded_stops_the_arm_only_when_told(graph, monkeypatch,
                                                                 is_required):
    monkeypatch.setattr(os, 'statvfs', lambda path: Space(1, 1))
    made = graph('-p', f'required:={str(is_required).lower()}')
    stops = made.rig.listen(String, 'safety/stop', qos.STOP)
    entries = made.rig.diagnostics()
    made.state(ACTIVE)
    made.rig.until(lambda: made.status().problem, 'problem')
    if is_required:
        made.rig.until(lambda: stops, 'stop')
        assert FaultCode.DISK_FULL.name in stops[0].data and 'recorder' in stops[0].data
    entry = made.rig.until(lambda: entries().get('recorder: recording'), 'entry')
    made.rig.until(lambda: entries()['recorder: recording'].level == DiagnosticStatus.ERROR,
                   'error')
    assert 'MB are free' in entries()['recorder: recording'].message, entry
    assert 'MB are free' in made.rig.node.trouble
    assert bool(stops) == is_required
    assert not made.files()


def test_library_that_is_missing_is_named_and_the_node_waits(ros, monkeypatch, tmp_path):
    monkeypatch.setitem(__import__('sys').modules, 'mcap.writer', None)
    with made(ros, recorder_node.RecorderNode, '-p', f'folder:={tmp_path}') as rig:
        assert not rig.trigger('configure')
        assert "pip install 'reflex_ros[record]'" in rig.node.problem
        assert rig.node.trouble == rig.node.problem
