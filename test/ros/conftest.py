# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Real rclpy, real DDS on loopback, real processes: each test has a ROS_DOMAIN_ID of its own."""

from contextlib import contextmanager, suppress
import gc
import json
import math
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time

import pytest

from reflex_ros.bringup.demo import Demo
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.safe_stop import State

MAX_STEP_RAD = 4.7 * 0.01 + 2 * math.pi / 4096
FOLDER = os.path.join(os.path.dirname(__file__), '')
HELD_UP = (FaultCode.DRIVER_DEAD, FaultCode.DRV_STALL, FaultCode.STREAM_DEAD,
           FaultCode.SUPERVISOR_DEAD)
"""Causes of a stop by a machine that is too busy."""
BEFORE = {}
"""Test -> the UDP ports that this process had before it."""
STILL_THERE = []
"""Tests whose nodes were not collected."""


@pytest.hookimpl(tryfirst=True)   # xdist reads the groups in this hook too
def pytest_collection_modifyitems(items):
    # Of texts: with paths, this takes 0.2 s of each collection.
    graph = [item for item in items if str(item.path).startswith(FOLDER)]
    for item in graph:
        item.add_marker('ros')
        # A graph of six processes needs about one core: with two at a time, two cores miss
        # deadlines. Nodes within the process of the test are light, and so are the files and tests
        # that name their group themselves.
        kind = 'nodes' if item.path.name.endswith('_node.py') else 'graphs'
        if not item.get_closest_marker('xdist_group'):
            item.add_marker(pytest.mark.xdist_group(f'ros {kind}'))


@pytest.fixture
def ros(domain, monkeypatch, request):
    """Return a context manager that makes nodes in this process, in the test's own domain."""
    rclpy = pytest.importorskip('rclpy')
    for name, value in domain.items():
        monkeypatch.setenv(name, value)
    # The driver freezes what it finds, and a node that is frozen is never collected. Afterwards it
    # unfreezes, and every collection would look at all that pytest holds.
    for name in ('freeze', 'unfreeze'):
        monkeypatch.setattr(gc, name, lambda: None)
    assert not STILL_THERE, f'nodes are still in the domain of a test: {STILL_THERE.pop()}'
    before = {*udp_ports()}

    @contextmanager
    def started(*arguments):
        rclpy.init(args=['--ros-args', *arguments] if arguments else None)
        try:
            yield rclpy
        finally:
            rclpy.try_shutdown()
    yield started
    BEFORE[request.node.nodeid] = before


def pytest_runtest_logfinish(nodeid):
    """
    Let the nodes of a test leave its domain.

    A lifecycle node does that when it is collected, not when it is destroyed. Until then the next
    test in this domain finds a node without topics under its name. This comes after pytest has
    dropped the fixtures and the log of the test.
    """
    before = BEFORE.pop(nodeid, None)
    if before is not None:
        gc.collect()
        if ports := {*udp_ports()} - before:
            STILL_THERE.append(f'{nodeid}, ports {ports}')


def udp_ports():
    """Return the UDP ports that this process has; each context of rclpy has at least two."""
    sockets = set()
    for entry in Path('/proc/self/fd').iterdir():
        with suppress(OSError):
            kind, _, inode = os.readlink(entry).partition(':')
            if kind == 'socket':
                sockets.add(inode.strip('[]'))
    lines = Path('/proc/self/net/udp').read_text(encoding='ascii').splitlines()[1:]
    return [int(fields[1].partition(':')[2], 16) for fields in map(str.split, lines)
            if fields[9] in sockets]


@pytest.fixture
def demo(domain, monkeypatch, tmp_path, request):
    """Start the whole simulated system, in the test's own domain; a parameter is its leader."""
    for name, value in domain.items():
        monkeypatch.setenv(name, value)
    made = Demo(tmp_path, dry_run_s=1.0, leader=getattr(request, 'param', ''))
    try:
        made.start()
        yield made
    finally:
        made.close()


@contextmanager
def moving_system(**changes):
    """
    Run a simulated system in motion for all tests of a file, in a domain and places of its own.

    :param changes: to its world.
    """
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        for place in ('REFLEX_RECORDINGS_DIR', 'XDG_RUNTIME_DIR', 'XDG_STATE_HOME'):
            os.mkdir(path := os.path.join(folder, place.lower()), 0o700)
            patch.setenv(place, path)
        made = Demo(Path(folder) / 'log', dry_run_s=1.0, **changes)
        for name, value in made.environment.items():
            patch.setenv(name, value)
        try:
            made.start()
            made.bring_to_motion()
            yield made
        finally:
            made.close()


def bring_back(demo):
    """Reset what is stopped, promote, and wait until the arm follows the policy."""
    if demo.system.view.state in (State.STOPPING, State.LATCHED, State.FAULT):
        answers = []

        def is_reset():
            answers[:] = [demo.system.call('reset')]
            return answers[0]['success']
        wait_for(is_reset, 40.0, lambda: f'reset: {answers}, {demo.system.view.snapshot}')
    if demo.system.view.state not in (State.ACTIVE, State.DEGRADED):
        # The gate is red while the machine is too busy for the bus.
        demo.system.wait_state(State.READY, timeout_s=90.0)
        demo.bring_to_motion()


def first_cause(demo, attack, undo, attempts=4):
    """
    Attack a moving arm; return the first cause of its stop.

    A machine that is too busy may stop the arm before the attack does. Then the arm is brought
    back, and attacked again.

    :param undo: ends the attack, so that the arm may move.
    """
    view = demo.system.view
    for _ in range(attempts):
        attack()
        demo.system.wait_state(State.LATCHED, State.FAULT, timeout_s=15.0)
        cause = wait_for(lambda: view.causes, 5.0, 'cause')[0]
        if cause.code not in HELD_UP:
            break
        undo()
        bring_back(demo)
    return cause


def wait_for(condition, timeout_s, what):
    """
    Poll until a condition holds; fail with what was awaited.

    :param what: text, or a function that makes it when it is needed.
    """
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, (
            f'no {what() if callable(what) else what} within {timeout_s} s')
        time.sleep(0.02)
    return found


@contextmanager
def running(*arguments, env, module='reflex_ros.cli.main'):
    """Run a command of ours until the block ends; it ends with SIGINT."""
    process = subprocess.Popen(
        [sys.executable, '-m', module, *arguments], env={**os.environ, **env}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(2)
        try:
            process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


def run_demo(*arguments, env, timeout_s=120):
    """Run ``reflex demo --json``; return its result and whatever it wrote to stderr."""
    done = subprocess.run(
        [sys.executable, '-m', 'reflex_ros.cli.main', 'demo', '--json', *arguments],
        env={**os.environ, **env}, capture_output=True, text=True, timeout=timeout_s, check=False)
    result = json.loads(done.stdout)
    # In every run: the fastest joint, the gripper, in a cycle of 10 ms, rounded up to a tick.
    assert result.get('max_step_rad', 0.0) <= MAX_STEP_RAD, result
    return result, done


def descendants(pid):
    """Return the ids of all processes below one."""
    parents = {}
    for entry in Path('/proc').glob('[0-9]*/stat'):
        try:
            fields = entry.read_text().rpartition(')')[2].split()
        except OSError:
            continue
        parents[int(entry.parent.name)] = int(fields[1])
    found = {pid}
    while True:
        more = {child for child, parent in parents.items() if parent in found} - found
        if not more:
            return found - {pid}
        found |= more


def is_alive(pid):
    """Tell whether a process runs (a zombie does not)."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False
