# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The order of a step loop, what it counts, and how it ends; robots are plain classes."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from reflex_ros.errors import ConfigurationError
from reflex_ros.runner.connect.result import error_text
from reflex_ros.runner.connect.signals import StopRequest
from reflex_ros.runner.connect.step_run import run_session
from reflex_ros.runner.connect.steps import RobotAction, RobotObservation, StepFailed

pytestmark = pytest.mark.live


class Robot:
    """The five methods, without any base class; writes down what happens."""

    def __init__(self, log, **broken):
        self.log = log
        self.broken = broken
        self.stopped = []

    def _do(self, name):
        self.log.append(name)
        if name in self.broken:
            raise self.broken[name]

    def start(self):
        self._do('robot.start')

    def get_observation(self):
        self._do('observe')
        return {'state': [0.5, 1.5], 'cameras': {'front': 'from the robot'}, 'task': 'wave'}

    def apply_action(self, action):
        self._do('apply')
        self.actions = action.actions, action['actions']

    def safe_stop(self, reason):
        self.stopped.append(reason)
        self._do('safe_stop')

    def stop(self):
        self._do('robot.stop')


class Policy:
    """Answers with one row that counts the calls."""

    def __init__(self, log, fails_at=()):
        self.log = log
        self.count = 0
        self.seen = []
        self.fails_at = fails_at

    def start(self):
        self.log.append('link.start')

    def infer(self, observation):
        self.count += 1
        self.seen.append(observation)
        if self.count in self.fails_at:
            raise TimeoutError('timed out')
        self.log.append(f'infer {self.count}')
        return {'actions': [[float(self.count)]], 'metadata': {'infer_ms': 5.0}}

    def stop(self):
        self.log.append('link.stop')


class Camera:
    def __init__(self, log, picture=b'a picture'):
        self.log, self.picture = log, picture

    def start(self):
        self.log.append('camera.start')

    def read(self):
        return self.picture

    def stop(self):
        self.log.append('camera.stop')


@pytest.fixture
def log():
    return []


def test_steps_are_taken_in_the_order_of_the_reference(log):
    robot, policy = Robot(log), Policy(log)
    result = run_session(connector=robot, transport=policy, mode='apply_actions', max_steps=2,
                         pipeline_inference=False)
    assert log == ['link.start', 'robot.start', 'observe', 'infer 1', 'apply', 'observe',
                   'infer 2', 'apply', 'robot.stop', 'link.stop']
    assert (result.steps, result.applied_steps, result.safe_stops, result.errors) == (2, 2, 0, [])
    assert result.last_action_chunk == [[2.0]] and robot.actions == ([[2.0]], [[2.0]])
    assert result.timing['applyMsP50'] >= 0.0 and result.timing['inferWaitMsP95'] >= 0.0


def test_next_inference_begins_before_the_robot_moves_and_none_after_the_last_step(log):
    policy = Policy(log)
    run_session(connector=Robot(log), transport=policy, mode='apply_actions', max_steps=3)
    # Observed before the motion, in the thread of the robot.
    assert [entry for entry in log if entry in ('observe', 'apply')] == [
        'observe', 'observe', 'apply', 'observe', 'apply', 'apply']
    assert policy.count == 3


def test_dry_run_never_applies(log):
    result = run_session(connector=Robot(log), transport=Policy(log), max_steps=2)
    assert 'apply' not in log and (result.steps, result.applied_steps) == (2, 0)


def test_pictures_of_cameras_override_those_of_the_robot(log):
    policy = Policy(log)
    run_session(connector=Robot(log), transport=policy, max_steps=1,
                cameras={'front': Camera(log), 'dark': Camera(log, None)})
    seen = policy.seen[0]
    assert seen.cameras == {'front': b'a picture'}
    assert (list(seen.state), seen.task) == ([0.5, 1.5], 'wave')
    assert log.count('camera.start') == log.count('camera.stop') == 2
    assert log.index('robot.stop') < log.index('camera.stop') < log.index('link.stop')


