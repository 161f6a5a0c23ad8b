# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex record`` with two simulated arms, a scripted hand and a rendered camera."""

import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip('av')
pytest.importorskip('PIL')
parquet = pytest.importorskip('pyarrow.parquet')

from reflex_ros.cli.record import _slug  # noqa: E402
from reflex_ros.errors import ConfigurationError  # noqa: E402
from reflex_ros.recording import dataset_check, dataset_folder  # noqa: E402

pytestmark = pytest.mark.usefixtures('no_settings')


def record(folder, *argv, **options):
    return subprocess.run(
        [sys.executable, '-m', 'reflex_ros.cli.main', 'record', '--sim', '--task', 'wave',
         '--out', str(folder), *argv], capture_output=True, text=True, timeout=90, check=False,
        stdin=subprocess.DEVNULL, **options)


def errors(folder):
    return [finding.text for finding in dataset_check.check(dataset_check.read(folder))
            if finding.is_error]


@pytest.mark.slow
def test_episodes_of_the_clock_are_a_data_set_that_passes_the_check(tmp_path):
    folder = tmp_path / 'data'
    done = record(folder, '--episodes', '2', '--episode-s', '2', '--pause-s', '0.3', '--json')
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document['ok'], document['episodes'], document['added']) == (True, 2, 2)
    assert document['next'] == [f'reflex datasets check {folder}',
                                f'reflex datasets upload {folder}']
    assert errors(folder) == []
    rows = parquet.read_table(folder / 'data').to_pydict()
    assert 2 * 55 <= len(rows['action']) == document['frames'] <= 2 * 65
    state, action = (np.array(rows[name]) for name in ('observation.state', 'action'))
    # The scripted hand moves every joint; the arm follows it by its lag.
    assert (np.ptp(state[:, :5], axis=0) > 5.0).all() and np.abs(action - state).max() < 15.0
    assert state[:, 5].min() >= 0.0 and state[:, 5].max() <= 100.0
    # Continued, by the same command.
    done = record(folder, '--episodes', '1', '--episode-s', '1', '--pause-s', '0.3')
    assert f'{folder}: 1 episode added, 3 in all' in done.stdout, done.stderr
    assert errors(folder) == []


@pytest.mark.slow
def test_keys_of_a_person_and_ctrl_c_keep_what_was_ended(terminal, tmp_path):
    asked = terminal('record', '--sim', '--task', 'wave', '--out', str(tmp_path / 'data'))
    asked.wait_for('space starts and ends an episode')
    asked.wait_for('episode 1 of 20: waiting')
    asked.press(' ')
    asked.wait_for('recording 1.')
    asked.press(' ')
    asked.wait_for('episode 2 of 20: waiting')
    asked.press(' ')
    asked.wait_for('episode 2 of 20: recording 0.')
    asked.send(signal.SIGINT)
    code, text = asked.end()
    assert code == 0 and 'The arm holds' not in text, text
    assert '1 episode added, 1 in all' in text and 'Traceback' not in text
    assert errors(tmp_path / 'data') == []


@pytest.mark.slow
def test_keys_move_a_joint_while_an_episode_is_recorded(terminal, tmp_path):
    folder = tmp_path / 'data'
    asked = terminal('record', '--sim', '--keyboard', '--task', 'turn', '--out', str(folder),
                     '--episodes', '1')
    asked.wait_for('d a shoulder_pan, w s shoulder_lift')
    asked.wait_for('episode 1 of 1: waiting')
    asked.press(' ')
    asked.wait_for('recording 0.')
    for _ in range(8):
        asked.press('d')
    asked.wait_for('recording 1.')
    asked.wait_for('recording 2.')
    asked.press(' ')
    code, text = asked.end()
    # The simulated arm ends with the command, so nobody can park it.
    assert code == 0 and 'The arm holds' not in text, text
    assert errors(folder) == []
    rows = parquet.read_table(folder / 'data').to_pydict()
    state, action = (np.array(rows[name]) for name in ('observation.state', 'action'))
    # Eight presses at once: at most five degrees ahead, so that it stops soon after the key.
    assert 4.0 < action[-1, 0] - action[0, 0] < 12.5
    assert abs(state[-1, 0] - action[-1, 0]) < 0.5
    assert (np.ptp(action[:, 1:], axis=0) < 0.5).all()


@pytest.mark.slow
def test_ctrl_c_in_the_first_episode_is_an_interrupted_command(terminal, tmp_path):
    asked = terminal('record', '--sim', '--keyboard', '--task', 'turn', '--out',
                     str(tmp_path / 'data'))
    asked.wait_for('episode 1 of 20: waiting')
    asked.press(' ')
    asked.wait_for('recording 0.')
    asked.send(signal.SIGINT)
    code, text = asked.end()
    # As every other command that is interrupted before it has done anything.
    assert code == 130 and 'No episode was kept' in text and 'Error: interrupted' in text, text
    assert 'so101 park' not in text


