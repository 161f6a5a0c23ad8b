# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
No command imports anything while its arm is under torque.

The thread that imports is the one that permits the arm to move: 0.4 s, and on a busy machine more
than the arm waits.
"""

import subprocess
import sys

import pytest

pytest.importorskip('mcap_ros2')

from reflex_ros.runner.sim_arm import LEADER, SimArm  # noqa: E402

from .test_recordings_commands import write_run  # noqa: E402

WATCHED = """
import sys
from reflex_ros.cli.main import main
from reflex_ros.runner.manual_drive import ManualDrive
opened, closed, before = ManualDrive.open, ManualDrive.close, set()
def open_(self):
    opened(self)
    before.update(sys.modules)
def close_(self):
    print('imported', *{*sys.modules} - before, file=sys.stderr)
    closed(self)
ManualDrive.open, ManualDrive.close = open_, close_
main()
"""


@pytest.fixture(scope='module')
def arms():
    """Return the ports of a follower and a leader, which a scripted hand moves."""
    follower, leader = SimArm(), SimArm(*LEADER)
    try:
        follower.start()
        leader.start()
        yield follower.port, leader.port
    finally:
        follower.end()
        leader.end()


def imported_under_torque(*argv):
    done = subprocess.run([sys.executable, '-c', WATCHED, *argv], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stderr.splitlines() if line.startswith('imported'))
    return line.split()[1:]


@pytest.mark.slow
@pytest.mark.parametrize('command', [
    ('so101', 'jog', 'wrist_roll', '3'),
    ('so101', 'park'),
    ('so101', 'teleop', '--seconds', '1'),
    ('recordings', 'replay', '--speed', '1'),
], ids=' '.join)
def test_nothing_is_imported_while_an_arm_is_under_torque(arms, tmp_path, monkeypatch, command):
    follower, leader = arms
    monkeypatch.setenv('REFLEX_RECORDINGS_DIR', str(tmp_path))
    write_run(tmp_path / 'a.mcap', seconds=1.0)
    ports = ('--leader', leader, '--follower', follower) if 'teleop' in command else (
        '--port', follower)
    assert imported_under_torque(*command, *ports, '--yes') == []


@pytest.mark.slow
def test_nothing_is_imported_while_an_arm_shows_a_task(tmp_path):
    pytest.importorskip('av')
    names = imported_under_torque('record', '--sim', '--task', 'wave', '--out',
                                  str(tmp_path / 'data'), '--episodes', '1', '--episode-s', '1',
                                  '--pause-s', '0.2')
    # The threads of the camera and of the writer draw and encode.
    assert [name for name in names if name.split('.')[0] not in ('PIL', 'av')
            and not name.startswith('reflex_ros.sim')] == []


def test_machine_and_process_are_looked_at_without_an_import():
    # It is done while the arm moves, and first when an answer of a servo is late.
    program = """
import sys
from reflex_ros.hardware import host_load
from reflex_ros.runner import own_process
before = {*sys.modules}
host_load.is_busy(), own_process.shortage()
print(*{*sys.modules} - before)
"""
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True,
                          timeout=60, check=True)
    assert done.stdout.split() == []