@pytest.mark.parametrize('name', ['observe', 'apply'])
def test_failure_of_the_robot_is_a_safe_stop_and_the_end(log, name):
    robot = Robot(log, **{name: ValueError('broken')})
    result = run_session(connector=robot, transport=Policy(log), mode='apply_actions')
    assert result.errors == ['ValueError: broken'] == robot.stopped
    assert (result.steps, result.safe_stops) == (0, 1)
    assert log[-3:] == ['safe_stop', 'robot.stop', 'link.stop']


def test_failed_inference_is_counted_and_survived_when_told_to(log):
    robot = Robot(log)
    result = run_session(connector=robot, transport=Policy(log, fails_at=(2,)),
                         mode='apply_actions', max_steps=3, stop_on_error=False)
    assert result.errors == ['TimeoutError: timed out']
    # The failing step counts because the loop goes on.
    assert (result.steps, result.applied_steps, result.safe_stops) == (3, 2, 1)


def test_failing_safe_stop_is_reported_and_the_robot_is_closed_all_the_same(log):
    robot = Robot(log, observe=ValueError('broken'), safe_stop=RuntimeError('jammed'))
    result = run_session(connector=robot, transport=Policy(log))
    assert result.errors == ['ValueError: broken', 'safe_stop_failed: jammed']
    assert log[-2:] == ['robot.stop', 'link.stop']


def test_robot_that_does_not_close_does_not_keep_the_link_open(log):
    robot = Robot(log, **{'robot.stop': OSError('no port')})
    result = run_session(connector=robot, transport=Policy(log), max_steps=1)
    assert result.errors == ['connector_stop_failed: no port'] and log[-1] == 'link.stop'


def test_robot_is_not_started_when_the_link_is_down(log):
    class Down(Policy):
        def start(self):
            raise ConnectionError('no link')

    with pytest.raises(ConnectionError, match='no link'):
        run_session(connector=Robot(log), transport=Down(log))
    assert not [entry for entry in log if entry.startswith('robot')]


def test_error_of_the_robot_counts_more_than_that_of_a_camera(log):
    class Broken(Camera):
        def start(self):
            raise RuntimeError('no camera')

    with pytest.raises(OSError, match='no robot'):
        run_session(connector=Robot(log, **{'robot.start': OSError('no robot')}),
                    transport=Policy(log), cameras={'front': Broken(log)})
    assert log[-2:] == ['robot.stop', 'link.stop']


@pytest.mark.parametrize('actions', [
    [[float('nan')]], [], [[1.0], [1.0, 2.0]], 'rows', None, [[True, 'x']]])
def test_rows_that_are_no_rows_never_reach_the_robot(log, actions):
    class Odd(Policy):
        def infer(self, observation):
            return {'actions': actions}

    result = run_session(connector=Robot(log), transport=Odd(log), mode='apply_actions')
    assert 'apply' not in log and len(result.errors) == 1 and result.safe_stops == 1


@pytest.mark.parametrize('state', [None, 'text', [float('inf')], 7])
def test_observation_without_a_state_is_an_error(log, state):
    class Blind(Robot):
        def get_observation(self):
            return {'state': state}

    result = run_session(connector=Blind(log), transport=Policy(log))
    assert 'state of an observation' in result.errors[0]


def test_single_row_and_array_are_rows():
    import numpy as np
    assert RobotAction([1, 2]).actions == [[1.0, 2.0]]
    assert RobotAction(np.zeros((2, 3))).actions == [[0.0] * 3] * 2
    assert dict(RobotAction([[1.0]], {'a': 1})) == {'actions': [[1.0]], 'metadata': {'a': 1}}


def test_class_without_the_methods_is_refused_by_name(log):
    with pytest.raises(ConfigurationError, match='connector object has no method start, get_ob'):
        run_session(connector=object(), transport=Policy(log))
    with pytest.raises(ConfigurationError, match='camera front .* has no method read'):
        run_session(connector=Robot(log), transport=Policy(log), cameras={'front': object()})
    with pytest.raises(ConfigurationError, match="mode must be 'dry_run' or 'apply_actions'"):
        run_session(connector=Robot(log), transport=Policy(log), mode='move')


