# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The walk of ``doc/first-robot.md``: every command as it stands there, with ROS and without it.

It runs in real processes against the simulated service and arm, without a terminal. What a person
does is done here: type a password, approve a link, wait until something is green, press Ctrl-C.
"""

from contextlib import suppress
import json
import os
from pathlib import Path
import re
import subprocess
import sys
import threading
import time

import pytest

from reflex_ros.bringup import process_table
from reflex_ros.bringup.processes import ProcessGroup
from reflex_ros.sim.arm.client import ArmControl

from .conftest import descendants, wait_for

pytest.importorskip('rclpy')
pytest.importorskip('aiohttp')

pytest.importorskip('mcap_ros2')
pytest.importorskip('pyarrow')

from ..unit.conftest import no_settings, Service  # noqa: E402, F401

PAGE = Path(__file__).parents[2] / 'doc' / 'first-robot.md'
VERBS = ('gate', 'promote', 'stop', 'reset', 'park')
"""Commands for the running graph: a person repeats them until they are not refused any more."""
PATIENCE_S = 60.0
RETRY_S = 2.0
PASSWORD = 'correct horse'


def blocks(language, step):
    """Return the blocks of one step of the page in one language."""
    text = re.split(r'^## \d+\. ', PAGE.read_text(), flags=re.M)[step]
    return re.findall(rf'^```{language}\n(.*?)^```', text, re.S | re.M)


def commands(*steps):
    """Return the commands of some steps of the page, in order."""
    return [line for step in steps for block in blocks('bash', step)
            for line in block.splitlines()]


def parts():
    """Return the commands of the simulated parts that the page says to start."""
    return re.findall(r'^    (reflex sim .*)$', PAGE.read_text(), re.M)


def travel(arm):
    """Return how far the joint that moved most has come since the start [rad]."""
    return max(joint['travel_rad'] for joint in arm.state()['joints'].values())


def without_ros(folder):
    """Return the environment of a machine on which nothing of ROS can be imported."""
    for name in ('rclpy', 'ament_index_python', 'rosidl_runtime_py', 'sensor_msgs'):
        (folder / f'{name}.py').write_text(f"raise ModuleNotFoundError('no {name}')")
    return {'PYTHONPATH': str(folder)}


class Walker:
    """Somebody who types the commands of the page."""

    def __init__(self, folder, domain, service):
        self.folder = folder
        self.service = service
        self.outputs = {}
        self.said = []
        """Everything that commands have printed."""
        self.up = None
        self.env = {**os.environ, **domain, 'HOME': str(folder), 'REFLEX_CONVEX_URL': service.url,
                    'REFLEX_PLATFORM_URL': service.url,
                    'REFLEX_SO101_PORT': str(folder / 'arm'),
                    'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}'}

    def type(self, line):
        """Run a line of the page, as its comment says; keep what it printed."""
        command, _, comment = (part.strip() for part in line.partition('  # '))
        words = command.split()
        if command.endswith('&'):
            self.start_robot(command.removesuffix('&'))
        elif words[:2] == ['reflex', 'login']:
            self.log_in(command)
        elif words[0] == 'reflex' and (
                words[1] in VERBS or words[1] == 'doctor' and self.up is not None):
            self.run_until_it_succeeds(command)
        else:
            done = self.run(command, input=f'{PASSWORD}\n')
            wanted = 1 if comment.startswith('still red') else 0
            assert done.returncode == wanted, (command, done.stdout, done.stderr)

    def run(self, command, **options):
        done = subprocess.run(['/bin/bash', '-c', command], env=self.env, cwd=self.folder,
                              capture_output=True, text=True, timeout=120, check=False, **options)
        assert 'Traceback' not in done.stderr, done.stderr
        self.outputs[command] = done.stdout
        self.said.append(done.stdout + done.stderr)
        return done

    def run_until_it_succeeds(self, command):
        """Run a command again and again: the gate or the doctor may still be red."""
        said = []

        def succeeds():
            done = self.run(command)
            said[:] = done.stdout, done.stderr
            if done.returncode:
                # As a person does. One command after the other takes a core, and the gate may be
                # red because this machine is too busy for the bus.
                time.sleep(RETRY_S)
            return done.returncode == 0

        wait_for(succeeds, PATIENCE_S, lambda: f'success of {command}; it said {said}')

    def log_in(self, command):
        def approve():
            [file] = wait_for(lambda: [*self.folder.rglob('*.pending.json')], 30.0,
                              'a login that waits')
            self.service._ask('POST', '/admin/approve',
                              {'requestId': json.loads(file.read_text())['requestId']})

        person = threading.Thread(target=approve)
        person.start()
        done = self.run(command, stdin=subprocess.DEVNULL)
        person.join()
        assert done.returncode == 0, done.stderr

    def start_robot(self, command):
        self.up = subprocess.Popen(
            command.split(), env=self.env, cwd=self.folder, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def end_robot(self):
        """Press Ctrl-C; return exit code, stdout and stderr."""
        self.check_command_lines()
        self.up.send_signal(2)
        out, err = self.up.communicate(timeout=30)
        self.said.append(out + err)
        return self.up.returncode, out, err

    def check_command_lines(self):
        """Look for secrets in what every user of this machine can see."""
        for pid in {self.up.pid, *descendants(self.up.pid)}:
            with suppress(OSError):
                shown = Path(f'/proc/{pid}/cmdline').read_bytes()
                assert not any(secret.encode() in shown for secret in self.secrets()), shown

    def secrets(self):
        [file] = self.folder.rglob('credentials.json')
        return PASSWORD, json.loads(file.read_text())['apiKey']

    def check_secrets(self):
        """Look for secrets in every output, every log and every other file of the whole walk."""
        said = '\n'.join(self.said)
        assert not any(secret in said for secret in self.secrets())
        holders = [path for path in self.folder.rglob('*') if path.is_file() and any(
            secret.encode() in path.read_bytes() for secret in self.secrets())]
        assert [path.name for path in holders] == ['credentials.json'], holders
        assert not holders[0].stat().st_mode & 0o077


@pytest.fixture
def walker(domain, no_settings, tmp_path, monkeypatch):  # noqa: F811
    service = Service(queue_s=1.0, provision_s=1.0, train_s=2.0)
    group = ProcessGroup(tmp_path / 'logs', environment=domain)
    world = process_table.World(tmp_path / 'arm', tmp_path / 'arm.sock', 0)
    group.start_ready(process_table.simulation(world)[0])
    # The service trains faster than that of the page, and the arm has a control socket.
    started = [line.split()[2] for line in parts()]
    assert started == ['service', 'arm', 'camera']
    (tmp_path / 'robot.yaml').write_text(blocks('yaml', 6)[0])
    walking = Walker(tmp_path, domain, service)
    camera = subprocess.Popen(parts()[2].split(), env=walking.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, text=True)
    assert json.loads(camera.stdout.readline())['camera'] == 'front'
    yield walking
    camera.terminate()
    camera.communicate(timeout=15)
    if walking.up is not None and walking.up.poll() is None:
        walking.up.kill()
        walking.up.communicate()
    group.end()
    service.stop()


def test_page_is_walked_from_signup_to_receipts_without_an_id(walker):
    lines = commands(*range(1, 9))
    assert not re.search(r'\b[a-z]+_[0-9a-f]{8,}\b', '\n'.join(lines)), 'an id on the page'
    has_moved = False
    for line in lines:
        if line.startswith('reflex receipts'):
            # Step 8: Ctrl-C, while the arm is parked.
            code, _, err = walker.end_robot()
            assert code == 0, err
        walker.type(line)
        if line == 'reflex promote':
            with ArmControl(walker.folder / 'arm.sock') as arm:
                has_moved = wait_for(lambda: travel(arm) > 0.1, PATIENCE_S, 'motion')
    assert has_moved
    [robot] = [row for row in walker.service.call('listRobots')['robots']
               if row['name'] == 'bench']
    [deployment] = [row for row in walker.service.call('listDeployments')['deployments']
                    if row['name'] == 'pick']
    receipts = walker.service.call('listDeploymentReceipts')['receipts']
    assert {row['deploymentId'] for row in receipts} == {deployment['deploymentId']}
    assert {row['robotId'] for row in receipts} == {robot['robotId']}
    assert {row['event'] for row in receipts} >= {'authorized', 'promoted', 'closed'}
    assert robot['robotId'] in walker.outputs['reflex receipts list --deployment pick']
    assert not [row for row in walker.service.state()['sessions'] if row['status'] == 'active']
    for command, output in walker.outputs.items():
        if command.split()[1] in ('datasets', 'training', 'models', 'robots', 'deployments',
                                  'doctor', 'receipts', 'sessions'):
            assert '\nNext:\n  ' in output, command
    walker.check_secrets()


@pytest.mark.xdist_group('ros nodes')   # it starts no graph
def test_last_step_is_walked_without_ros_and_without_an_id(walker, tmp_path_factory):
    walker.env |= without_ros(tmp_path_factory.mktemp('hidden'))
    assert 'no rclpy' in walker.run('reflex status').stderr
    lines = commands(*range(1, 6), 9)
    starts = [number for number, line in enumerate(lines) if line.endswith('&')]
    ends = [number for number, line in enumerate(lines)
            if line.startswith(('sed', 'reflex receipts'))]
    assert len(starts) == len(ends) == 2, 'a dry run and one that moves'
    with ArmControl(walker.folder / 'arm.sock') as arm:
        for number, line in enumerate(lines):
            if number == ends[0]:
                wait_for(lambda: len(walker.service.observations()) > 5, PATIENCE_S,
                         'steps in dry_run')
                assert travel(arm) < 0.01, 'motion in dry_run'
            elif number == ends[1]:
                wait_for(lambda: travel(arm) > 0.1, PATIENCE_S, 'motion')
            if number in ends:
                code, out, err = walker.end_robot()
                assert code == 0, (out, err)
                assert 'Traceback' not in err
            walker.type(line)
    receipts = walker.service.call('listDeploymentReceipts')['receipts']
    events = [row['event'] for row in receipts]
    assert events.count('authorized') == events.count('closed') == 2, events
    assert 'promoted' in events
    assert not [row for row in walker.service.state()['sessions'] if row['status'] == 'active']
    walker.check_secrets()
