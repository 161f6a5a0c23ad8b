# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decorated control loops, with the simulated service (section e.1)."""

import pytest

from reflex_ros.client import action, connect, observation
from reflex_ros.errors import StreamClosed

pytestmark = pytest.mark.usefixtures('no_leaks', 'no_settings', 'short_waits')

HOME = [0.0, -30.0, 40.0, 30.0, 0.0, 30.0]


@pytest.fixture(autouse=True)
def settings(service, monkeypatch, no_settings):
    """Set key and URL in the environment."""
    monkeypatch.setenv('REFLEX_API_KEY', service.key)
    monkeypatch.setenv('REFLEX_CONVEX_URL', service.url)


def controller(*payloads, prompt='wave', **settings):
    """Make a controller that returns the listed observations, then always the home pose."""
    @connect(prompt, robot='so101', chunk_size=4, **settings)
    class Robot:
        def __init__(self):
            self.frames = []

        @observation
        def look(self):
            index = len(self.frames)
            return payloads[index] if index < len(payloads) else {'state': HOME}

        @action
        def move(self, frame):
            self.frames.append(frame)

    return Robot


def test_controller_observes_and_acts_for_some_steps(service):
    robot = controller({'state': HOME, 'images': {'front': b'jpeg'}, 'prompt': 'hold'})()
    assert robot.run(max_steps=3) == 3
    assert [frame['seq'] for frame in robot.frames] == [0, 1, 2]
    assert all(len(frame['actions']) == 4 for frame in robot.frames)
    [session] = service.state()['sessions']
    assert session['status'] == 'closed'


def test_run_ends_when_nothing_is_observed(service):
    assert controller({'state': HOME}, None)().run() == 1


@pytest.mark.parametrize('as_method', [True, False])
def test_run_ends_when_the_controller_is_not_enabled(service, as_method):
    class Robot(controller()):
        def move(self, frame):
            super().move(frame)
            if not as_method:
                self.enabled = len(self.frames) < 2

        move.__reflex_role__ = 'action'

    if as_method:
        Robot.enabled = lambda self: len(self.frames) < 2
    assert Robot().run(max_steps=9) == 2


def test_each_run_has_a_stream_of_its_own(service):
    robot = controller()()
    assert robot.run(max_steps=1) == robot.run(max_steps=1) == 1
    assert robot.run(max_steps=0) == 0
    assert [frame.seq for frame in robot.frames] == [0, 0]
    assert len(service.state()['sessions']) == 3


def test_error_of_the_controller_closes_the_stream_and_is_raised(service):
    class Broken(controller()):
        @action
        def move(self, frame):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Broken().run()
    [session] = service.state()['sessions']
    assert session['status'] == 'closed'


def test_error_of_the_service_is_raised(service):
    service.fault('close')
    with pytest.raises(StreamClosed):
        controller()().run()


@pytest.mark.parametrize('payload', [[1.0], 'state', 5, (1, 2)])
def test_observation_that_is_no_dict_is_told(payload):
    with pytest.raises(TypeError, match=(
            r'^@reflex\.observation must return a dict observation payload\.$')):
        controller(payload)().run()


def test_class_without_its_two_methods_is_told():
    class Nothing:
        pass

    class Blind:
        @action
        def move(self, frame):
            """Act."""

    class Lame:
        @observation
        def look(self):
            """Observe."""

    class Double(Blind, Lame):
        @observation
        def look_again(self):
            """Observe."""

    for bad, text in (
            (Nothing, r'^@reflex\.connect classes must define an @reflex\.observation method\.$'),
            (Blind, 'an @reflex.observation method'), (Lame, 'an @reflex.action method'),
            (Double, 'Double marks more than one method with @observation: look, look_again')):
        with pytest.raises(TypeError, match=text):
            connect()(bad)


def test_own_run_is_kept_and_an_inherited_one_replaced():
    class Own:
        look = observation(lambda self: None)
        move = action(lambda self, frame: None)

        def run(self):
            """Run otherwise."""
            return 'mine'

    assert connect()(Own)().run() == 'mine'
    Robot = controller()
    first = Robot.run
    assert connect('hold')(type('Child', (Robot,), {})).run is not first


def test_marked_methods_work_without_the_decorator():
    robot = controller({'state': [1.0]})()
    assert robot.look() == {'state': [1.0]}


def test_wrong_settings_are_told_at_the_class_and_a_missing_key_when_it_runs(monkeypatch):
    with pytest.raises(TypeError, match='no setting speed'):
        connect('p', speed=1)
    monkeypatch.delenv('REFLEX_API_KEY')
    robot = controller()()
    with pytest.raises(Exception, match='API key is required'):
        robot.run()


def test_undecorated_it_yields_an_open_stream(service):
    with connect('wave', robot='so101') as stream:
        stream.send_observation(HOME)
        assert len(stream.recv_action().rows) == 50


def test_attributes_open_one_stream_and_keep_it(service):
    connection = connect('wave', robot='so101')
    assert not hasattr(connection, 'nothing')
    assert service.state()['sessions'] == []
    assert connection.session_id.startswith('sess_')
    connection.send_observation(HOME)
    assert connection.recv_action().seq == 0
    with connection as stream:
        assert stream.session_id == connection.session_id
    assert [row['status'] for row in service.state()['sessions']] == ['closed']
    connection.close()
