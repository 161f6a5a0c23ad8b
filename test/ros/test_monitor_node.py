# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The monitor in this process: what it prints, and the calls that it passes on."""

import json
import os

import pytest

from reflex_ros.bringup.system import CameraFigures, View
from reflex_ros.domain import key_values
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.heartbeats import DriverBeat, Lifecycle, Link, StreamBeat
from reflex_ros.domain.safe_stop import CauseRecord, State
from reflex_ros.domain.supervision import SafetyState, StateChange

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from reflex_ros.nodes import qos, status_codec  # noqa: E402

from .node_rig import LEASE, made  # noqa: E402

STOPPED = (CauseRecord(FaultCode.OP_STOP, 'asked', 1234.5, 2),)


class Console:
    """The two ends of the monitor's stdin and stdout."""

    def __init__(self, rig, capfd, stdin):
        self.rig = rig
        self._capfd = capfd
        self._stdin = stdin
        self.lines = []

    def type(self, text):
        os.write(self._stdin, f'{text}\n'.encode())

    def until(self, key):
        """Wait for a line with a key, and return what stands there."""
        def found():
            self.lines += map(json.loads, self._capfd.readouterr().out.splitlines())
            for index, line in enumerate(self.lines):
                if key in line:
                    return self.lines.pop(index)
            return None
        return self.rig.until(found, lambda: f'{key} in {self.lines}')

    def view(self):
        """Return what `reflex up` makes of the next snapshot."""
        view = View()
        view.update(self.until('snapshot')['snapshot'])
        return view


@pytest.fixture
def console(ros, capfd, monkeypatch):
    from reflex_ros.nodes.monitor_node import MonitorNode
    reader, writer = os.pipe()
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr('sys.stdin', stdin)
        with made(ros, MonitorNode, '-p', 'rate_hz:=20.0') as rig:
            assert rig.trigger('configure') and rig.trigger('activate')
            yield Console(rig, capfd, writer)
            rig.node.trigger_shutdown()
        # The thread that reads ends with its input.
        os.close(writer)


def test_snapshot_holds_the_cameras_of_its_own_robot(console):
    publisher = console.rig.publisher(DiagnosticArray, '/diagnostics')

    def entries(node, **cameras):
        publisher.publish(DiagnosticArray(status=[
            status_codec.entry(f'{node}: stream/link', {}),
            *(status_codec.entry(f'{node}: cameras/{name}', {
                'rate_hz': rate, 'age_ms': 20.0, 'sent_bytes_per_s': 1000.0, 'topic': name})
              for name, rate in cameras.items())]))

    entries('left/action_stream', other=5.0)
    entries('action_stream', front=30.0, wrist=15.0)
    console.rig.until(lambda: console.rig.node._cameras, 'cameras')
    console.lines.clear()
    console.until('snapshot')
    assert console.view().cameras == {
        'front': CameraFigures(30.0, 20.0, 1000.0), 'wrist': CameraFigures(15.0, 20.0, 1000.0)}
    entries('action_stream', front=29.0)
    console.rig.until(lambda: len(console.rig.node._cameras) == 1, 'one camera')


def test_snapshot_tells_why_the_recorder_of_its_own_robot_writes_nothing(console):
    publisher = console.rig.publisher(DiagnosticArray, '/diagnostics')

    def problems(level, *robots):
        publisher.publish(DiagnosticArray(status=[status_codec.entry(
            f'{robot}recorder: recording', {}, level=level, message='the disk is full')
            for robot in robots]))
        return console.view().problems

    console.rig.until(lambda: problems(DiagnosticStatus.ERROR, 'left/', '') == {
        'recorder': 'the disk is full'}, 'problem')
    console.rig.until(lambda: problems(DiagnosticStatus.OK, '') == {}, 'no problem')
    assert problems(DiagnosticStatus.ERROR, 'left/') == {}


