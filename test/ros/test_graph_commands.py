# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex promote``, ``stop``, ``status`` and the others on a running graph."""

import json
import os
import signal
import subprocess
import sys

import pytest

from reflex_ros.domain.heartbeats import MotionState, ServiceChange
from reflex_ros.domain.safe_stop import State
from reflex_ros.runner.running_graphs import NoteFile

rclpy = pytest.importorskip('rclpy')

from .conftest import running, wait_for  # noqa: E402
from .test_supervisor_node import supervised  # noqa: E402, F401

pytestmark = pytest.mark.filterwarnings('ignore:failed to send response')


@pytest.fixture
def own_places(tmp_path, monkeypatch):
    """Keep the notes of other graphs of this machine out of sight; return the environment."""
    places = {name: str(tmp_path / name) for name in ('XDG_RUNTIME_DIR', 'XDG_STATE_HOME')}
    for name, folder in places.items():
        os.mkdir(folder, 0o700)
        monkeypatch.setenv(name, folder)
    return places


class Terminal:
    """A second terminal on the machine of a supervisor that this process runs."""

    def __init__(self, world):
        self.world = world
        node = world.rig.node
        # As the process of a node does.
        self.note = NoteFile('supervisor', node.context.get_domain_id(), node.get_namespace())

    def begin(self, *arguments):
        return subprocess.Popen([sys.executable, '-m', 'reflex_ros', *arguments], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def end(self, process):
        self.world.rig.until(lambda: process.poll() is not None, 'end of the command')
        return process.returncode, *process.communicate()

    def run(self, *arguments):
        return self.end(self.begin(*arguments))


@pytest.fixture
def terminal(own_places, supervised):  # noqa: F811
    terminals = []

    def start(**parameters):
        terminals.append(Terminal(supervised(**parameters)))
        return terminals[-1]

    yield start
    for each in terminals:
        each.note.remove()


def test_operator_drives_the_graph_from_another_terminal(terminal):
    console = terminal()
    world = console.world
    world.stream.set(session_accepted=50)
    world.reaches(State.DRY_RUN)
    code, out, _ = console.run('gate')
    assert code == 1
    code, _, error = console.run('promote')
    assert code == 1 and error.startswith('refused in DRY_RUN: promote needs READY')
    world.stream.set(session_accepted=100)
    world.reaches(State.READY)
    code, out, _ = console.run('gate')
    assert code == 0 and out.startswith('ok  latch')
    code, out, _ = console.run('gate', '--json')
    answer = json.loads(out)
    assert code == 0 and answer['ok']
    assert {'latch', 'driver', 'stream'} <= {row['name'] for row in answer['gate']}
    assert all(row['is_green'] for row in answer['gate'])
    code, out, _ = console.run('promote', '--json')
    assert code == 0
    domain = world.rig.node.context.get_domain_id()
    assert json.loads(out) == {
        'ok': True, 'message': 'promote: now ARMING', 'domain': domain, 'namespace': ''}
    world.reaches(State.ARMING)
    code, out, _ = console.run('demote')
    assert (code, out) == (0, 'demote: now STOPPING\n')
    world.comes_to_rest()
    world.reaches(State.DRY_RUN, State.READY)
    code, out, _ = console.run('reset', '--json')
    answer = json.loads(out)
    assert code == 1 and not answer['ok'] and 'nothing is latched' in answer['error']
    code, out, _ = console.run('park')
    assert (code, out) == (0, 'park: now PARKING\n')
    code, out, _ = console.run('status', '--json')
    seen = json.loads(out)
    assert code == 0 and seen['ok'] and seen['safety']['state'] == 'PARKING'
    assert set(seen['ageS']) == {'so101', 'action_stream', 'supervisor'}
    assert all(0.0 <= age_s < 1.0 for age_s in seen['ageS'].values()), seen['ageS']


def test_stop_is_latched_and_says_so(terminal):
    console = terminal()
    world = console.world
    world.bring_to(State.ACTIVE)
    process = console.begin('stop')
    world.reaches(State.STOPPING)
    world.rig.until(lambda: world.stops, 'the word of the stop')
    assert {message.data for message in world.stops} == {
        'reflex stop: OP_STOP: a person asked to stop'}
    world.comes_to_rest()
    assert console.end(process) == (0, 'stop: now LATCHED\n', '')
    assert 'reflex stop' in world.safety().causes[0].text


def test_stop_works_and_status_is_old_when_the_supervisor_is_silent(terminal):
    console = terminal()
    world = console.world
    world.reaches(State.READY)
    world.driver.set(motion=MotionState.HOLD, torque=True, permit_age_s=3.4)
    world.rig.end_node()
    code, out, _ = console.run('status')
    assert code == 1
    assert out.startswith('Warning: no news from the supervisor for 3 s; the driver holds the arm')
    code, out, _ = console.run('stop')
    assert code == 0 and 'the driver holds the arm. The supervisor does not answer' in out
    assert [message.data for message in world.stops]


def test_promotion_at_the_service_is_in_the_status(terminal):
    console = terminal()
    console.world.reaches(State.READY)
    console.world.stream.set(service_change=ServiceChange.PROMOTED)
    console.world.rig.until(lambda: 'promoted at' in console.world.safety().why, 'the reason')
    code, out, _ = console.run('status')
    assert code == 0
    assert 'promoted at the service; the arm waits for `reflex promote`' in out
    # The state is kept for those who come later, the beat is not: both are waited for.
    assert 'supervisor: active' in out


def test_nobody_in_a_domain_is_said_with_the_next_step(own_places, domain):
    done = subprocess.run(
        [sys.executable, '-m', 'reflex_ros', 'status', '--domain', domain['ROS_DOMAIN_ID']],
        env={**os.environ, **domain}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert (f'no node was heard in ROS domain {domain["ROS_DOMAIN_ID"]}. Start the graph with '
            '`reflex up`') in done.stderr


def test_real_graph_is_found_stopped_and_said_to_be_old_when_its_supervisor_hangs(
        own_places, domain):
    def reflex(*arguments):
        # Without the domain: it is found.
        return subprocess.run([sys.executable, '-m', 'reflex_ros', *arguments], text=True,
                              capture_output=True, timeout=60, check=False)

    with running('up', '--sim', env={**domain, **own_places}) as system:
        lines = iter(system.stderr.readline, '')
        assert any(f'ROS_DOMAIN_ID={domain["ROS_DOMAIN_ID"]}' in line for line in lines)
        assert any(line.startswith('READY') for line in lines)
        promoted = reflex('promote')
        assert (promoted.returncode, promoted.stdout) == (0, 'promote: now ARMING\n')
        assert any(line.startswith('ACTIVE') for line in lines)
        status = json.loads(reflex('status', '--json').stdout)
        assert status['ok'] and status['sessionId'].startswith('sess_')
        supervisor = next(
            note['pid'] for note in notes(own_places) if note['node'] == 'supervisor')
        # `reflex up` would end a supervisor that hangs, and start another one.
        for pid in (system.pid, supervisor):
            os.kill(pid, signal.SIGSTOP)
        try:
            # The driver itself notices that the permits are missing.
            wait_for(lambda: 'the driver holds the arm' in reflex('status').stdout, 20, 'warning')
            stopped = reflex('stop')
            assert stopped.returncode == 0 and 'the driver holds the arm' in stopped.stdout
        finally:
            for pid in (supervisor, system.pid):
                os.kill(pid, signal.SIGCONT)
        wait_for(lambda: reflex('stop').stdout == 'stop: now LATCHED\n', 20, 'latch')
        wait_for(lambda: reflex('reset').returncode == 0, 20, 'reset')
    assert not notes(own_places)


def notes(places):
    folder = os.path.join(places['XDG_RUNTIME_DIR'], 'reflex_ros')
    found = []
    for name in os.listdir(folder):
        with open(os.path.join(folder, name)) as file:
            found.append(json.load(file))
    return found


def test_command_ends_with_its_code_although_the_middleware_hangs(domain, own_places):
    # As it was seen once in some hundred visits: what takes the middleware down never returns.
    hang = ('import sys, threading, rclpy\n'
            'rclpy.try_shutdown = lambda **_: threading.Event().wait()\n'
            'from reflex_ros.nodes import graph_client\n'
            'graph_client.LEAVE_S, graph_client.FIND_S = 0.1, 0.1\n'
            "sys.argv = ['reflex', 'gate', '--json', '--domain', '%s']\n"
            'from reflex_ros.cli.main import entry\nentry()')
    done = subprocess.run(
        [sys.executable, '-c', hang % domain['ROS_DOMAIN_ID']], env={
            **os.environ, **domain, **own_places}, capture_output=True, text=True, timeout=60,
        check=False)
    assert done.returncode == 1 and 'no supervisor was found' in done.stdout, done


def test_second_reflex_up_is_refused_and_leaves_the_first_one_alone(own_places, domain):
    with running('up', '--sim', env={**domain, **own_places}) as system:
        lines = iter(system.stderr.readline, '')
        assert any(line.startswith('READY') for line in lines)
        before = {note['node']: note['pid'] for note in notes(own_places)}
        for arguments in (('up', '--sim'), ('up',), ('demo',)):
            second = subprocess.run(
                [sys.executable, '-m', 'reflex_ros', *arguments], text=True, capture_output=True,
                env={**os.environ, **domain, **own_places}, timeout=60, check=False)
            assert second.returncode == 1
            assert f'reflex up --sim: process {system.pid}' in second.stderr
        assert {note['node']: note['pid'] for note in notes(own_places)} == before
    assert not notes(own_places)


def test_recorder_that_cannot_write_is_named_once_and_stops_nothing(own_places, domain):
    env = {**domain, **own_places, 'REFLEX_RECORDINGS_DIR': '/proc/x'}
    what = 'Warning: recorder: the folder of the recordings, /proc/x, cannot be used'
    with running('up', '--sim', env=env) as system:
        lines = iter(system.stderr.readline, '')
        # In either order: READY, and what the recorder says once a second.
        heard = [next(line for line in lines if line.startswith(('READY', what)))
                 for _ in range(2)]
        assert sorted(line.startswith(what) for line in heard) == [False, True]
        shown = subprocess.run([sys.executable, '-m', 'reflex_ros', 'status'], text=True,
                               capture_output=True, timeout=60, check=False)
        assert shown.returncode == 0 and what in shown.stdout and shown.stdout.startswith('READY')