def test_second_recorder_on_a_data_set_is_refused(tmp_path):
    folder = tmp_path / 'data'
    with dataset_folder.claimed(folder):
        (folder / '.episode').mkdir()
        done = record(folder, '--pause-s', '1', '--episode-s', '2')
        assert done.returncode == 1
        assert f'{folder}: another program writes this data set. Wait until' in done.stderr
        # Nothing of the other one was taken for a leftover.
        assert (folder / '.episode').exists()
    with dataset_folder.claimed(folder), pytest.raises(KeyError), \
            dataset_folder.claimed(tmp_path / 'a' / 'b'):
        raise KeyError
    assert not (tmp_path / 'a' / 'b').exists()
    (tmp_path / 'file').write_text('')
    with pytest.raises(ConfigurationError, match='file: .*Choose another folder'), \
            dataset_folder.claimed(tmp_path / 'file'):
        raise AssertionError


@pytest.mark.slow
def test_killed_in_the_middle_the_episodes_before_are_whole(tmp_path):
    folder = tmp_path / 'data'
    process = subprocess.Popen(
        [sys.executable, '-m', 'reflex_ros.cli.main', 'record', '--sim', '--task', 'wave',
         '--out', str(folder), '--episodes', '9', '--episode-s', '1', '--pause-s', '0.2'],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    whole = 0
    for line in process.stderr:
        number, doing = re.search(r'episode (\d) of 9: (\w+)', line).groups()
        saving = re.search(r'saving (\d)', line)
        whole = int(number) - 1 - int(saving[1] if saving else 0)
        if doing == 'recording' and whole >= 1:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (folder / '.episode').exists(), 'it was killed while it recorded'
    done = record(folder, '--episodes', '1', '--episode-s', '1', '--pause-s', '0.2', '--json')
    document = json.loads(done.stdout)
    assert done.returncode == 0, document
    assert document['added'] == 1 and document['episodes'] >= whole + 1
    assert errors(folder) == [] and not (folder / '.episode').exists()


@pytest.mark.parametrize('argv, text', [
    ((), 'no terminal whose keys start an episode: pass --pause-s and --episode-s'),
    (('--pause-s', '1'), '--pause-s needs --episode-s'),
    (('--pause-s', '1', '--episode-s', '2', '--keyboard'), '--keyboard needs a terminal'),
    (('--pause-s', '1', '--episode-s', '2', '--keyboard', '--leader', 'x'),
     '--keyboard and --leader: choose what moves the arm'),
    (('--pause-s', '1', '--episode-s', '2', '--camera', 'front'), 'expected NAME=DEVICE'),
])
def test_what_cannot_work_is_said_before_anything_is_opened(tmp_path, argv, text):
    done = record(tmp_path / 'data', *argv)
    assert done.returncode != 0 and text in done.stderr and 'Traceback' not in done.stderr
    assert not os.path.exists(tmp_path / 'data')


def test_leader_needs_the_other_port(ask, tmp_path):
    outcome = ask('record', '--task', 'wave', '--leader', '/dev/so101_leader', '--yes', '--out',
                  str(tmp_path / 'data'), '--pause-s', '1', '--episode-s', '2')
    assert outcome.code == 2 and '--leader needs --port' in outcome.err


@pytest.fixture
def held_arm(instant_arm):
    """Return a simulated arm under torque, which would fall without it."""
    instant_arm.reset()
    driver = instant_arm.open()
    driver.bring_up()
    driver.arm()
    driver.close()
    yield instant_arm
    instant_arm.reset()


@pytest.mark.parametrize('moved_by', [(), ('--leader', '/dev/null')])
def test_camera_that_does_not_open_leaves_the_arm_alone(ask, held_arm, tmp_path, moved_by):
    # Without a leader, torque went off first: the arm fell for a mistyped camera.
    since = held_arm.control.mark()
    outcome = ask('record', '--task', 'wave', '--port', str(held_arm.link), *moved_by, '--yes',
                  '--camera', 'front=/dev/video97', '--out', str(tmp_path / 'data'),
                  '--pause-s', '1', '--episode-s', '2')
    assert outcome.code == 1 and 'failed to open /dev/video97' in outcome.err
    assert held_arm.requests(since) == 0 and all(held_arm.torque())


def test_simulated_arms_are_not_started_for_a_camera_that_does_not_open(tmp_path):
    done = record(tmp_path / 'data', '--camera', 'front=/dev/video97', '--pause-s', '1',
                  '--episode-s', '2')
    assert done.returncode == 1 and 'failed to open /dev/video97' in done.stderr
    assert 'The arm holds' not in done.stderr


def test_folder_of_a_data_set_at_another_rate_is_left_alone(tmp_path):
    (tmp_path / 'mine.txt').write_text('mine')
    done = record(tmp_path, '--pause-s', '1', '--episode-s', '2')
    assert done.returncode == 1 and 'is not empty, and holds no data set' in done.stderr


@pytest.mark.parametrize('task, name', [
    ('Put the cube in the box!', 'put-the-cube-in-the-box'), ('...', 'dataset'),
    ('../../etc', 'etc')])
def test_folder_is_named_after_the_task(task, name):
    assert _slug(task) == name
