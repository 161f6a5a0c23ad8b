# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How processes end: repeated Ctrl-C, and a parent that dies."""

from contextlib import contextmanager
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

from .conftest import is_alive, wait_for

pytestmark = pytest.mark.xdist_group('ros nodes')

NODES = ('action_stream_node', 'description_node', 'episodes_node', 'monitor_node',
         'recorder_node', 'sim_camera_node', 'so101_driver_node', 'supervisor_node', 'view_node')
PARENT = """
import json, subprocess, sys
child = subprocess.Popen(json.loads(sys.argv[1]), stdin=subprocess.DEVNULL)
print(child.pid, flush=True)
child.wait()
"""


def node(name):
    """Return the command that starts a node."""
    return [sys.executable, '-m', f'reflex_ros.nodes.{name}']


@contextmanager
def started(command, **options):
    """Run a process; kill it at the end, because a failed test must not wait for it."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def has_joined(pid):
    """Tell whether a node is up: it catches SIGHUP and has the sockets of DDS."""
    try:
        status = Path(f'/proc/{pid}/status').read_text()
        links = [os.readlink(link) for link in Path(f'/proc/{pid}/fd').iterdir()]
    except OSError:
        return False
    caught = int(status.partition('SigCgt:')[2].split()[0], 16)
    return caught & 1 and sum(link.startswith('socket:') for link in links) >= 4


def interrupt_until_it_ends(process, period_s):
    """Send SIGINT again and again; return the exit code."""
    deadline = time.monotonic() + 15.0
    while process.poll() is None:
        assert time.monotonic() < deadline, 'does not end'
        process.send_signal(signal.SIGINT)
        try:
            process.wait(period_s)
        except subprocess.TimeoutExpired:
            continue
    return process.returncode


@pytest.mark.parametrize('name', NODES)
def test_second_ctrl_c_does_not_kill_a_node_that_ends(name, domain):
    with started(node(name), env={**os.environ, **domain}, stdout=subprocess.DEVNULL) as process:
        wait_for(lambda: has_joined(process.pid), 20.0, 'node')
        assert interrupt_until_it_ends(process, 0.02) == 0


@pytest.mark.parametrize('module', ['reflex_ros.sim.arm', 'reflex_ros.sim.service'])
def test_second_ctrl_c_does_not_kill_a_simulated_part_that_ends(module):
    with started([sys.executable, '-m', module], text=True, stdout=subprocess.PIPE) as process:
        assert json.loads(process.stdout.readline())
        assert interrupt_until_it_ends(process, 0.02) == 0


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize('name', ['monitor_node', 'so101_driver_node'])
def test_node_ends_when_its_parent_dies(name, number, domain):
    with subprocess.Popen([sys.executable, '-c', PARENT, json.dumps(node(name))], text=True,
                          env={**os.environ, **domain}, stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        try:
            wait_for(lambda: has_joined(pid), 20.0, 'node')
            parent.send_signal(number)
            wait_for(lambda: not is_alive(pid), 6.0, 'end of the node')
        finally:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


def test_node_under_nohup_outlives_its_parent(domain):
    command = ['nohup', *node('monitor_node')]
    with subprocess.Popen([sys.executable, '-c', PARENT, json.dumps(command)], text=True,
                          env={**os.environ, **domain}, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as parent:
        pid = int(parent.stdout.readline())
        try:
            wait_for(lambda: len(list(Path(f'/proc/{pid}/task').iterdir())) > 4, 20.0, 'node')
            parent.send_signal(signal.SIGKILL)
            parent.wait()
            # The node looks for its parent every 0.1 s, and a snapshot comes out once a second.
            with pytest.raises(AssertionError, match='no end of the node'):
                wait_for(lambda: not is_alive(pid), 2.0, 'end of the node')
        finally:
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: not is_alive(pid), 6.0, 'end of the node after SIGTERM')


def test_view_that_cannot_listen_ends_and_says_why(domain):
    ended = subprocess.run(
        [sys.executable, '-m', 'reflex_ros', 'view', '--host', 'nonsense.invalid'],
        env={**os.environ, **domain}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=30, check=False)
    assert (ended.returncode, ended.stdout) == (1, '')
    [line] = ended.stderr.splitlines()
    assert line.startswith('[ERROR] view cannot configure: --host nonsense.invalid'), line


def test_view_prints_one_document(domain):
    view = [sys.executable, '-m', 'reflex_ros', 'view', '--json']
    ended = subprocess.run(
        [*view, '--host', 'nonsense.invalid'], env={**os.environ, **domain}, timeout=30,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    document = json.loads(ended.stdout)
    assert ended.returncode == 1 and not document['ok']
    assert document['error'].startswith('--host nonsense.invalid')
    with started([*view, '--port', '0'], env={**os.environ, **domain}, text=True,
                 stdout=subprocess.PIPE) as process:
        # Four lines: the node stays, and would not end the stream.
        document = json.loads(''.join(process.stdout.readline() for _ in range(4)))
        assert document['ok'] and document['url'].startswith('http://127.0.0.1:')
        assert interrupt_until_it_ends(process, 5.0) == 0
        assert process.stdout.read() == ''


def test_node_of_a_graph_stays_to_be_configured_again(domain):
    with started([*node('sim_camera_node'), '--ros-args', '-p', 'rate_hz:=0.0'], text=True,
                 env={**os.environ, **domain}, stderr=subprocess.PIPE) as process:
        assert 'cannot configure' in process.stderr.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.0)


HANGING = """
import sys, time
from reflex_ros.nodes.base import ReflexNode
from reflex_ros.nodes.process import run

class Hanging(ReflexNode):
    def __init__(self):
        super().__init__('hanging', (), 10.0)
        self.every(0.05, self.hang_here)

    def hang_here(self):
        time.sleep(60.0)

sys.exit(run(Hanging, hang_s=0.2))
"""


FORGETTING = """
import os, sys
from reflex_ros.nodes.base import ReflexNode
from reflex_ros.nodes.process import run

class Showing(ReflexNode):
    def __init__(self):
        super().__init__('showing', (), 10.0)
        print(any('rfx_' in value for value in os.environ.values()), flush=True)
        os.kill(os.getpid(), 2)

sys.exit(run(Showing))
"""


def test_node_that_needs_no_key_forgets_it(domain):
    ended = subprocess.run([sys.executable, '-c', FORGETTING], capture_output=True, text=True,
                           env={**os.environ, **domain, 'REFLEX_API_KEY': 'rfx_x', 'A': 'rfx_y'},
                           stdin=subprocess.DEVNULL, timeout=30, check=False)
    assert (ended.returncode, ended.stdout) == (0, 'False\n'), ended.stderr


def test_node_that_hangs_ends_and_shows_where(domain):
    ended = subprocess.run([sys.executable, '-c', HANGING], env={**os.environ, **domain},
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
                           check=False)
    assert ended.returncode == 1
    assert 'Timeout' in ended.stderr and 'in hang_here' in ended.stderr