def test_period_and_heartbeat_are_kept_and_a_mistake_in_the_callback_is_survived(log):
    beats = []

    def on_heartbeat(counters):
        beats.append((time.monotonic(), dict(counters)))
        raise ValueError('a mistake')

    began = time.monotonic()
    result = run_session(connector=Robot(log), transport=Policy(log), max_steps=4,
                         control_period_s=0.05, heartbeat_interval_s=0.01,
                         on_heartbeat=on_heartbeat)
    assert time.monotonic() - began >= 0.2 and result.errors == []
    assert beats and beats[-1][1] == {'step': 4, 'applied_steps': 0, 'safe_stops': 0}


def test_another_thread_can_end_the_run(log):
    stop = StopRequest()
    threading.Timer(0.05, stop.ask).start()
    result = run_session(connector=Robot(log), transport=Policy(log), stop=stop)
    assert result.steps > 0 and result.errors == [] and log[-2:] == ['robot.stop', 'link.stop']


STARTING = """
import time
from reflex_ros.runner.connect.step_run import run_session

class Robot:
    def start(self): print('started', flush=True)
    get_observation = apply_action = safe_stop = stop = start

class Policy:
    def start(self):
        print('connecting', flush=True)
        time.sleep(60)
    infer = start
    def stop(self): print('link closed', flush=True)

result = run_session(connector=Robot(), transport=Policy())
print(result.steps, result.errors, flush=True)
"""


def test_first_signal_ends_a_run_whose_link_is_not_up_at_once():
    process = subprocess.Popen([sys.executable, '-c', STARTING], stdout=subprocess.PIPE, text=True,
                               env={**os.environ, 'PYTHONPATH': os.getcwd()})
    try:
        assert process.stdout.readline() == 'connecting\n'
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert out.splitlines() == ['link closed', '0 []'] and process.returncode == 0


PROGRAM = """
import sys, time
from reflex_ros.runner.connect.step_run import run_session

class Robot:
    def start(self): print('started', flush=True)
    def get_observation(self): return {'state': [0.0]}
    def apply_action(self, action):
        print('moving', flush=True)
        time.sleep(float(sys.argv[1]))
        print('moved', flush=True)
    def safe_stop(self, reason): print('safe_stop', reason, flush=True)
    def stop(self): print('stopped', flush=True)

class Policy:
    def start(self): pass
    def infer(self, observation): return {'actions': [[1.0]]}
    def stop(self): print('link closed', flush=True)

result = run_session(connector=Robot(), transport=Policy(), mode='apply_actions')
print(result.applied_steps, result.safe_stops, flush=True)
"""


@pytest.fixture
def program():
    """Start a run that moves for some seconds, and return it when it moves."""
    started = []

    def start(duration_s):
        process = subprocess.Popen([sys.executable, '-c', PROGRAM, str(duration_s)],
                                   stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, 'PYTHONPATH': os.getcwd()})
        started.append(process)
        assert process.stdout.readline() == 'started\n'
        assert process.stdout.readline() == 'moving\n'
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_first_signal_finishes_the_step(program, number):
    process = program(0.5)
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert out.splitlines() == ['moved', 'stopped', 'link closed', '1 0']


def test_second_signal_stops_the_robot_at_once(program):
    process = program(60.0)
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert out.splitlines()[:2] == ['safe_stop interrupted', 'stopped']


def test_errors_are_named_by_the_class_that_scripts_look_for():
    assert error_text(ValueError('x')) == 'ValueError: x'
    assert error_text(StepFailed('x')) == 'StepFailed: x'
    from reflex_ros.runner.connect.commands import CommandError
    assert error_text(CommandError('x')) == 'RuntimeError: x'


def test_observation_may_be_an_object(log):
    class Modern(Robot):
        def get_observation(self):
            return RobotObservation([1.0], task='reach', extra={'speed': 2})

    policy = Policy(log)
    run_session(connector=Modern(log), transport=policy, max_steps=1)
    assert policy.seen[0].task == 'reach' and policy.seen[0].extra == {'speed': 2}
