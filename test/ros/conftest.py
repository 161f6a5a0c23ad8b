# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Real rclpy, real DDS on loopback, real processes: each test has a ROS_DOMAIN_ID of its own."""

from contextlib import contextmanager
import json
import math
import os
from pathlib import Path
import subprocess
import sys
import time

import pytest

from reflex_ros.bringup.demo import Demo

MAX_STEP_RAD = 4.7 * 0.01 + 2 * math.pi / 4096
FOLDER = os.path.join(os.path.dirname(__file__), '')


def pytest_collection_modifyitems(items):
    # Of texts: with paths, this takes 0.2 s of each collection.
    graph = [item for item in items if str(item.path).startswith(FOLDER)]
    for index, item in enumerate(graph):
        item.add_marker('ros')
        # A graph of six processes needs about one core; more than two at a time miss deadlines.
        item.add_marker(pytest.mark.xdist_group(f'ros {index % 2}'))


@pytest.fixture
def ros(domain, monkeypatch):
    """Return a context manager that makes nodes in this process, in the test's own domain."""
    rclpy = pytest.importorskip('rclpy')
    for name, value in domain.items():
        monkeypatch.setenv(name, value)

    @contextmanager
    def started(*arguments):
        rclpy.init(args=['--ros-args', *arguments] if arguments else None)
        try:
            yield rclpy
        finally:
            rclpy.try_shutdown()
    return started


@pytest.fixture
def demo(domain, monkeypatch, tmp_path):
    """Start the whole simulated system, in the test's own domain."""
    for name, value in domain.items():
        monkeypatch.setenv(name, value)
    made = Demo(tmp_path, dry_run_s=1.0)
    try:
        made.start()
        yield made
    finally:
        made.close()


def wait_for(condition, timeout_s, what):
    """Poll until a condition holds; fail with what was awaited."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f'no {what} within {timeout_s} s'
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