def test_snapshot_holds_what_each_node_says(console):
    rig = console.rig
    assert console.view().driver == DriverBeat(), 'nothing was heard yet'
    driver = DriverBeat('1-2', Lifecycle.ACTIVE, torque=True, cycles=5, rate_hz=99.5,
                        rejected={FaultCode.JUMP: 2}, setpoint=(0.5, -0.25))
    stream = StreamBeat('3-4', Lifecycle.ACTIVE, progress=3, link=Link.OPEN, prompt='wave')
    safety = SafetyState(State.ACTIVE, 7, why='')
    for topic, value in (('_beat/so101', driver), ('_beat/action_stream', stream)):
        rig.publisher(DiagnosticStatus, topic, LEASE).publish(
            status_codec.encode(topic, value, with_empty=False))
    rig.publisher(DiagnosticStatus, 'safety/state', qos.STATE).publish(
        status_codec.encode('safety/state', safety))
    rig.publisher(JointState, 'joint_states').publish(JointState(position=[0.1, 0.2]))
    rig.until(lambda: len(console.rig.node._seen_at) == 3 and console.rig.node._positions, 'all')
    console.lines.clear()
    console.until('snapshot')
    view = console.view()
    assert (view.driver, view.stream, view.safety) == (driver, stream, safety)
    assert view.snapshot['positions'] == [0.1, 0.2]
    assert set(view.snapshot['age_s']) == {'so101', 'action_stream', 'supervisor'}
    # Texts as on the wire: scripts read them.
    assert view.snapshot['driver']['torque'] == 'true'


def test_each_state_is_reported_once_even_when_it_was_too_short_to_be_heard(console):
    publisher = console.rig.publisher(DiagnosticStatus, 'safety/state', qos.STATE)
    history = ((State.READY, 10.0), (State.ARMING, 11.0), (State.STOPPING, 12.5))
    safety = SafetyState(State.STOPPING, causes=STOPPED, history=history, why='stopping')
    publisher.publish(status_codec.encode('safety/state', safety))
    view = View()
    for (state, at), why in zip(history, ('', '', 'stopping'), strict=True):
        line = console.until('state')
        # The reason in the message is that of the state in which it was written.
        assert line == {'state': state.value, 'at': at, 'why': why, 'causes': [
            {'code': 'OP_STOP', 'text': 'asked', 'at': 1234.5, 'count': 2}]}
        view.enter(key_values.from_plain(StateChange, line))
    assert view.state is State.STOPPING and view.causes == STOPPED
    assert view.states == list(history)
    publisher.publish(status_codec.encode('safety/state', safety))
    later = SafetyState(State.LATCHED, causes=STOPPED, history=(*history, (State.LATCHED, 13.0)))
    publisher.publish(status_codec.encode('safety/state', later))
    assert console.until('state')['state'] == 'LATCHED', 'a state was reported twice'


def test_call_is_passed_on_and_its_answer_printed(console):
    calls = []

    def promote(request, response):
        calls.append(request)
        response.success, response.message = False, 'refused: the gate is red'
        return response

    console.rig.peer.create_service(Trigger, 'supervisor/promote', promote)
    client = console.rig.node._calls['promote']
    console.rig.until(client.service_is_ready, 'service')
    console.type('{"call": "promote"}')
    assert console.until('answer') == {'answer': 'promote', 'success': False,
                                       'message': 'refused: the gate is red'}
    assert len(calls) == 1


@pytest.mark.parametrize('text', ['promote', '{"call": "explode"}', '{"call": 5}', '[]', '{}'])
def test_line_that_is_no_call_is_answered(console, text):
    console.type(text)
    answer = console.until('answer')
    assert not answer['success'] and 'demote, gate, park, promote' in answer['message']


def test_call_without_a_supervisor_is_answered_after_a_while(console, monkeypatch):
    from reflex_ros.nodes import monitor_node
    monkeypatch.setattr(monitor_node, 'DISCOVERY_S', 0.1)
    stops = console.rig.listen(String, 'safety/stop')
    console.type('{"call": "stop"}')
    # The driver obeys the topic without a supervisor.
    console.rig.until(lambda: stops, 'stop')
    assert stops[0].data == 'monitor: OP_STOP: a person asked to stop'
    answer = console.until('answer')
    assert answer['answer'] == 'stop' and not answer['success']
    assert 'supervisor' in answer['message']


@pytest.mark.parametrize('garbage', ['history', 'causes'])
def test_state_that_makes_no_sense_ends_nothing(console, garbage):
    publisher = console.rig.publisher(DiagnosticStatus, 'safety/state', qos.STATE)
    message = status_codec.encode('safety/state', SafetyState())
    for pair in message.values:
        if pair.key == garbage:
            pair.value = '[[['
    publisher.publish(message)
    console.rig.until(lambda: 'supervisor' in console.rig.node._seen_at, 'state')
    assert console.view().safety.state is State.UNCONFIGURED


def test_cleanup_prints_no_more_snapshots_and_may_be_repeated(console):
    console.until('snapshot')
    node = console.rig.node
    assert console.rig.trigger('deactivate') and console.rig.trigger('cleanup')
    node._teardown()
    beats = console.rig.beats(DriverBeat, '_beat/monitor')
    console._capfd.readouterr()
    console.rig.until(lambda: beats.messages, 'beat')
    assert console._capfd.readouterr().out == ''
